"""Training that can be saved, continued and branched: the public names of `ntkbench.training`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .critical import critical_step as critical_step
    from .state import State as State, load as load
    from .trainer import Trainer as Trainer

_HOME = {"State": "state", "Trainer": "trainer", "critical_step": "critical", "load": "state"}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value

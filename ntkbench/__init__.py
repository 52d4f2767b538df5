"""The public names of ntkbench, listed once; each is imported on first use, so `import ntkbench` stays cheap."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import kernels as kernels, layers as layers, testing as testing
    from .engine.autodiff.hvp import hvp as hvp
    from .engine.hessian.norm import (
        HessianEigs as HessianEigs,
        HessianNorm as HessianNorm,
        hessian_eigs as hessian_eigs,
        hessian_norm as hessian_norm,
    )
    from .engine.linearize import Linearized as Linearized, linearize as linearize
    from .engine.ntk.distance import kernel_distance as kernel_distance, relative_change as relative_change
    from .engine.ntk.empirical import empirical_ntk as empirical_ntk
    from .errors import NtkbenchError as NtkbenchError
    from .registry.decorators import architecture as architecture, measurement as measurement
    from .registry.hookspecs import hookimpl as hookimpl
    from .runner.run import run as run
    from .store.run import Run as Run, load as load
    from .types import Quantity as Quantity, Value as Value

__version__ = "0.1.0"

_HOMES = {
    ".engine.hessian.norm": "HessianEigs HessianNorm hessian_eigs hessian_norm",
    ".engine.autodiff.hvp": "hvp",
    ".engine.ntk.distance": "kernel_distance relative_change",
    ".engine.linearize": "Linearized linearize",
    ".engine.ntk.empirical": "empirical_ntk",
    ".errors": "NtkbenchError",
    ".registry.decorators": "architecture measurement",
    ".registry.hookspecs": "hookimpl",
    ".runner.run": "run",
    ".store.run": "Run load",
    ".types": "Quantity Value",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}
_ROOMS = ("kernels", "layers", "testing")

__all__ = sorted([*_HOME, *_ROOMS])


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

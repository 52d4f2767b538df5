"""Public API of ntkbench. Every name is imported on first use, so `import ntkbench` does not import TensorFlow."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__

if TYPE_CHECKING:
    from . import kernels as kernels, layers as layers, testing as testing, training as training
    from .api import Run as Run, load as load, run as run
    from .datasets.task import Task as Task
    from .engine.hessian import (
        HessianEigs as HessianEigs,
        HessianNorm as HessianNorm,
        hessian_eigs as hessian_eigs,
        hessian_norm as hessian_norm,
        hvp as hvp,
    )
    from .engine.linearize import Linearized as Linearized, linearize as linearize
    from .engine.ntk import (
        empirical_ntk as empirical_ntk,
        jacobian as jacobian,
        kernel_distance as kernel_distance,
        relative_change as relative_change,
    )
    from .errors import MissingData as MissingData, NtkbenchError as NtkbenchError
    from .registry.decorators import architecture as architecture, measurement as measurement
    from .registry.hookspecs import hookimpl as hookimpl
    from .types import Curve as Curve, CurveSpec as CurveSpec, Quantity as Quantity, Value as Value

_HOMES = {
    ".api": "Run load run",
    ".datasets.task": "Task",
    ".engine.hessian": "HessianEigs HessianNorm hessian_eigs hessian_norm hvp",
    ".engine.linearize": "Linearized linearize",
    ".engine.ntk": "empirical_ntk jacobian kernel_distance relative_change",
    ".errors": "MissingData NtkbenchError",
    ".registry.decorators": "architecture measurement",
    ".registry.hookspecs": "hookimpl",
    ".types": "Curve CurveSpec Quantity Value",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}
_SUBPACKAGES = ("kernels", "layers", "testing", "training")

__all__ = sorted([*_HOME, *_SUBPACKAGES])


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

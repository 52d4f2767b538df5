"""Infinite-width kernels: the public names of `ntkbench.kernels`, each imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .affine import Conv as Conv, Dense as Dense
    from .attention import LinearAttention as LinearAttention
    from .features import NoLimit as NoLimit
    from .graph import add as add, concatenate as concatenate, residual as residual
    from .inference import Ensemble as Ensemble, Prediction as Prediction
    from .infinite import InfiniteWidth as InfiniteWidth
    from .keras_model import infinite_width as infinite_width
    from .unitwise import (
        Activation as Activation,
        AveragePooling as AveragePooling,
        Flatten as Flatten,
        GlobalAveragePooling as GlobalAveragePooling,
        Identity as Identity,
        LayerNormalization as LayerNormalization,
        Scale as Scale,
        ZeroPadding as ZeroPadding,
    )

_HOMES = {
    "affine": "Conv Dense",
    "attention": "LinearAttention",
    "features": "NoLimit",
    "graph": "add concatenate residual",
    "inference": "Ensemble Prediction",
    "infinite": "InfiniteWidth",
    "keras_model": "infinite_width",
    "unitwise": "Activation AveragePooling Flatten GlobalAveragePooling Identity LayerNormalization Scale ZeroPadding",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value

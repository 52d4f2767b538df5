"""Provide TensorFlow operations with exact derivatives, full precision, and scoped global settings."""

from .compiled import Compiled
from .determinism import deterministic
from .exact_ops import exact_operations
from .hoist import Hoisted, dependents
from .keras_settings import isolated_settings, keras_settings
from .matmul import cotangents_side_by_side, on_last_axis, times, traced_for_xla
from .precision import full_precision
from .reshape import reshape, scaled, source_of
from .saved import Saved
from .vectorised import for_each, quiet_tensorflow

__all__ = [
    "Compiled",
    "Hoisted",
    "Saved",
    "cotangents_side_by_side",
    "dependents",
    "deterministic",
    "exact_operations",
    "for_each",
    "full_precision",
    "isolated_settings",
    "keras_settings",
    "on_last_axis",
    "quiet_tensorflow",
    "reshape",
    "scaled",
    "source_of",
    "times",
    "traced_for_xla",
]

"""Validate every public call: its inputs, token indices, cached functions and the model's derivatives."""

from .arguments import like_weights, require_one_of, require_tolerance, require_whole
from .derivatives import (
    KERNEL_TOLERANCE,
    NOISE,
    SAMPLES,
    TOLERANCE,
    Derivatives,
    check_derivatives,
    in_float64,
    relative,
)
from .entry import enter
from .finite import NotFinite, not_finite, require_finite
from .guard import require_right_derivatives
from .layers import FaultyLayer, diagnose, known_right

__all__ = [
    "KERNEL_TOLERANCE",
    "NOISE",
    "SAMPLES",
    "TOLERANCE",
    "Derivatives",
    "FaultyLayer",
    "NotFinite",
    "check_derivatives",
    "diagnose",
    "enter",
    "in_float64",
    "known_right",
    "like_weights",
    "not_finite",
    "relative",
    "require_finite",
    "require_one_of",
    "require_right_derivatives",
    "require_tolerance",
    "require_whole",
]

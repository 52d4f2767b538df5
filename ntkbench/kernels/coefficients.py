"""Checks of the coefficients of infinite-width layers, as validators of their fields."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..errors import NtkbenchError


def deviation(layer: Any, field: Any, value: Any) -> None:
    """Raise NtkbenchError unless a field is a finite number of at least 0, or a tensor or variable of such numbers.

    Values of variables and of symbolic tensors, which may change, are not checked.
    """
    if _is_refused(value, least=0.0):
        raise NtkbenchError(
            f"{type(layer).__name__} got {field.name}={value!r:.80}; it must be a finite real number of at least 0, or "
            "a tensor or variable of such numbers."
        )


def real(layer: Any, field: Any, value: Any) -> None:
    """Raise NtkbenchError unless a field is a finite real number, or a tensor or variable of such numbers."""
    if _is_refused(value, least=-np.inf):
        raise NtkbenchError(
            f"{type(layer).__name__} got {field.name}={value!r:.80}; it must be a finite real number, or a tensor or "
            "variable of such numbers."
        )


def _is_refused(value: Any, least: float) -> bool:
    """Return whether a value is not real, or is known and has an entry that is not finite or is below `least`."""
    try:
        dtype = tf.as_dtype(getattr(value, "dtype", None) or np.asarray(value).dtype)
    except TypeError:
        return True
    if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        return True
    if isinstance(value, tf.Variable | keras.Variable) or tf.is_symbolic_tensor(value):
        return False
    found = np.asarray(value).astype(np.float64)
    return not bool(np.all(np.isfinite(found) & (found >= least)))

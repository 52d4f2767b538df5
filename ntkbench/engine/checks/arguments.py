"""What the public functions take beside a model and its inputs: names, numbers, and arrays shaped like the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ...errors import NtkbenchError, did_you_mean
from ..model import Network


def require_one_of(value: Any, names: Sequence[str], what: str) -> None:
    """Raise NtkbenchError unless a value is one of the names; what: "kernel method", for example."""
    if not isinstance(value, str) or value not in names:
        raise NtkbenchError(f"No {what} is called {value!r}. {did_you_mean(str(value), names)}")


def require_tolerance(tol: Any) -> None:
    """Raise NtkbenchError unless `tol` is a number from 0 to 1."""
    if isinstance(tol, bool) or not isinstance(tol, int | float | np.number) or not 0 <= tol <= 1:
        raise NtkbenchError(f"tol={tol!r} is no relative tolerance; give a number from 0 to 1, such as 1e-3.")


def require_whole(value: Any, name: str, least: int) -> None:
    """Raise NtkbenchError unless a value is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise NtkbenchError(f"{name}={value!r} is not possible; give a whole number of at least {least}.")


def like_weights(net: Network, given: Any, name: str) -> tf.Tensor:
    """Return one array for each trainable variable, of its shape, as one vector [P] in the model's precision.

    Raises NtkbenchError, which says `name`, for other shapes, and for anything but finite real numbers.
    """
    if isinstance(given, str | bytes | dict) or not hasattr(given, "__len__") or not hasattr(given, "__getitem__"):
        raise NtkbenchError(f"{name} is a {type(given).__name__}; need one array for each trainable variable.")
    if len(given) != len(net.shapes):
        raise NtkbenchError(
            f"{name} holds {len(given)} arrays; need one for each of the {len(net.shapes)} trainable variables, of "
            f"shapes {net.shapes}."
        )
    arrays = [_numbers(each, f"{name}[{i}]") for i, each in enumerate(given)]
    shapes = [tuple(each.shape) for each in arrays]
    if shapes != net.shapes:
        raise NtkbenchError(f"{name} has shapes {shapes}; the trainable variables have {net.shapes}.")
    vector = net.flatten([tf.cast(each, net.dtype) for each in arrays])
    if not bool(tf.reduce_all(tf.math.is_finite(vector))):
        raise NtkbenchError(f"{name} holds NaN, infinity, or a number too large for {net.dtype.name}.")
    return vector


def _numbers(given: Any, name: str) -> tf.Tensor:
    try:
        found = tf.convert_to_tensor(given)
    except (TypeError, ValueError) as error:
        raise NtkbenchError(f"{name} is a {type(given).__name__} that is no array of numbers.") from error
    if not (found.dtype.is_floating or found.dtype.is_integer):
        raise NtkbenchError(f"{name} has type {found.dtype.name}; need real numbers.")
    return found

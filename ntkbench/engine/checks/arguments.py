"""Validate the other arguments of the public functions: names, numbers, and arrays shaped like the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ...errors import NtkbenchError, did_you_mean
from ..model import Network


def require_one_of(value: Any, names: Sequence[str], what: str) -> None:
    """Raise NtkbenchError unless `value` is one of `names`; `what` names the kind, for example "kernel method"."""
    if not isinstance(value, str) or value not in names:
        raise NtkbenchError(f"Unknown {what} {value!r}. {did_you_mean(str(value), names)}")


def require_tolerance(tol: Any) -> None:
    """Raise NtkbenchError unless `tol` is a number from 0 to 1."""
    if isinstance(tol, bool) or not isinstance(tol, int | float | np.number) or not 0 <= tol <= 1:
        raise NtkbenchError(f"tol={tol!r} is not a relative tolerance; pass a number from 0 to 1, such as 1e-3.")


def require_whole(value: Any, name: str, least: int) -> None:
    """Raise NtkbenchError unless `value` is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise NtkbenchError(f"{name}={value!r} is invalid; pass an integer of at least {least}.")


def like_weights(net: Network, given: Any, name: str) -> tf.Tensor:
    """Flatten one array per trainable variable into a vector [P] in the model's precision.

    Args:
        net: The network.
        given: Arrays with the shapes of the trainable variables.
        name: Name of the argument in error messages.

    Raises:
        NtkbenchError: If the number of arrays or a shape does not match, or if a value is not a finite real number.
    """
    if isinstance(given, str | bytes | dict) or not hasattr(given, "__len__") or not hasattr(given, "__getitem__"):
        raise NtkbenchError(f"{name} is a {type(given).__name__}; expected one array per trainable variable.")
    if len(given) != len(net.shapes):
        raise NtkbenchError(
            f"{name} has {len(given)} arrays; expected one for each of the {len(net.shapes)} trainable variables, "
            f"with shapes {net.shapes}."
        )
    arrays = [_numbers(each, f"{name}[{i}]") for i, each in enumerate(given)]
    shapes = [tuple(each.shape) for each in arrays]
    if shapes != net.shapes:
        raise NtkbenchError(f"{name} has shapes {shapes}; the trainable variables have {net.shapes}.")
    vector = net.flatten([tf.cast(each, net.dtype) for each in arrays])
    if not bool(tf.reduce_all(tf.math.is_finite(vector))):
        raise NtkbenchError(f"{name} contains NaN, infinity, or a number too large for {net.dtype.name}.")
    return vector


def _numbers(given: Any, name: str) -> tf.Tensor:
    try:
        found = tf.convert_to_tensor(given)
    except (TypeError, ValueError) as error:
        raise NtkbenchError(f"{name} is a {type(given).__name__}, not an array of numbers.") from error
    if not (found.dtype.is_floating or found.dtype.is_integer):
        raise NtkbenchError(f"{name} has dtype {found.dtype.name}; expected real numbers.")
    return found

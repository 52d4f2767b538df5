"""Checks of arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import NtkbenchError


def whole(value: Any, name: str, least: int | None = None) -> int:
    """Return an integer. Raises NtkbenchError unless `value` is one, of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or (least is not None and value < least):
        bound = "" if least is None else f" of at least {least}"
        raise NtkbenchError(f"{name}={value!r} is invalid; pass an integer{bound}.")
    return int(value)


def number(value: Any, name: str, *, low: float = 0.0, below: float = np.inf, with_low: bool = False) -> float:
    """Return a number as float.

    Args:
        value: The number.
        name: Name of the argument in error messages.
        low: Lower end of the allowed interval.
        below: Upper end of the interval, which does not belong to it.
        with_low: Whether `low` belongs to the interval.

    Raises:
        NtkbenchError: The value is not a number in the interval.
    """
    numeric = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not numeric or not (low < value < below or (with_low and value == low)):
        least = f"at least {low:g}" if with_low else f"greater than {low:g}"
        most = f" and less than {below:g}" if below < np.inf else ""
        raise NtkbenchError(f"{name}={value!r} is invalid; pass a number {least}{most}.")
    return float(value)

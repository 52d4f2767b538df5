"""Checks of numeric arguments of layers and architectures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..errors import NtkbenchError


def positive(owner: str, name: str, value: Any) -> int:
    """Return `value` as an integer; raise NtkbenchError with owner and argument unless it is at least 1."""
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = 0
    if isinstance(value, bool) or whole != value or whole < 1:
        raise NtkbenchError(f"{owner} got {name}={value!r}; use an integer of at least 1.")
    return whole


def deviation(owner: str, name: str, value: Any) -> float:
    """Return a standard deviation; raise NtkbenchError with owner and argument unless it is finite and at least 0."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise NtkbenchError(f"{owner} got {name}={value!r}; use a finite number of at least 0.")
    return number


def pair(owner: str, name: str, value: int | Sequence[int]) -> tuple[int, int]:
    """Return one number or a pair as two positive integers; raise NtkbenchError with owner and argument otherwise."""
    both = (value, value) if isinstance(value, int) else tuple(value)
    if len(both) != 2:
        raise NtkbenchError(f"{owner} got {name}={value!r}; pass one number or a pair.")
    return positive(owner, name, both[0]), positive(owner, name, both[1])

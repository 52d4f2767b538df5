"""Checks of the whole numbers that layers and architectures are given."""

from __future__ import annotations

from typing import Any

from ..errors import NtkbenchError


def positive(owner: str, name: str, value: Any) -> int:
    """Return `value` as an integer of at least 1, or raise NtkbenchError naming owner and argument."""
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = 0
    if isinstance(value, bool) or whole != value or whole < 1:
        raise NtkbenchError(f"{owner} got {name}={value!r}; it must be a whole number of at least 1.")
    return whole

"""Checks of integer arguments of layers and architectures."""

from __future__ import annotations

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

"""The limits of one cell: how long it may take, how much memory its worker may hold."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from ..errors import NtkbenchError
from ..plan.cost import BASE_GIB


def _positive(name: str, unit: str, example: str) -> Any:
    def check(_: Any, __: Any, value: Any) -> None:
        if value is not None and not 0 < value < float("inf"):
            raise NtkbenchError(f"{name} is {value:g}; it is a positive number of {unit}, such as {example}.")

    return check


def _room(_: Any, __: Any, gib: float | None) -> None:
    if gib is not None and gib <= BASE_GIB:
        raise NtkbenchError(
            f"--memory-limit is {gib:g} GiB, and a worker with TensorFlow alone holds about {BASE_GIB:g}; "
            "give more, such as --memory-limit 4."
        )


@frozen
class Limits:
    """What one cell may take, None for as much as it likes.

    seconds: from when a warm worker takes the cell, compilation included.   gib: the worker's resident set.
    """

    seconds: float | None = field(default=None, validator=_positive("--timeout", "seconds", "--timeout 600"))
    gib: float | None = field(default=None, validator=[_positive("--memory-limit", "GiB", "--memory-limit 4"), _room])

    def __bool__(self) -> bool:
        return self.seconds is not None or self.gib is not None


NO_LIMITS = Limits()

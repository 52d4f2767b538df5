"""Time and memory limits of one cell."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from ..errors import NtkbenchError
from ..plan.cost import BASE_GIB


def _positive(name: str, unit: str, example: str) -> Any:
    def check(_: Any, __: Any, value: Any) -> None:
        if value is not None and not 0 < value < float("inf"):
            raise NtkbenchError(f"{name} is {value:g}; it must be a positive number of {unit}, such as {example}.")

    return check


def _above_tensorflow(_: Any, __: Any, gib: float | None) -> None:
    if gib is not None and gib <= BASE_GIB:
        raise NtkbenchError(
            f"--memory-limit is {gib:g} GiB, but a worker needs about {BASE_GIB:g} GiB for TensorFlow alone. "
            "Use more, such as --memory-limit 4."
        )


@frozen
class Limits:
    """Limits of one cell; None for no limit.

    Attributes:
        seconds: Time from when a warm worker takes the cell, including compilation.
        gib: Resident set of the worker, in GiB.
    """

    seconds: float | None = field(default=None, validator=_positive("--timeout", "seconds", "--timeout 600"))
    gib: float | None = field(
        default=None, validator=[_positive("--memory-limit", "GiB", "--memory-limit 4"), _above_tensorflow]
    )

    def __bool__(self) -> bool:
        return self.seconds is not None or self.gib is not None


NO_LIMITS = Limits()

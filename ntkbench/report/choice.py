"""Choose which of the measured quantities to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import NtkbenchError, did_you_mean
from ..types import HEADLINES, Quantity

PER_VARIABLE = ("bend_share", "kernel_share", "variable_size")


def chosen(measured: Mapping[str, Quantity], wanted: Sequence[str] = ()) -> dict[str, Quantity]:
    """Return the quantities to show, by result key.

    Args:
        measured: All measured quantities, by result key.
        wanted: Result keys or names to show; a name selects every reduction. By default, the headline quantities that
            were measured, or all quantities if none of these was.

    Raises:
        NtkbenchError: If a wanted quantity was not measured.
    """
    shown: dict[str, Quantity] = {}
    for name in wanted:
        keys = [name] if name in measured else [key for key, quantity in measured.items() if quantity.name == name]
        if not keys and name.partition(":")[0] in PER_VARIABLE:
            raise NtkbenchError(f"{name} has one value per variable. Use `ntkbench table RUN --why ARCH` to show them.")
        if not keys:
            raise NtkbenchError(f"This run did not measure {name!r}. {did_you_mean(name, measured)}")
        shown |= {key: measured[key] for key in keys}
    if not wanted:
        shown = {key: measured[key] for key in HEADLINES if key in measured} or dict(measured)
    return shown

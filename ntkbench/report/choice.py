"""Which of the measured quantities are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import NtkbenchError, did_you_mean
from ..types import HEADLINES, Quantity

PER_VARIABLE = ("bend_share", "kernel_share", "variable_size")


def chosen(measured: Mapping[str, Quantity], wanted: Sequence[str] = ()) -> dict[str, Quantity]:
    """Return the quantities to show: result key → Quantity.

    measured: all there are, by result key.   wanted: result keys, or names (which mean every reduction); without
    any, the headline quantities among the measured, or all where none of these was measured.
    Raises NtkbenchError for one that was not measured.
    """
    shown: dict[str, Quantity] = {}
    for name in wanted:
        keys = [name] if name in measured else [key for key, quantity in measured.items() if quantity.name == name]
        if not keys and name.partition(":")[0] in PER_VARIABLE:
            raise NtkbenchError(f"{name} has one number per variable; `ntkbench table RUN --why ARCH` shows them.")
        if not keys:
            raise NtkbenchError(f"This run did not measure {name!r}. {did_you_mean(name, measured)}")
        shown |= {key: measured[key] for key in keys}
    if not wanted:
        shown = {key: measured[key] for key in HEADLINES if key in measured} or dict(measured)
    return shown

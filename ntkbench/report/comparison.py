"""Format the comparison of two runs as a table."""

from __future__ import annotations

import math
from typing import Any

from attrs import asdict

from .. import numbers
from ..analysis.compare import Change, Comparison
from .table import Column, Table

LISTED = 5
_LARGEST = 700.0  # shift whose exponential does not overflow


def comparison_table(found: Comparison, name_a: str, name_b: str) -> Table:
    """Return the comparison of run A with run B, one row for each quantity that differs in some cell.

    The shift is the mean over cells of B relative to A: "+2.1% [+1.0, +3.2]".
    """
    differing = [change for change in found.changes if change.differ]
    columns = (
        Column(("architecture",), outside=True),
        Column(("quantity",), outside=True),
        Column(("cells", " that", " differ"), align="right"),
        Column(("largest",), align="right"),
        Column(("mean shift of B [95 %]",)),
        Column(("beyond", " noise",)),
    )  # fmt: skip
    return Table(
        title=f"A: {name_a} · B: {name_b}",
        columns=columns if differing else (),
        rows=tuple(_row(change) for change in differing),
        notes=tuple(_notes(found, len(differing))),
        records=tuple(_record(change) for change in found.changes),
    )


def comparison_json(found: Comparison, name_a: str, name_b: str) -> dict[str, Any]:
    """Return the comparison as plain JSON: all quantities at full precision, and the verdicts that differ."""
    return comparison_table(found, name_a, name_b).to_json() | {"verdicts": [asdict(each) for each in found.verdicts]}


def _row(change: Change) -> tuple[tuple[str, ...], ...]:
    shift = "–"
    if change.shift is not None and change.low is not None and change.high is not None:
        shift = f"{_percent(change.shift)} [{_percent(change.low)}, {_percent(change.high)}]"
    counts = f"{change.differ}/{change.cells}"
    largest = f"{numbers.value(100 * change.largest, 2)}%"
    return (change.label,), (change.key,), (counts,), (largest,), (shift,), ("yes" if change.moved else "no",)


def _percent(shift: float) -> str:
    percent = 100 * math.expm1(min(shift, _LARGEST))
    return f"{'-' if percent < 0 else '+'}{numbers.value(abs(percent), 2)}%"


def _notes(found: Comparison, differing: int) -> list[str]:
    same = len(found.changes) - differing
    notes = [f"{same} of {len(found.changes)} quantities agree in all common cells, within rounding and stated errors."]
    if differing:
        notes.append(
            "Beyond noise: the mean shift differs significantly from 0 in a paired t-test over cells (over seeds where "
            "their data differ), with a family-wise error rate of 5 % over the table (Holm)."
        )
    if found.judged:
        same = found.judged - len(found.verdicts)
        notes.append(f"Verdicts: {same} of {found.judged} are the same.")
    notes += [f"Verdict of {each.label}: {each.before} → {each.after} ({each.reason})." for each in found.verdicts]
    notes += [f"Differs: {cause}." for cause in found.causes]
    if differing and not found.causes:
        notes.append("The recorded code, versions, settings, data and hardware are the same.")
    listed = (("Only in A", found.only_a), ("Only in B", found.only_b), ("Different status", found.statuses))
    for words, names in listed:
        if names:
            more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
            notes.append(f"{words}: {', '.join(names[:LISTED])}{more}.")
    return notes


def _record(change: Change) -> dict[str, object]:
    names = ("label", "key", "cells", "differ", "largest", "shift", "low", "high", "moved")
    return {name: getattr(change, name) for name in names}

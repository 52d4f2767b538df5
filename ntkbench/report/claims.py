"""Claims as a table: expected, measured, and whether they hold."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

from ..analysis.claims import Judged
from . import numbers
from .table import Column, Table

_SAYS = 40
_WORDS = {"holds": "holds", "fails": "FAILS", "undecided": "undecided"}


def claims_table(name: str, judged: Sequence[Judged]) -> Table:
    """Return one row for each claim of a suite."""
    columns = (
        Column(("claim",), outside=True),
        Column(("what is claimed",), outside=True),
        Column(("expected",)),
        Column(("measured",)),
        Column(("finding",)),
    )
    return Table(
        title=f"Claims of {name}",
        columns=columns,
        rows=tuple(_row(each) for each in judged),
        notes=tuple(_notes(judged)),
        records=tuple(record(each) for each in judged),
    )


def record(of: Judged) -> dict[str, object]:
    """Return a judged claim as plain JSON."""
    claim = of.claim
    return {
        "id": claim.id, "says": claim.says, "source": claim.source, "status": claim.status, "law": claim.law,
        "expected": list(claim.expected), "excludes": list(claim.excludes), "measured": of.measured, "low": of.low,
        "high": of.high, "n": of.n, "finding": of.finding, "gates": of.gates, "note": of.note,
        "explained": claim.explained,
    }  # fmt: skip


def _row(of: Judged) -> tuple[tuple[str, ...], ...]:
    claim = of.claim
    low, high = claim.expected
    if claim.law == "at most":
        expected: tuple[str, ...] = ("every value", f"≤ {numbers.value(high)}")
    else:
        expected = ({"exponent": "exponent", "value": "value", "check": "every value"}[claim.law], _interval(low, high))
    measured: tuple[str, ...] = ("–",)
    if of.measured is not None:
        measured = (numbers.value(of.measured),)
        if of.low is not None and of.high is not None:
            measured = (*measured, _interval(of.low, of.high))
    finding = (_WORDS[of.finding],) if of.gates else ("unconfirmed:", _WORDS[of.finding])
    return (claim.id,), tuple(textwrap.wrap(claim.says, _SAYS)) or ("",), expected, measured, finding


def _interval(low: float, high: float) -> str:
    return f"[{numbers.value(low)}, {numbers.value(high)}]"


def _notes(judged: Sequence[Judged]) -> list[str]:
    counts = Counter(each.finding for each in judged if each.gates)
    unconfirmed = sum(not each.gates for each in judged)
    notes = [f"{counts['holds']} hold, {counts['fails']} fail, {counts['undecided']} are undecided."]
    if unconfirmed:
        notes.append(f"{unconfirmed} unconfirmed claims are remembered, no text confirms them; they gate nothing.")
    notes.append(
        "Exponents and values: with 95 % interval; a claim holds when the number lies in the expected interval and its "
        "own excludes the rival, fails when the intervals are apart. Every value: the worst, and [least, largest]."
    )
    for each in judged:
        if each.note:
            notes.append(f"{each.claim.id}: {each.note}.")
        if each.finding == "fails" and each.claim.explained:
            notes.append(f"{each.claim.id} fails: {each.claim.explained}")
    sources: dict[str, list[str]] = {}
    for each in judged:
        sources.setdefault(f"{each.claim.status}: {each.claim.source}", []).append(each.claim.id)
    return notes + [f"{source} ({', '.join(ids)})." for source, ids in sources.items()]

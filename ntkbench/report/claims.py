"""Format the claims of a suite as a table: expected, measured, and whether they hold."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from .. import numbers
from ..analysis.claims import Judged
from .table import Column, Table

_WIDTH, _STATEMENT_WIDTHS = 100, (26, 40)
"""Target width of the whole table, and the narrowest and widest column of claim texts, in characters."""
_WORDS = {"holds": "holds", "fails": "FAILS", "undecided": "undecided"}


def claims_table(name: str, judged: Sequence[Judged]) -> Table:
    """Return a table with one row for each claim of a suite."""
    columns = (
        Column(("claim",), outside=True),
        Column(("statement",), outside=True),
        Column(("expected",)),
        Column(("measured",)),
        Column(("finding",)),
    )
    return Table(
        title=f"Claims of {name}",
        columns=columns,
        rows=tuple(_rows(judged)),
        notes=tuple(_notes(judged)),
        records=tuple(record(each) for each in judged),
    )


def record(of: Judged) -> dict[str, object]:
    """Return a judged claim as plain JSON."""
    claim = of.claim
    return {
        "id": claim.id, "says": claim.says, "source": claim.source, "status": claim.status, "law": claim.law,
        "expected": list(claim.verdict or claim.expected), "excludes": list(claim.excludes), "measured": of.measured,
        "low": of.low, "high": of.high, "n": of.n, "finding": of.finding, "gates": of.gates, "note": of.note,
        "explained": claim.explained,
    }  # fmt: skip


def _rows(judged: Sequence[Judged]) -> Iterator[tuple[tuple[str, ...], ...]]:
    rows = [_row(each) for each in judged]
    taken = sum(max(len(line) for row in rows for line in (*row[column], "finding")) + 2 for column in range(4))
    room = min(max(_WIDTH - taken, _STATEMENT_WIDTHS[0]), _STATEMENT_WIDTHS[1])
    for of, (name, *rest) in zip(judged, rows, strict=True):
        yield name, tuple(textwrap.wrap(of.claim.says, room)) or ("",), *rest


def _row(of: Judged) -> tuple[tuple[str, ...], ...]:
    """Return id, expected, measured and finding."""
    claim = of.claim
    expected: tuple[str, ...]
    if claim.law == "verdict":
        expected = ("verdict", " or ".join(claim.verdict))
    elif claim.law == "at most":
        expected = ("every value", f"≤ {numbers.value(claim.expected[1])}")
    else:
        what = {"exponent": "exponent", "value": "value", "check": "every value"}[claim.law]
        expected = (what, _interval(*claim.expected))
    measured: tuple[str, ...] = ("–",)
    if of.measured is not None:
        measured = (numbers.value(of.measured),)
        if of.low is not None and of.high is not None:
            measured = (*measured, _interval(of.low, of.high))
    finding = (_WORDS[of.finding],) if of.gates else ("unconfirmed:", _WORDS[of.finding])
    return (claim.id,), expected, measured, finding


def _interval(low: float, high: float) -> str:
    return f"[{numbers.value(low)}, {numbers.value(high)}]"


def _notes(judged: Sequence[Judged]) -> list[str]:
    counts = Counter(each.finding for each in judged if each.gates)
    unconfirmed = sum(not each.gates for each in judged)
    notes = [f"{counts['holds']} hold, {counts['fails']} fail, {counts['undecided']} are undecided."]
    if unconfirmed:
        notes.append(f"{unconfirmed} claims are unconfirmed: no published text states them, and they never fail a run.")
    notes.append(
        "Exponents and values have a 95 % interval. Such a claim holds if the number lies in the expected interval and "
        "its own interval excludes the rival; it fails if the two intervals do not overlap. Claims on every value show "
        "the worst value and [smallest, largest]."
    )
    for each in judged:
        if each.note:
            notes.append(f"{each.claim.id}: {each.note.rstrip('.')}.")
        if each.finding == "fails" and each.claim.explained:
            notes.append(f"{each.claim.id} fails: {each.claim.explained}")
    sources: dict[str, list[str]] = {}
    for each in judged:
        sources.setdefault(f"{each.claim.status}: {each.claim.source}", []).append(each.claim.id)
    return notes + [f"{source} ({', '.join(ids)})." for source, ids in sources.items()]

"""Building a board from receipts: the same receipts and records, the same bytes; no framework is imported."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from .. import __version__
from ..analysis.agreement import MARGIN, MARKS
from ..analysis.laws import Law
from ..analysis.paired import Rank, most_judged, ranking
from ..analysis.scaling import FLAT
from ..analysis.verdicts import Verdict, verdicts
from ..errors import NtkbenchError
from ..report import numbers
from ..report.escape import spreadsheet
from ..report.figure import figure
from ..report.table import Column, Table
from ..store.atomic import write_atomically
from ..store.manifest import catalogue, theory
from ..types import Status
from .receipt import RULES, Receipt, load_receipt
from .records import Record, read_records

FOLDER = f"v{RULES}"
CSV_COLUMNS = (
    "rank_low", "rank_high", "ties", "submission", "label", "condition", "verdict", "quantity", "slope", "low", "high",
    "theory", "theory_exponent", "agrees", "source", "cells_ok", "cells", "seeds", "verified_cells",
    "verified_by", "receipt",
)  # fmt: skip


@frozen
class Row:
    """One architecture of one submission on the board. rank: None where nothing could be compared with others."""

    receipt: Receipt
    verdict: Verdict
    rank: Rank | None
    ranks: tuple[int, int] | None
    records: tuple[Record, ...]

    @property
    def verifications(self) -> list[Record]:
        """The re-runs that agreed in every cell."""
        return [each for each in self.records if each.kind == "verification" and each.agreed == each.cells > 0]


def load_board(folder: Path) -> tuple[list[Receipt], list[Record]]:
    """Return the receipts under `folder`/submissions that stand, and all records.

    Raises NtkbenchError for a receipt or record that cannot be accepted: a board is built of sound parts only.
    """
    receipts = [load_receipt(path) for path in sorted((folder / "submissions").glob("*.json"))]
    records = read_records(folder)
    gone = {record.receipt for record in records if record.kind in ("withdrawal", "correction")}
    standing = [receipt for receipt in receipts if receipt.hash not in gone]
    if not standing:
        raise NtkbenchError(
            f"{folder / 'submissions'} holds no receipt that stands; make one with `ntkbench leaderboard submit RUN`."
        )
    return standing, records


def board_rows(receipts: Sequence[Receipt], records: Sequence[Record]) -> tuple[list[Row], float | None]:
    """Return the rows in order of rank, and the smallest difference of exponents that the design resolves.

    What is judged on another quantity than most is not ranked with them; what has too few cells to be compared keeps a
    rank that reaches over all.
    """
    judged: list[tuple[Receipt, Verdict]] = []
    for receipt in receipts:
        claims = theory(receipt.manifest)
        judged += [(receipt, each) for each in verdicts(receipt.results, catalogue(receipt.manifest), claims)]
    common = most_judged([each.law for _, each in judged])
    found = ranking([each.law for _, each in judged if each.law.key == common])
    ranks = {id(rank.law): rank for rank in found.ranks}
    everybody = len(found.ranks) + len(found.unranked)
    rows = []
    for receipt, each in judged:
        rank = ranks.get(id(each.law))
        between = (rank.low, min(rank.high + len(found.unranked), everybody)) if rank else (1, everybody)
        own = tuple(record for record in records if record.receipt == receipt.hash)
        rows.append(Row(receipt, each, rank, between if each.law.key == common else None, own))
    return sorted(rows, key=_order), found.smallest_gap


def build(folder: Path) -> list[Path]:
    """Write `folder`/v1: board.md, board.csv, board.html, pictures and manifest.json. Return the files."""
    receipts, records = load_board(folder)
    rows, gap = board_rows(receipts, records)
    table = board_table(rows, gap, records)
    out = folder / FOLDER
    out.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {}
    for receipt in receipts:
        figure(receipt.results, out / f"{receipt.name}.svg", receipt.manifest)
        files[f"{receipt.name}.svg"] = (out / f"{receipt.name}.svg").read_bytes()
    pictures = sorted(files)
    files |= {
        "board.md": _document(table, pictures).encode(),
        "board.csv": _csv(rows),
        "board.html": _page(table, pictures).encode(),
    }
    manifest = {
        "rules": RULES,
        "ntkbench": __version__,
        "receipts": {receipt.name: receipt.hash for receipt in receipts},
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
    }
    files["manifest.json"] = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    for name, data in files.items():
        write_atomically(out / name, data)
    for submission in (folder / "submissions").glob("*.json"):
        if (picture := f"{submission.stem}.svg") not in files:  # it was withdrawn
            (out / picture).unlink(missing_ok=True)
    return [out / name for name in files]


def board_table(rows: Sequence[Row], gap: float | None, records: Sequence[Record]) -> Table:
    """Return the board as a table."""
    columns = (
        Column(("rank",)),
        Column(("ties",)),
        Column(("architecture",), outside=True),
        Column(("submission",), outside=True),
        Column(("verdict",)),
        Column(("exponent",)),
        Column(("theory",)),
        Column(("agrees", " (margin)")),
        Column(("cells",), align="right"),
        Column(("re-run",)),
    )
    return Table(
        title=f"Which networks become linear in their parameters: board v{RULES}",
        columns=columns,
        rows=tuple(_cells(row) for row in rows),
        notes=tuple(_notes(rows, gap, records)),
        records=tuple(_record(row) for row in rows),
    )


def _order(row: Row) -> tuple[Any, ...]:
    slope = row.rank.slope if row.rank else row.verdict.law.fit.slope
    return (row.ranks is None, row.rank is None, slope if slope is not None else 0.0, _name(row), row.receipt.name)


def _name(row: Row) -> str:
    return " ".join([row.verdict.series.label, *row.verdict.series.condition])


def _cells(row: Row) -> tuple[tuple[str, ...], ...]:
    found, law = row.verdict, row.verdict.law
    judged = "" if row.ranks else f" (on {law.key})"
    return (
        (_span(row.ranks),),
        (row.rank.group if row.rank else "",),
        (_name(row),),
        (row.receipt.name,),
        (found.name,),
        (("0" if law.fit.is_zero else _exponent(law)) + judged,),
        ("" if law.theory is None else numbers.theory_claim(law.theory),),
        (_agrees(found),),
        (f"{_ok(row)}/{len(found.series.results)}",),
        ("; ".join(f"{each.cells} cells by {each.by}, {each.date}" for each in row.verifications) or "–",),
    )


def _span(ranks: tuple[int, int] | None) -> str:
    return "–" if ranks is None else str(ranks[0]) if ranks[0] == ranks[1] else f"{ranks[0]}–{ranks[1]}"


def _exponent(law: Law) -> str:
    fit = law.fit
    return numbers.exponent(fit.slope, None if fit.low is None or fit.high is None else (fit.high - fit.low) / 2)


def _agrees(found: Verdict) -> str:
    return MARKS[found.law.agrees]


def _ok(row: Row) -> int:
    return sum(result.status == Status.OK for result in row.verdict.series.results)


def _notes(rows: Sequence[Row], gap: float | None, records: Sequence[Record]) -> list[str]:
    notes = [
        "Rank: those that a paired comparison over shared seeds cannot rule out (Holm, 5 %), 1 the steepest fall with "
        "width; rows that share a letter are not told apart. Exponent: of the judged quantity, ± half its 95 % "
        f"interval. Agrees: ✓ the interval meets theory's exponent ± {MARGIN} (or lies below it, where that is an "
        "upper bound, ≤) and excludes its rival (0, or for 0 a fall), · it meets both, ✗ it misses theory's; the "
        "margin is what is left of the first.",
    ]
    keys = [row.verdict.law.key for row in rows if row.ranks]
    if keys:
        notes.append(f"Judged on {keys[0]} unless said otherwise; what is judged on another quantity has no rank.")
    if gap is not None:
        notes.append(f"The smallest difference of exponents that this design resolves for a pair is about {gap:.2f}.")
    for row in rows:
        if row.verdict.law.agrees == "disagrees":
            notes.append(f"{_name(row)} of {row.receipt.name} disagrees with theory: {row.verdict.law.theory.source}.")  # type: ignore[union-attr]
        if row.verdict.name == "open":
            notes.append(f"{_name(row)} of {row.receipt.name} is open: {row.verdict.reason}.")
        slope = row.verdict.law.fit.slope
        if row.verdict.name == "non-linear" and slope is not None and slope < -FLAT:
            notes.append(f"{_name(row)} of {row.receipt.name} is non-linear though it falls: {row.verdict.reason}.")
    notes += [note for row in rows for note in _without_values(row)]
    for record in records:
        if record.kind != "verification":
            notes.append(f"{record.kind} of {record.receipt[:12]} by {record.by}, {record.date}: {record.why}.")
    return [*notes, *_submissions(rows)]


def _without_values(row: Row) -> list[str]:
    """Return a sentence for each measurement that has cells which did not end well, with the first one's reason."""
    missing = [result for result in row.verdict.series.results if result.status != Status.OK]
    kinds = Counter((result.cell.measurement, str(result.status)) for result in missing)
    first = {(each.cell.measurement, str(each.status)): each.message for each in reversed(missing)}
    return [
        f"{_name(row)} of {row.receipt.name}: {count} cells of {measurement} ended as {status}: "
        f"{textwrap.shorten(first[measurement, status], 200, placeholder='…')}"
        for (measurement, status), count in sorted(kinds.items())
    ]


def _submissions(rows: Sequence[Row]) -> list[str]:
    notes = {}
    for row in rows:
        known = row.receipt.environment
        results = row.receipt.results
        cell = results[0].cell
        seeds = len({result.cell.seed for result in results})
        notes[row.receipt.name] = (
            f"{row.receipt.name}: {len(results)} cells, {seeds} seeds, "
            f"{cell.settings.get('n_probes')} probes, {cell.dataset}, {cell.precision}; ntkbench "
            f"{known.get('ntkbench')}, TensorFlow {known.get('tensorflow')}, {known.get('cpu')}; receipt "
            f"{row.receipt.hash[:12]}."
        )
    return [notes[name] for name in sorted(notes)]


def _record(row: Row) -> dict[str, Any]:
    found, fit, claim = row.verdict, row.verdict.law.fit, row.verdict.law.theory
    values = {
        "rank_low": row.ranks[0] if row.ranks else None,
        "rank_high": row.ranks[1] if row.ranks else None,
        "ties": row.rank.group if row.rank else "",
        "submission": row.receipt.name,
        "label": found.series.label,
        "condition": " ".join(found.series.condition),
        "verdict": found.name,
        "quantity": found.law.key,
        "slope": fit.slope,
        "low": fit.low,
        "high": fit.high,
        "theory": found.theory,
        "theory_exponent": None if claim is None else claim.exponent,
        "agrees": found.law.agrees,
        "source": "" if claim is None else claim.source,
        "cells_ok": _ok(row),
        "cells": len(found.series.results),
        "seeds": len(found.series.seeds),
        "verified_cells": sum(each.cells for each in row.verifications),
        "verified_by": "; ".join(each.by for each in row.verifications),
        "receipt": row.receipt.hash,
    }
    return {name: values[name] for name in CSV_COLUMNS}


def _csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in rows:
        writer.writerow([_short(value) for value in _record(row).values()])
    return text.getvalue().encode()


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return spreadsheet(value)
    return f"{value:.6g}" if isinstance(value, float) else value


def _document(table: Table, pictures: Sequence[str]) -> str:
    images = [f"![{_ALT}]({name})" for name in pictures]
    return "\n\n".join([table.markdown().rstrip("\n"), *images]) + "\n"


def _page(table: Table, pictures: Sequence[str]) -> str:
    body = table.text("html").replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")
    images = [f'<p><img src="{name}" alt="{_ALT}"></p>' for name in pictures]
    return _PAGE.replace("@body@", "\n".join([body, *images]))


_ALT = "Every quantity against width, a line for each architecture"

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; img-src 'self'">
<title>ntkbench: board</title><style>
:root { --paper: #fff; --ink: #1c1e21; --rule: #d9dde2; --shade: #f4f6f8; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --ink: #e6e9ec; --rule: #343a41; --shade: #1d2125; } }
body { margin: 0 auto; max-width: 1240px; padding: 24px 16px 48px; font: 15px/1.5 system-ui, sans-serif;
  background: var(--paper); color: var(--ink); }
strong { font-size: 1.2em; } p { max-width: 85ch; }
.scroll { overflow-x: auto; border: 1px solid var(--rule); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92em; }
th, td { padding: 6px 10px; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { background: var(--shade); } tbody tr:last-child td { border-bottom: 0; }
img { width: 100%; max-width: 900px; background: #fff; border-radius: 6px; }
</style></head><body>
@body@
</body></html>
"""


def rank_changes(before: Sequence[Row], after: Sequence[Row]) -> list[str]:
    """Return a sentence for each architecture whose rank or verdict differs between two boards."""
    old, new = ({_name(row): row for row in rows} for rows in (before, after))
    changes = []
    for name in dict.fromkeys([*old, *new]):
        if name not in new or name not in old:
            changes.append(f"{name}: {'gone' if name not in new else 'new'}")
            continue
        one, other = old[name], new[name]
        if one.ranks != other.ranks:
            changes.append(f"{name}: rank {_span(one.ranks)} → {_span(other.ranks)}")
        if one.verdict.name != other.verdict.name:
            changes.append(f"{name}: {one.verdict.name} → {other.verdict.name} ({other.verdict.reason})")
    return changes

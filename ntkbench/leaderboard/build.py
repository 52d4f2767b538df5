"""Building a board from receipts: the same receipts and records, the same bytes; no framework is imported."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from attrs import frozen

from .. import __version__, numbers
from ..analysis.groups import Grouped, grouped, radius_of
from ..analysis.verdicts import CURVATURE, GD, WORST, Verdict, verdicts
from ..errors import NtkbenchError
from ..report.escape import spreadsheet
from ..report.figure import figure
from ..report.table import Column, Table
from ..report.template import render
from ..report.verdict_words import (
    COLUMNS,
    exponent,
    flags,
    floor,
    last_step,
    meaning,
    name_of,
    theory_mark,
    ties,
    what_would_decide,
)
from ..store.atomic import write_atomically
from ..store.manifest import catalogue, theory
from ..types import Status
from .receipt import RULES, Receipt, load_receipt
from .records import Record, read_records

FOLDER = f"v{RULES}"
_JUDGED = {"worst": WORST, "gd": GD, "curvature": CURVATURE}
_NUMBERS = ("slope", "low", "high", "last_slope", "floor_high", "state")
CSV_COLUMNS = (
    "verdict", "ties", "submission", "label", "condition", "reason", "widths",
    *(f"{short}_{name}" for short in _JUDGED for name in _NUMBERS),
    "theory", "theory_exponent", "theory_kind", "agrees", "source", "kinked", "unsure", "radius", "cells_ok", "cells",
    "seeds", "verified_cells", "verified_by", "receipt",
)  # fmt: skip


@frozen
class Row:
    """One architecture of one submission on the board. ties: as in `analysis.groups`."""

    receipt: Receipt
    verdict: Verdict
    ties: str
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


@frozen
class Board:
    """The rows in order, how they were compared, and what became of the receipts."""

    rows: tuple[Row, ...]
    grouping: Grouped
    records: tuple[Record, ...] = ()


def new_board(receipts: Sequence[Receipt], records: Sequence[Record] = ()) -> Board:
    """Return the board that receipts and records make: rows by verdict, the steepest fall first, with their ties."""
    judged: list[tuple[Receipt, Verdict]] = []
    for receipt in receipts:
        claims = theory(receipt.manifest)
        judged += [(receipt, each) for each in verdicts(receipt.results, catalogue(receipt.manifest), claims)]
    origins = {id(each): receipt for receipt, each in judged}
    grouping = grouped([each for _, each in judged])
    rows = []
    for place in grouping.places:
        receipt = origins[id(place.verdict)]
        own = tuple(record for record in records if record.receipt == receipt.hash)
        rows.append(Row(receipt, place.verdict, place.ties, own))
    return Board(tuple(rows), grouping, tuple(records))


def build(folder: Path) -> list[Path]:
    """Write `folder`/v1: board.md, board.csv, board.html, pictures and manifest.json. Return the files."""
    receipts, records = load_board(folder)
    board = new_board(receipts, records)
    table = board_table(board)
    out = folder / FOLDER
    out.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {}
    for receipt in receipts:
        figure(receipt.results, out / f"{receipt.name}.svg", receipt.manifest)
        files[f"{receipt.name}.svg"] = (out / f"{receipt.name}.svg").read_bytes()
    pictures = sorted(files)
    files |= {
        "board.md": _document(table, pictures).encode(),
        "board.csv": _csv(board),
        "board.html": _page(table, board, pictures).encode(),
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


def board_table(board: Board) -> Table:
    """Return the board as a table."""
    columns = (
        Column(("verdict",)),
        Column(("ties",)),
        Column(("architecture",), outside=True),
        Column(("submission",), outside=True),
        Column(("worst",)),
        Column(("last step",)),
        Column(("floor",)),
        Column(("gd",)),
        Column(("theory",)),
        Column(("notes",)),
        Column(("cells",), align="right"),
        Column(("re-run",)),
    )
    return Table(
        title=f"Which networks become linear in their parameters: board v{RULES}",
        columns=columns,
        rows=tuple(_cells(row, board.grouping) for row in board.rows),
        notes=tuple(_notes(board)),
        records=tuple(_record(row) for row in board.rows),
    )


def _cells(row: Row, grouping: Grouped) -> tuple[tuple[str, ...], ...]:
    found = row.verdict
    texts = (
        found.name,
        row.ties,
        name_of(found),
        row.receipt.name,
        exponent(found.laws.get(WORST)),
        last_step(found),
        floor(found),
        exponent(found.laws.get(GD)),
        theory_mark(found.laws.get(WORST)),
        flags(found, grouping.radius),
        f"{_ok(row)}/{len(found.series.results)}",
        "; ".join(f"{each.cells} cells by {each.by}, {each.date}" for each in row.verifications) or "–",
    )
    return tuple((text,) for text in texts)


def _ok(row: Row) -> int:
    return sum(result.status == Status.OK for result in row.verdict.series.results)


def _notes(board: Board) -> Iterable[str]:
    names = _names(board.rows)

    def name(of: Verdict) -> str:
        return names[id(of)]

    found = [row.verdict for row in board.rows]
    yield meaning()
    yield COLUMNS
    yield f"{ties(board.grouping)} Rows without a letter were measured at another radius or with fewer than two seeds."
    if board.grouping.gaps:
        gaps = ", ".join(f"{gap:.2f} ({verdict})" for verdict, gap in board.grouping.gaps.items())
        yield f"The smallest difference of exponents that a pair is told apart by (median over pairs): {gaps}."
    if board.grouping.radius is not None:
        yield f"kernel_change_worst is measured at R = {board.grouping.radius:g} unless a row's notes say otherwise."
    for each in found:
        if each.name in ("non-linear", "open"):
            yield f"{name(each)} is {each.name}: {each.reason}."
    yield from what_would_decide([each for each in found if not each.decided], name)
    for each in found:
        yield from _disagreements(each, name(each))
    for row in board.rows:
        yield from _without_values(row, name(row.verdict))
    for record in board.records:
        if record.kind != "verification":
            yield f"{record.kind} of {record.receipt[:12]} by {record.by}, {record.date}: {record.why}."
    yield from _submissions(board.rows)


def _names(rows: Sequence[Row]) -> dict[int, str]:
    """Return the name of each row's verdict, with that of its submission where the board has several."""
    several = len({row.receipt.hash for row in rows}) > 1
    return {id(row.verdict): name_of(row.verdict) + (f" of {row.receipt.name}" if several else "") for row in rows}


def _disagreements(of: Verdict, name: str) -> Iterable[str]:
    """Yield a sentence for each exponent that misses theory's, and one where the verdicts contradict each other."""
    for key, law in of.laws.items():
        if law.agrees == "disagrees" and law.theory is not None:
            claim = numbers.theory_claim(law.theory)
            yield f"{name} disagrees with theory: {key} {exponent(law)}, theory {claim} ({law.theory.source})."
    if of.theory is not None and of.decided and of.theory != of.name:
        yield f"{name} disagrees with theory: it is {of.name}, and theory's exponents mean {of.theory}."


def _without_values(row: Row, name: str) -> list[str]:
    """Return a sentence for each measurement that has cells which did not end well, with the first one's reason."""
    missing = [result for result in row.verdict.series.results if result.status != Status.OK]
    kinds = Counter((result.cell.measurement, str(result.status)) for result in missing)
    first = {(each.cell.measurement, str(each.status)): each.message for each in reversed(missing)}
    return [
        f"{name}: {count} cells of {measurement} ended as {status}: "
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
    found = row.verdict
    worst = found.laws.get(WORST)
    claim = None if worst is None else worst.theory
    values = {
        "verdict": found.name,
        "ties": row.ties,
        "submission": row.receipt.name,
        "label": found.series.label,
        "condition": " ".join(found.series.condition),
        "reason": found.reason,
        "widths": " ".join(map(str, found.series.widths)),
        **{f"{short}_{name}": value for short, key in _JUDGED.items() for name, value in _numbers(found, key).items()},
        "theory": found.theory,
        "theory_exponent": None if claim is None else claim.exponent,
        "theory_kind": None if claim is None else claim.kind,
        "agrees": None if worst is None else worst.agrees,
        "source": None if claim is None else claim.source,
        "kinked": found.kinked,
        "unsure": " ".join(map(str, found.unsure)),
        "radius": radius_of(found.series),
        "cells_ok": _ok(row),
        "cells": len(found.series.results),
        "seeds": len(found.series.seeds),
        "verified_cells": sum(each.cells for each in row.verifications),
        "verified_by": "; ".join(each.by for each in row.verifications),
        "receipt": row.receipt.hash,
    }
    return {name: values[name] for name in CSV_COLUMNS}


def _numbers(found: Verdict, key: str) -> dict[str, Any]:
    if key not in found.laws:
        return dict.fromkeys(_NUMBERS)
    fit, state = found.laws[key].fit, found.states[key]
    high = None if state.floors is None else state.floors.high
    return dict(zip(_NUMBERS, (fit.slope, fit.low, fit.high, state.last_slope, high, state.name), strict=True))


def _csv(board: Board) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in board.rows:
        writer.writerow([_short(value) for value in _record(row).values()])
    return text.getvalue().encode()


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return spreadsheet(value)
    return f"{value:.6g}" if isinstance(value, float) else value


def _document(table: Table, pictures: Sequence[str]) -> str:
    images = [f"![{_ALT}]({name})" for name in pictures]
    return "\n\n".join([table.markdown().rstrip("\n"), *images]) + "\n"


def _page(table: Table, board: Board, pictures: Sequence[str]) -> str:
    heads = ["".join(column.header) for column in table.columns]
    lines = [list(zip(heads, (cell[0] for cell in row), strict=True)) for row in table.rows]
    pairs = zip((row.verdict.name for row in board.rows), lines, strict=True)
    groups = [(verdict, [line for _, line in own]) for verdict, own in groupby(pairs, key=itemgetter(0))]
    return render("board.html.j2", table=table, heads=heads, groups=groups, pictures=pictures, alt=_ALT)


_ALT = "Every quantity against width, a line for each architecture"


def board_changes(before: Board, after: Board) -> list[str]:
    """Return a sentence for each architecture on one of two boards only, and for each pair whose tie changed.

    A tie is that of two architectures of one verdict; pairs that two verdicts tell apart on a board are left out.
    """
    old, new = ({name_of(row.verdict): i for i, row in enumerate(board.rows)} for board in (before, after))
    changes = [f"{name}: gone" for name in old if name not in new] + [f"{name}: new" for name in new if name not in old]
    for one, other in combinations(sorted(old.keys() & new.keys()), 2):
        was, now = (_tie(board, places[one], places[other]) for board, places in ((before, old), (after, new)))
        changes += [f"{one} and {other}: {was} → {now}"] if was and now and was != now else []
    return changes


def _tie(board: Board, one: int, other: int) -> str:
    """Return whether two rows are tied or told apart; empty where they are not compared."""
    first, second = board.rows[one], board.rows[other]
    if not (first.ties and second.ties and first.verdict.name == second.verdict.name):
        return ""
    return "told apart" if (min(one, other), max(one, other)) in board.grouping.apart else "tied"

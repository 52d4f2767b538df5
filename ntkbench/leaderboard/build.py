"""Build a board from receipts. The same receipts and records give the same bytes; TensorFlow is not imported."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from .. import numbers
from .._version import __version__
from ..analysis.groups import Grouped, grouped, radius_of
from ..analysis.laws import Series, result_keys, series
from ..analysis.verdicts import CURVATURE, GD, SLOPE, WORST, Verdict, verdict
from ..atomic import create_folder, write_atomically
from ..errors import NtkbenchError
from ..reading import read_regular
from ..report.escape import spreadsheet
from ..report.figure import figure_bytes
from ..report.table import Column, Table
from ..report.template import render
from ..report.verdict_words import (
    COLUMNS,
    STANDS_IN,
    exponent,
    flags,
    floor,
    last_step,
    meaning,
    name_of,
    shown_exponent,
    shown_law,
    theory_mark,
    ties,
    what_would_decide,
)
from ..store.manifest import catalogue, theory
from ..types import Status
from .receipt import NAME, RULES, Receipt
from .records import Record
from .standing import FOLDER, load_board, naming_the_cause

GIT_ATTRIBUTES = f"""\
# These files are built from submissions/ and records/. Git merges those, and of two boards it keeps all lines;
# `ntkbench leaderboard build` then writes the board of both branches.
{FOLDER}/* merge=union
"""
_JUDGED = {"worst": WORST, "gd": GD, "curvature": CURVATURE, "kernel_slope": SLOPE}
_NUMBERS = ("slope", "low", "high", "last_slope", "floor_high", "state")
CSV_COLUMNS = (
    "verdict", "ties", "submission", "label", "condition", "reason", "widths",
    *(f"{short}_{name}" for short in _JUDGED for name in _NUMBERS),
    "theory", "theory_exponent", "theory_kind", "agrees", "source", "kinked", "unsure", "radius", "cells_ok", "cells",
    "seeds", "verified_cells", "verified_by", "receipt",
)  # fmt: skip


@frozen
class Row:
    """One architecture of one submission on the board.

    Attributes:
        receipt: Receipt of the submission.
        verdict: The verdict on the architecture.
        ties: Letters of the groups of ties that the row belongs to, as in `analysis.groups`.
        records: Records on the receipt.
    """

    receipt: Receipt
    verdict: Verdict
    ties: str
    records: tuple[Record, ...]

    @property
    def reruns(self) -> dict[Record, frozenset[str]]:
        """The keys of the row's cells that each successful verification reran, if it reran any."""
        own = {result.cell.key for result in self.verdict.series.results}
        found = {record: frozenset(own.intersection(record.rerun)) for record in self.records if _agreed(record)}
        return {record: keys for record, keys in found.items() if keys}

    @property
    def verified(self) -> int:
        """The number of the row's cells that were rerun and agreed, however often."""
        return len(frozenset().union(*self.reruns.values()))


@frozen
class Board:
    """A board.

    Attributes:
        rows: The rows in order.
        grouping: How the rows were compared.
        records: Records on the receipts.
        remarks: Remarks on receipts without rows or plots.
    """

    rows: tuple[Row, ...]
    grouping: Grouped
    records: tuple[Record, ...] = ()
    remarks: tuple[str, ...] = ()


def new_board(receipts: Sequence[Receipt], records: Sequence[Record] = ()) -> Board:
    """Return the board of receipts and records: rows sorted by verdict and by decreasing steepness, with their ties."""
    judged: list[tuple[Receipt, Verdict]] = []
    for receipt in receipts:
        claims = theory(receipt.manifest)
        keys = result_keys(receipt.results, catalogue(receipt.manifest))
        judged += [(receipt, verdict(each, keys, claims) or _unjudged(each)) for each in series(receipt.results)]
    origins = {id(each): receipt for receipt, each in judged}
    grouping = grouped([each for _, each in judged])
    rows = []
    for place in grouping.places:
        receipt = origins[id(place.verdict)]
        own = tuple(record for record in records if record.receipt == receipt.hash)
        rows.append(Row(receipt, place.verdict, place.ties, own))
    return Board(tuple(rows), grouping, tuple(records))


def _unjudged(of: Series) -> Verdict:
    """Return the verdict on a series without a value of any judged quantity; it still gets a row."""
    return Verdict(of, "open", "no quantity that is judged has a value", {}, {}, missing=(WORST, GD))


def build(folder: Path, tell: Callable[[str], object] = lambda sentence: None) -> list[Path]:
    """Write a board to `folder`/v1: board.md, board.csv, board.html, plots and manifest.json.

    `folder`/.gitattributes is also written if it does not exist: two branches that both submit then merge without a
    conflict, and the next build replaces the merged board.

    Args:
        folder: Folder of submissions, records and boards.
        tell: Called with a sentence for each receipt that is left out or has no plot; the board has it too.

    Returns:
        Paths of the written files.

    Raises:
        NtkbenchError: If there is no receipt, a receipt or a record is invalid, the board or one of its files is a
            link, or a file cannot be written. Nothing is written before all files are complete.
    """
    receipts, records, remarks = load_board(folder)
    with naming_the_cause(folder, receipts, lambda receipt: _files([receipt], (), [])):
        files = _files(receipts, records, remarks)
    for remark in remarks:
        tell(remark)
    out, earlier = folder / FOLDER, _earlier_pictures(folder)
    for place in (out, *(out / name for name in files)):
        if place.is_symlink():  # anybody can put one into a pull request
            raise NtkbenchError(f"{place} is a link, so the board would be written to {place.resolve()}. Remove it.")
    create_folder(out)
    for name, data in files.items():
        write_atomically(out / name, data)
    if not os.path.lexists(folder / ".gitattributes"):
        write_atomically(folder / ".gitattributes", GIT_ATTRIBUTES.encode())
    for picture in earlier - set(files):
        (out / picture).unlink(missing_ok=True)
    return [out / name for name in files]


def _files(receipts: Sequence[Receipt], records: Sequence[Record], remarks: list[str]) -> dict[str, bytes]:
    """Return the files of a board by name. A remark is added for each receipt without a plot."""
    files: dict[str, bytes] = {}
    for receipt in receipts:
        try:
            files[f"{receipt.name}.svg"] = figure_bytes(receipt.results, "svg", receipt.manifest)
        except NtkbenchError as error:
            remarks.append(f"{receipt.name} has no picture: {error}")
    board = evolve(new_board(receipts, records), remarks=tuple(remarks))
    table = board_table(board)
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
    return files | {"manifest.json": (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()}


def _earlier_pictures(folder: Path) -> set[str]:
    """Return the names of plots that an earlier build may have written: of present receipts and of those it lists."""
    names = {path.stem for path in (folder / "submissions").glob("*.json")}
    with contextlib.suppress(OSError, ValueError, RecursionError, TypeError, KeyError):
        names |= set(json.loads(read_regular(folder / FOLDER / "manifest.json"))["receipts"])
    return {f"{name}.svg" for name in names if isinstance(name, str) and NAME.match(name)}


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
        shown_exponent(shown_law(found)),
        last_step(found),
        floor(found),
        exponent(found.laws.get(GD)),
        theory_mark(shown_law(found)),
        flags(found, grouping.radius),
        f"{_ok(row)}/{len(found.series.results)}",
        str(row.verified or "–"),
    )
    return tuple((text,) for text in texts)


def _agreed(record: Record) -> bool:
    return record.kind == "verification" and record.agreed == record.cells > 0


def _ok(row: Row) -> int:
    return sum(result.status == Status.OK for result in row.verdict.series.results)


def _notes(board: Board) -> Iterable[str]:
    names = _names(board.rows)

    def name(of: Verdict) -> str:
        return names[id(of)]

    found = [row.verdict for row in board.rows]
    if not found:
        yield "There is no valid receipt, so the board has no rows."
    yield from board.remarks
    yield meaning()
    stands_in = f" {STANDS_IN}" * any(law is not None and law.key == SLOPE for law in map(shown_law, found))
    yield f"{COLUMNS}{stands_in} Re-run: how many of the row's cells were run again and agreed."
    alone = "Rows without a letter were measured at another radius or with fewer than two seeds."
    yield f"{ties(board.grouping.unmarked)} {alone}"
    if board.grouping.gaps:
        gaps = ", ".join(f"{gap:.2f} ({verdict})" for verdict, gap in board.grouping.gaps.items())
        yield f"Smallest difference in exponents that can be detected (median over pairs): {gaps}."
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
    yield from _reruns(board)


def _names(rows: Sequence[Row]) -> dict[int, str]:
    """Return the name of each row's verdict, with the submission's name where several rows have the name."""
    names = [name_of(row.verdict) for row in rows]
    several = Counter(names)
    return {
        id(row.verdict): f"{name} of {row.receipt.name}" if several[name] > 1 else name
        for row, name in zip(rows, names, strict=True)
    }


def _disagreements(of: Verdict, name: str) -> Iterable[str]:
    """Yield a sentence for each exponent that disagrees with theory, and one if the verdict does."""
    for key, law in of.laws.items():
        if law.agrees == "disagrees" and law.theory is not None:
            claim = numbers.theory_claim(law.theory)
            yield f"{name} disagrees with theory: {key} {exponent(law)}, theory {claim} ({law.theory.source})."
    if of.theory is not None and of.decided and of.theory != of.name:
        yield f"{name} disagrees with theory: it is {of.name}, and theory's exponents mean {of.theory}."


def _without_values(row: Row, name: str) -> list[str]:
    """Return a sentence for each measurement with cells that are not ok, with the reason of the first one."""
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


def _reruns(board: Board) -> list[str]:
    """Return a sentence for each receipt that was rerun: how many cells, by whom and when."""
    names = {row.receipt.hash: row.receipt.name for row in board.rows}
    said: dict[str, list[str]] = {}
    for record in board.records:
        if record.receipt in names and _agreed(record):
            unknown = "" if record.rerun else " (the record does not say which, so no row counts them)"
            said.setdefault(names[record.receipt], []).append(
                f"{record.cells} cells by {record.by}, {record.date}{unknown}"
            )
    return [f"{name} was run again: {'; '.join(said[name])}." for name in sorted(said)]


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
        "verified_cells": row.verified,
        "verified_by": "; ".join(dict.fromkeys(each.by for each in row.reruns)),
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
    """Return a sentence for each architecture that is on only one of two boards, and for each pair whose tie changed.

    Only architectures with the same verdict can be tied; pairs with different verdicts on a board are left out.
    """
    old, new = ({name_of(row.verdict): i for i, row in enumerate(board.rows)} for board in (before, after))
    gone = [f"{name}: gone" for name in old if name not in new]
    return [*gone, *(f"{name}: new" for name in new if name not in old), *tie_changes(before, after)]


def tie_changes(before: Board, after: Board) -> list[str]:
    """Return a sentence for each pair of architectures on both boards whose tie changed."""
    old, new = ({name_of(row.verdict): i for i, row in enumerate(board.rows)} for board in (before, after))
    changes = []
    for one, other in combinations(sorted(old.keys() & new.keys()), 2):
        was, now = (_tie(board, places[one], places[other]) for board, places in ((before, old), (after, new)))
        changes += [f"{one} and {other}: {was} → {now}"] if was and now and was != now else []
    return changes


def _tie(board: Board, one: int, other: int) -> str:
    """Return whether two rows are "tied" or "told apart", "" if they are not compared."""
    first, second = board.rows[one], board.rows[other]
    if not (first.ties and second.ties and first.verdict.name == second.verdict.name):
        return ""
    return "told apart" if (min(one, other), max(one, other)) in board.grouping.apart else "tied"

"""`ntkbench leaderboard`: receipts, their verification, and boards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import NtkbenchError
from ..report.escape import visible
from ..streams import answer, answering
from .options import no_plugin

_BOARDS = click.option(
    "--boards",
    type=click.Path(path_type=Path),
    default="leaderboards",
    show_default=True,
    metavar="DIR",
    help="The folder of submissions, records and boards.",
)


@click.group("leaderboard")
def command() -> None:
    """Publish runs, re-run what others published, build the board.

    RULES.md in the folder of boards says what is run and how verdicts and ties are treated.
    """


@command.command("submit")
@click.argument("run", type=click.Path())
@click.option("--name", required=True, metavar="NAME", help="Of the submission: small letters, digits, '.', '-', '_'.")
@_BOARDS
@answering
def submit(run: str, name: str, boards: Path) -> None:
    """Write the receipt of the finished RUN to submissions/NAME.json: plain data with its hash."""
    from ..leaderboard.receipt import write_receipt
    from ..store.atomic import write_atomically
    from ..store.run import load

    data = write_receipt(load(run), name)
    path = boards / "submissions" / f"{name}.json"
    if path.exists() and path.read_bytes() != data:
        raise NtkbenchError(f"{path} is there already; receipts are not overwritten. Choose another --name.")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    answer(str(path))


@command.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--cells", default="3", metavar="COUNT|all", help="How many random cells to run again; 0: none.")
@click.option("--seed", type=int, metavar="NUMBER", help="Repeat a draw of cells; without it nobody can foresee it.")
@click.option("--by", metavar="NAME", help="Write a record of an agreeing re-run in your name.")
@_BOARDS
@no_plugin
@answering
def verify(file: Path, cells: str, seed: int | None, by: str | None, boards: Path) -> int:
    """Check the receipt FILE, then run random cells of it again here, with their seeds.

    Values have to agree within their errors or 0.1 % (gradient descent 5 %). Exits with 0 when it is accepted, 1 when
    it is rejected, with each reason.
    """
    from ..leaderboard.receipt import load_receipt
    from ..leaderboard.records import new_record, write_record
    from ..leaderboard.verify import choose, data_problems, plan_problems, rerun
    from ..registry.manager import registry as the_registry
    from ..runner.device import prepare

    if cells != "all" and not cells.isdecimal():
        raise click.UsageError(f"--cells {cells} is neither a count nor all.")
    if not file.is_file():
        raise NtkbenchError(f"There is no receipt {file}.")
    try:
        receipt = load_receipt(file)
    except NtkbenchError as error:
        answer(visible(str(error)))
        return 1
    registry = the_registry()
    problems = [*plan_problems(receipt, registry), *data_problems(receipt, registry)]
    drawn = choose(receipt, None if cells == "all" else int(cells), seed) if not problems else []
    if drawn:
        device = prepare("auto", hushed=True)
        for finding in rerun(drawn, registry, device):
            cell = finding.cell
            answer(f"{cell.label} width {cell.width} seed {cell.seed} {cell.measurement}: "
                       f"{visible(finding.problem) or 'agrees'}")  # fmt: skip
            problems += [finding.problem] if finding.problem else []
    for problem in problems:
        answer(f"{file} is rejected: {visible(problem)}.")
    if problems:
        return 1
    answer(f"{file} is accepted: {len(receipt.results)} cells are sound, {len(drawn)} were run again and agree.")
    if by and drawn:
        words: dict[str, Any] = {"cells": len(drawn), "agreed": len(drawn), "why": "random cells were run again"}
        answer(str(write_record(boards, new_record(kind="verification", receipt=receipt.hash, by=by, **words))))
    return 0


@command.command("withdraw")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--by", required=True, metavar="NAME", help="Who withdraws it.")
@click.option("--why", required=True, metavar="TEXT", help="The reason, shown on the board.")
@click.option("--replaced-by", type=click.Path(path_type=Path), metavar="FILE", help="The corrected receipt.")
@_BOARDS
@answering
def withdraw(file: Path, by: str, why: str, replaced_by: Path | None, boards: Path) -> None:
    """Take the receipt FILE off the board by a record; with --replaced-by it is a correction. Nothing is deleted."""
    from ..leaderboard.receipt import load_receipt
    from ..leaderboard.records import new_record, write_record

    fields: dict[str, Any] = {"kind": "withdrawal", "receipt": load_receipt(file).hash, "by": by, "why": why}
    if replaced_by is not None:
        fields |= {"kind": "correction", "replaced_by": load_receipt(replaced_by).hash}
    answer(str(write_record(boards, new_record(**fields))))


@command.command("build")
@_BOARDS
@answering
def build(boards: Path) -> None:
    """Build the board from all submissions: markdown, csv, html, pictures, a manifest with hashes."""
    from ..leaderboard.build import build as build_board

    for path in build_board(boards):
        answer(str(path))


@command.command("diff")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@answering
def diff(before: Path, after: Path) -> None:
    """Say what differs between two receipts: values, verdicts and ties; and why: code, versions, settings, data."""
    from ..analysis.compare import compare
    from ..leaderboard.build import board_changes, new_board
    from ..leaderboard.receipt import load_receipt
    from ..report.comparison import comparison_table

    old, new = load_receipt(before), load_receipt(after)
    found = compare(old.results, new.results, old.manifest, new.manifest)
    answer(comparison_table(found, old.name, new.name).text().rstrip("\n"))
    changes = board_changes(new_board([old]), new_board([new]))
    answer("\nRows and ties: " + ("none changed." if not changes else ""))
    for change in changes:
        answer(f"  {visible(change)}")

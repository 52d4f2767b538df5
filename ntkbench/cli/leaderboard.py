"""`ntkbench leaderboard`: receipts, their verification, and boards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from .._version import __version__
from ..errors import NtkbenchError
from ..report.escape import visible
from ..streams import answer, answering
from .options import no_plugin

if TYPE_CHECKING:
    from ..leaderboard.receipt import Receipt

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
    from ..api import load
    from ..leaderboard.receipt import read_receipt, write_receipt
    from ..leaderboard.standing import twin_of
    from ..store.atomic import write_atomically

    data = write_receipt(load(run), name)
    path = boards / "submissions" / f"{name}.json"
    if path.exists() and path.read_bytes() != data:
        raise NtkbenchError(f"{path} is there already; receipts are not overwritten. Choose another --name.")
    twin = twin_of(read_receipt(data, name), boards)
    if twin is not None:
        raise NtkbenchError(
            f"{boards / 'submissions' / twin}.json holds every cell of {run} with the same values, and a run is "
            "submitted once. To confirm its numbers, run its cells again: `ntkbench leaderboard verify FILE --by NAME`."
        )
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
    from ..leaderboard.receipt import load_receipt, minor
    from ..leaderboard.records import new_record, write_record
    from ..leaderboard.verify import choose, data_problems, plan_problems, rerun
    from ..registry.current import registry as the_registry
    from ..runner.device import prepare

    if cells != "all" and not cells.isdecimal():
        raise click.UsageError(f"--cells {cells} is neither a count nor all.")
    if by is not None and cells.isdecimal() and not int(cells):
        raise click.UsageError(f"--by records cells that were run again, and --cells {cells} runs none.")
    if not file.is_file():
        raise NtkbenchError(f"There is no receipt {file}.")
    try:
        receipt = load_receipt(file)
    except NtkbenchError as error:
        answer(visible(str(error)))
        return 1
    if minor(receipt.version) != minor(__version__):
        return _of_another_version(file, receipt, cells)
    fields: dict[str, Any] = {"kind": "verification", "receipt": receipt.hash, "why": "random cells were run again"}
    record = None if by is None else new_record(by=by, **fields)
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
    if record is not None and drawn:
        keys = tuple(sorted(result.cell.key for result in drawn))
        answer(str(write_record(boards, evolve(record, cells=len(keys), agreed=len(keys), rerun=keys))))
    elif record is not None:
        answer("No record was written: no cell of it ended well, so none could be run again.")
    return 0


def _of_another_version(file: Path, receipt: Receipt, cells: str) -> int:
    """Say what can be said of a receipt that an earlier version wrote: its form is sound, its cells cannot be run."""
    sound = f"{len(receipt.results)} cells are there, the hash is that of its contents"
    if cells.isdecimal() and not int(cells):
        answer(f"{file} is sound: {sound}. It is of ntkbench {receipt.version}; its plan and data were not checked.")
        return 0
    raise NtkbenchError(
        f"{file} is sound ({sound}), but it is of ntkbench {receipt.version} and this is {__version__}: install the "
        "receipt's version to run its cells again, or give --cells 0."
    )


@command.command("withdraw")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--by", required=True, metavar="NAME", help="Who withdraws it.")
@click.option("--why", required=True, metavar="TEXT", help="The reason, shown on the board.")
@click.option("--replaced-by", type=click.Path(path_type=Path), metavar="FILE", help="The corrected receipt.")
@_BOARDS
@answering
def withdraw(file: Path, by: str, why: str, replaced_by: Path | None, boards: Path) -> None:
    """Take the receipt FILE off the board by a record; with --replaced-by it is a correction. Nothing is deleted.

    FILE may be a receipt that is not accepted any more, such as an edited one or one of another version.
    """
    from ..leaderboard.receipt import hash_of_file, load_receipt
    from ..leaderboard.records import new_record, write_record

    fields: dict[str, Any] = {"kind": "withdrawal", "receipt": hash_of_file(file), "by": by, "why": why}
    if replaced_by is not None:
        fields |= {"kind": "correction", "replaced_by": load_receipt(replaced_by).hash}
        if fields["replaced_by"] == fields["receipt"]:
            raise NtkbenchError(f"{replaced_by} is the receipt that is taken off the board; it cannot replace itself.")
    answer(str(write_record(boards, new_record(**fields))))


@command.command("build")
@_BOARDS
@answering
def build(boards: Path) -> None:
    """Build the board from all submissions: markdown, csv, html, pictures, a manifest with hashes."""
    from ..leaderboard.build import build as build_board

    for path in build_board(boards, lambda sentence: click.echo(visible(sentence), err=True)):
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

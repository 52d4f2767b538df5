"""`ntkbench leaderboard`: submit and verify receipts, build boards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import evolve

from .._version import __version__
from ..errors import NtkbenchError, reason_of
from ..report.escape import visible
from ..streams import answer, answering
from .options import no_plugin, warn_of_plugins

if TYPE_CHECKING:
    from ..leaderboard.build import Board
    from ..leaderboard.receipt import Receipt

_BOARDS = click.option(
    "--boards",
    type=click.Path(path_type=Path),
    default="leaderboards",
    show_default=True,
    metavar="DIR",
    help="Folder of submissions, records and boards.",
)
_BOARDS_OF_FILE = click.option(
    "--boards",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of submissions, records and boards [default: that of FILE if it is in submissions/, otherwise "
    "leaderboards].",
)


@click.group("leaderboard")
def command() -> None:
    """Publish runs, verify published runs and build the board.

    RULES.md in the board folder describes what is run and how verdicts and ties are decided.
    """


@command.command("submit")
@click.argument("run", type=click.Path())
@click.option(
    "--name", required=True, metavar="NAME", help="Name of the submission: lowercase letters, digits, '.', '-', '_'."
)
@click.option("--dataset", metavar="NAME", help="Dataset whose cells are submitted, for a RUN with several.")
@_BOARDS
@answering
def submit(run: str, name: str, dataset: str | None, boards: Path) -> None:
    """Write the receipt of a finished RUN.

    The receipt is submissions/NAME.json: plain data with its hash.
    """
    from ..api import load
    from ..atomic import create_atomically, create_folder
    from ..leaderboard.bounds import bound_problems
    from ..leaderboard.receipt import read_receipt, write_receipt
    from ..leaderboard.standing import twin_of
    from ..registry.current import registry

    data = write_receipt(load(run), name, dataset)
    receipt = read_receipt(data, name)
    for problem in bound_problems(receipt, registry()):
        raise NtkbenchError(
            f"{run} cannot be submitted as {name}: {problem}. Find out why, and measure the cell again with `ntkbench "
            "run --force`."
        )
    path = boards / "submissions" / f"{name}.json"
    _refuse_another(path, receipt)
    twin = twin_of(receipt, boards)
    if twin is not None:
        raise NtkbenchError(
            f"{boards / 'submissions' / twin}.json already holds every cell of {run} with the same values; a run can "
            "be submitted only once. To confirm its numbers, rerun its cells with `ntkbench leaderboard verify FILE "
            "--by NAME`."
        )
    create_folder(path.parent)
    if not create_atomically(path, data):
        _refuse_another(path, receipt)  # submitted under the same name since the first check
    answer(str(path))


def _refuse_another(path: Path, receipt: Receipt) -> None:
    """Raise NtkbenchError if there is a receipt with other contents; git may have changed its line endings."""
    from ..leaderboard.receipt import hash_of_file

    if path.exists() and hash_of_file(path) != receipt.hash:
        raise NtkbenchError(f"{path} already exists, and receipts are never overwritten. Choose another --name.")


@command.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--cells", default="3", metavar="COUNT|all", help="Number of random cells to rerun, 0 for none.")
@click.option("--seed", type=int, metavar="NUMBER", help="Seed of the random choice of cells [default: unpredictable].")
@click.option("--by", metavar="NAME", help="Your name. Write a record under it when the rerun agrees.")
@_BOARDS_OF_FILE
@no_plugin
@answering
def verify(file: Path, cells: str, seed: int | None, by: str | None, boards: Path | None) -> int:
    """Check a receipt and rerun random cells.

    The cells run on this machine, with the seeds in the receipt FILE. Values must agree within their errors or 0.1 %
    (5 % for gradient descent). Exits with 0 when the receipt is accepted, with 1 when it is rejected; every reason is
    printed.
    """
    from ..leaderboard.bounds import bound_problems
    from ..leaderboard.receipt import load_receipt, minor
    from ..leaderboard.records import new_record, write_record
    from ..leaderboard.verify import choose, data_problems, installed_code, plan_problems, rerun
    from ..registry.current import registry as the_registry
    from ..runner.device import prepare

    if cells != "all" and not cells.isdecimal():
        raise click.UsageError(f"--cells {cells} is neither a count nor 'all'.")
    if by is not None and cells.isdecimal() and not int(cells):
        raise click.UsageError(f"--by records rerun cells, but --cells {cells} reruns none. Leave out one of the two.")
    if not file.is_file():
        raise NtkbenchError(f"The receipt {file} does not exist.")
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
    drawn = choose(receipt, None if cells == "all" else int(cells), seed)
    code = installed_code(drawn, registry)
    problems = [
        *plan_problems(receipt, registry),
        *bound_problems(receipt, registry),
        *data_problems(receipt, registry),
    ]
    if drawn and not problems:
        device = prepare("auto", quiet=True)
        for finding in rerun(drawn, registry, device, code):
            cell = finding.cell
            answer(f"{cell.label} width {cell.width} seed {cell.seed} {cell.measurement}: "
                       f"{visible(finding.problem) or 'agrees'}")  # fmt: skip
            problems += [finding.problem] if finding.problem else []
    for problem in problems:
        answer(f"{file} is rejected: {visible(problem).rstrip('.')}.")
    if problems:
        return 1
    answer(f"{file} is accepted: all {len(receipt.results)} cells are valid; {len(drawn)} were rerun and agree.")
    if record is not None and drawn:
        keys = tuple(sorted(result.cell.key for result in drawn))
        record = evolve(record, cells=len(keys), agreed=len(keys), rerun=keys)
        answer(str(write_record(_boards_of(file, boards), record)))
    elif record is not None:
        answer("No record was written: the receipt has no successful cell to rerun.")
    return 0


def _boards_of(file: Path, given: Path | None) -> Path:
    """Return the folder of boards that a record on a receipt belongs to."""
    if given is not None:
        return given
    folder = Path(os.path.abspath(file)).parent
    return Path(os.path.relpath(folder.parent)) if folder.name == "submissions" else Path("leaderboards")


def _of_another_version(file: Path, receipt: Receipt, cells: str) -> int:
    """Report on a receipt of another ntkbench version: its format can be checked, its cells cannot be rerun."""
    checked = f"it has {len(receipt.results)} cells, and its hash matches its contents"
    if cells.isdecimal() and not int(cells):
        answer(f"{file} is intact: {checked}. ntkbench {receipt.version} wrote it; its plan and data were not checked.")
        return 0
    raise NtkbenchError(
        f"{file} is intact ({checked}), but ntkbench {receipt.version} wrote it and this is {__version__}. Install the "
        "receipt's version to rerun its cells, or use --cells 0."
    )


@command.command("withdraw")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--by", required=True, metavar="NAME", help="Your name.")
@click.option("--why", required=True, metavar="TEXT", help="Reason, shown on the board.")
@click.option(
    "--replaced-by", type=click.Path(path_type=Path), metavar="FILE", help="Corrected receipt that replaces it."
)
@_BOARDS_OF_FILE
@answering
def withdraw(file: Path, by: str, why: str, replaced_by: Path | None, boards: Path | None) -> None:
    """Withdraw or correct a receipt.

    Adds a record that takes the receipt FILE off the board; with --replaced-by the record is a correction. Nothing is
    deleted. FILE may be a receipt that is no longer accepted, for example an edited one or one of another version.
    """
    from ..leaderboard.receipt import hash_of_file, load_receipt
    from ..leaderboard.records import new_record, write_record

    fields: dict[str, Any] = {"kind": "withdrawal", "receipt": hash_of_file(file), "by": by, "why": why}
    if replaced_by is not None:
        fields |= {"kind": "correction", "replaced_by": load_receipt(replaced_by).hash}
        if fields["replaced_by"] == fields["receipt"]:
            raise NtkbenchError(f"{replaced_by} is the receipt being withdrawn; a receipt cannot replace itself.")
    answer(str(write_record(_boards_of(file, boards), new_record(**fields))))


@command.command("build")
@_BOARDS
@answering
def build(boards: Path) -> None:
    """Build the board from all submissions.

    Writes Markdown, CSV, HTML, plots and a manifest with hashes.
    """
    from ..leaderboard.build import build as build_board

    for path in build_board(boards, lambda sentence: click.echo(visible(sentence), err=True)):
        answer(str(path))


@command.command("site")
@click.argument("folder", type=click.Path(path_type=Path), default="leaderboards")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder of the site."
)
@click.option(
    "--before",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Earlier copy of FOLDER, for the page of changes [default: the board before the last correction or "
    "withdrawal].",
)
@click.option(
    "--url", default="", metavar="URL", help="Address under which the site will be published, for its badges."
)
@no_plugin
@answering
def site(folder: Path, output: Path, before: Path | None, url: str) -> None:
    """Build the board as a static site.

    FOLDER holds submissions, records and boards [default: leaderboards]. The site works from a folder, without a
    network: a map, the table, a page for each row with its cells and its badge, and a page for each submission. DIR is
    new, empty or an earlier site. Files of an earlier build that are no longer part of the site are removed; other
    files are never touched. Families and summaries are those of the installed packages.
    """
    from ..leaderboard.site.build import build_site
    from ..registry.current import registry

    warn_of_plugins(registry())
    count = build_site(
        folder, output, before=before, url=url, tell=lambda sentence: click.echo(visible(sentence), err=True)
    )
    answer(f"{output / 'index.html'} and {count - 1} other files.")


@command.command("diff")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@answering
def diff(before: Path, after: Path) -> None:
    """Show how two receipts differ, and why.

    Compares values, verdicts and ties, and lists possible causes: code, versions, settings and data.
    """
    from ..analysis.compare import compare
    from ..leaderboard.build import board_changes
    from ..leaderboard.receipt import load_receipt
    from ..report.comparison import comparison_table

    old, new = load_receipt(before), load_receipt(after)
    boards = [_board_of(path, receipt) for path, receipt in ((before, old), (after, new))]
    found = compare(old.results, new.results, old.manifest, new.manifest)
    answer(comparison_table(found, old.name, new.name).text().rstrip("\n"))
    changes = board_changes(*boards)
    answer("\nRows and ties: " + ("unchanged." if not changes else ""))
    for change in changes:
        answer(f"  {visible(change)}")


def _board_of(path: Path, receipt: Receipt) -> Board:
    """Return the board of one receipt; raise NtkbenchError with its path if there is none."""
    from ..leaderboard.build import new_board

    try:
        return new_board([receipt])
    except Exception as error:
        raise NtkbenchError(f"{path} is rejected: no board can be built from it ({reason_of(error)}).") from error

"""`ntkbench report`: the page of a run."""

from __future__ import annotations

from pathlib import Path

import click

from ..streams import answer, answering


@click.command("report")
@click.argument("run", type=click.Path())
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="DIR",
    help="The folder of report.html; without it, the run's own.",
)
@answering
def command(run: str, output: str | None) -> None:
    """Write the finished or half-finished RUN as one HTML page.

    Verdicts, plots of every quantity, the values of every seed and how they were measured. The page needs no other
    file and no network.
    """
    from ..api import load
    from ..errors import NtkbenchError
    from ..report.page import report_page
    from ..store.atomic import write_atomically

    found = load(run)
    text = report_page(found.results, found.manifest, [*found.problems, *found.set_aside])
    folder = Path(output) if output else found.path
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NtkbenchError(f"{folder} cannot be a folder: {error.strerror or error}. Choose another -o.") from error
    write_atomically(folder / "report.html", text.encode())
    for problem in found.problems:
        click.echo(f"Warning: {problem}", err=True)
    answer(str(folder / "report.html"))

"""`ntkbench report`: write an HTML report of a run."""

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
    help="Folder for report.html [default: RUN].",
)
@answering
def command(run: str, output: str | None) -> None:
    """Write an HTML report of RUN, which may be unfinished.

    The report contains the verdicts, plots of every quantity, the values of every seed and how they were measured.
    It is a single file and needs no network.
    """
    from ..api import load
    from ..atomic import create_folder, write_atomically
    from ..report.page import report_page

    found = load(run)
    text = report_page(found.results, found.manifest, [*found.problems, *found.set_aside])
    folder = Path(output) if output else found.path
    create_folder(folder)
    write_atomically(folder / "report.html", text.encode())
    for problem in found.problems:
        click.echo(f"Warning: {problem}", err=True)
    answer(str(folder / "report.html"))

"""`ntkbench plot`: the picture of a run."""

from __future__ import annotations

import click


@click.command("plot")
@click.argument("run", type=click.Path())
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="A .png, .svg or .pdf file; without it, plot.png in the run's directory.",
)
@click.option(
    "--quantity",
    "quantities",
    multiple=True,
    metavar="NAME",
    help="Draw this quantity (repeatable) instead of the headlines.",
)
def command(run: str, output: str | None, quantities: tuple[str, ...]) -> None:
    """Draw the quantities of the finished or half-finished RUN against width, on logarithmic axes."""
    from ..store.run import load

    found = load(run)
    path = output or str(found.path / "plot.png")
    found.plot(path, quantities)
    for problem in found.problems:
        click.echo(f"Warning: {problem}", err=True)
    click.echo(path)

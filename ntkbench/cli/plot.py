"""`ntkbench plot`: the picture of a run."""

from __future__ import annotations

import click

from ..streams import answer, answering


@click.command("plot")
@click.argument("run", type=click.Path())
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="A .png, .svg or .pdf file; without it, plot.png (curves.png) in the run's directory.",
)
@click.option(
    "--quantity",
    "quantities",
    multiple=True,
    metavar="NAME",
    help="Draw this quantity (repeatable) instead of the headlines.",
)
@click.option("--curves", is_flag=True, help="Draw the curves that a suite left in RUN, in place of quantities.")
@answering
def command(run: str, output: str | None, quantities: tuple[str, ...], curves: bool) -> None:
    """Draw the quantities of the finished or half-finished RUN against width, on logarithmic axes."""
    from ..api import load

    if curves and quantities:
        raise click.UsageError("--curves draws no quantities; leave out --curves or --quantity.")
    found = load(run)
    path = output or str(found.path / ("curves.png" if curves else "plot.png"))
    if curves:
        found.plot_curves(path)
    else:
        found.plot(path, quantities)
    for problem in found.problems:
        click.echo(f"Warning: {problem}", err=True)
    answer(path)

"""`ntkbench plot`: plot the quantities of a run."""

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
    help="Output file, .png, .svg or .pdf [default: plot.png, or curves.png with --curves, in RUN].",
)
@click.option(
    "--quantity",
    "quantities",
    multiple=True,
    metavar="NAME",
    help="Quantity, or curve with --curves, to plot (repeatable) [default: the headline quantities; all curves].",
)
@click.option("--curves", is_flag=True, help="Plot the curves in RUN instead: medians and ranges over seeds.")
@answering
def command(run: str, output: str | None, quantities: tuple[str, ...], curves: bool) -> None:
    """Plot the quantities of RUN, which may be unfinished, against width on logarithmic axes."""
    from ..api import load

    found = load(run)
    path = output or str(found.path / ("curves.png" if curves else "plot.png"))
    if curves:
        found.plot_curves(path, quantities)
    else:
        found.plot(path, quantities)
    for problem in found.problems:
        click.echo(f"Warning: {problem}", err=True)
    answer(path)

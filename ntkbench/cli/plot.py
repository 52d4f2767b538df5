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
    help="Output file, .png, .svg or .pdf [default: plot.png, curves.png or map.png in RUN].",
)
@click.option(
    "--quantity",
    "quantities",
    multiple=True,
    metavar="NAME",
    help="Quantity, or curve with --curves, to plot (repeatable) [default: the headline quantities; all curves].",
)
@click.option("--curves", is_flag=True, help="Plot the curves in RUN instead: medians and ranges over seeds.")
@click.option(
    "--map",
    "as_map",
    is_flag=True,
    help="Plot the map of linearity instead: for each row, the exponent of kernel_change_worst and its value at the "
    "largest width.",
)
@answering
def command(run: str, output: str | None, quantities: tuple[str, ...], curves: bool, as_map: bool) -> None:
    """Plot the quantities of RUN, which may be unfinished, against width on logarithmic axes."""
    from ..api import load

    if as_map and (curves or quantities):
        raise click.UsageError("--map cannot be combined with --curves or --quantity. Leave out one of them.")
    found = load(run)
    path = output or str(found.path / ("map.png" if as_map else "curves.png" if curves else "plot.png"))
    if as_map:
        found.plot_map(path)
    elif curves:
        found.plot_curves(path, quantities)
    else:
        found.plot(path, quantities)
    for problem in found.problems:
        click.echo(f"Warning: {problem}", err=True)
    answer(path)

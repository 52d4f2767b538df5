"""`ntkbench table`: print the standard table of a run."""

from __future__ import annotations

from typing import Literal

import click

from ..streams import answer, answer_json, answering
from .options import Named


@click.command("table")
@click.argument("run", type=click.Path())
@click.option(
    "--format",
    "format_",
    default="simple",
    show_default=True,
    metavar="NAME",
    help="Table format of tabulate: simple, github, grid, html, latex, tsv, ...",
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON, at full precision.")
@click.option(
    "--quantity",
    "quantities",
    multiple=True,
    metavar="NAME",
    help="Quantity to show (repeatable) [default: the headline quantities].",
)
@click.option(
    "--why",
    metavar="ARCH",
    help="Show the variables of one architecture instead, with their shares of the bend and of the tangent kernel.",
)
@click.option(
    "--by",
    type=Named(["dataset"]),
    help="Compare architectures at each width over datasets instead: mean, P90, P95, PMA, mean rank with the critical "
    "difference, wins, ties and losses of one quantity [default: test_error, otherwise kernel_change_gd].",
)
@click.option(
    "--better",
    type=Named(["lower", "higher"]),
    help="With --by: which values are better [default: as the quantity declares; lower for errors].",
)
@answering
def command(
    run: str,
    format_: str,
    as_json: bool,
    quantities: tuple[str, ...],
    why: str | None,
    by: str | None,
    better: Literal["lower", "higher"] | None,
) -> None:
    """Print the standard table of RUN, which may be unfinished.

    Each row is one architecture: the exponent of each quantity in width with its 95 % interval, theory's exponent
    in parentheses, whether they agree, and the values at the smallest and largest width. With several datasets, each
    one has a block of rows.
    """
    from ..api import load

    if why is not None and quantities:
        raise click.UsageError("--why and --quantity cannot be combined. Leave out one of the two.")
    if by is not None and (why is not None or len(quantities) > 1):
        raise click.UsageError("--by takes one --quantity, and cannot be combined with --why.")
    if better is not None and by is None:
        raise click.UsageError("--better needs --by dataset.")
    found = load(run)
    if by is not None:
        table = found.method_table("".join(quantities), better)
    else:
        table = found.table(quantities) if why is None else found.why(why)
    if as_json:
        answer_json(table.to_json())
    else:
        answer(table.text(format_).rstrip("\n"))

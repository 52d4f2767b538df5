"""`ntkbench export`: write the tidy results or the table of a run to a file."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import TYPE_CHECKING

import click

from ..errors import did_you_mean
from ..streams import writing_to

if TYPE_CHECKING:
    from ..api import Run


@click.command("export")
@click.argument("run", type=click.Path())
@click.option(
    "--format",
    "format_",
    required=True,
    metavar="csv|json|parquet|markdown|latex",
    help="Output format. csv, json, parquet: tidy results, one row per cell and quantity. markdown, latex: the table.",
)
@click.option("-o", "--output", type=click.Path(), metavar="FILE", help="Output file [default: standard output].")
def command(run: str, format_: str, output: str | None) -> None:
    """Export the results or the table of RUN, which may be unfinished.

    In csv, text that a spreadsheet would read as a formula is prefixed with an apostrophe.
    """
    from ..api import load

    if format_ not in WRITERS:
        raise click.UsageError(f"Unknown export format {format_!r}. {did_you_mean(format_, WRITERS)}")
    to_stdout = output in (None, "-")
    if format_ == "parquet" and to_stdout and sys.stdout.isatty():
        raise click.UsageError("Parquet is a binary format and cannot be printed to a terminal. Use -o FILE.")
    found = load(run)
    data = WRITERS[format_](found)
    for problem in found.problems:
        click.echo(f"Warning: {problem}", err=True)
    if output is None or output == "-":
        with writing_to(sys.stdout) as stream:
            stream.buffer.write(data)
    else:
        from ..atomic import write_atomically

        write_atomically(output, data)


def _csv(run: Run) -> bytes:
    from ..report.escape import spreadsheet
    from ..store.frame import COLUMNS

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in run.rows():
        writer.writerow([spreadsheet(cell) if isinstance(cell, str) else cell for cell in row.values()])
    return text.getvalue().encode()


def _json(run: Run) -> bytes:
    from ..types import written_width

    rows = [row | {"width": written_width(row["width"])} for row in run.rows()]
    return (json.dumps(rows, indent=1, allow_nan=False) + "\n").encode()


def _parquet(run: Run) -> bytes:
    buffer = io.BytesIO()
    run.frame().to_parquet(buffer, index=False)
    return buffer.getvalue()


def _markdown(run: Run) -> bytes:
    return run.table().markdown().encode()


def _latex(run: Run) -> bytes:
    return run.table().latex().encode()


WRITERS = {"csv": _csv, "json": _json, "parquet": _parquet, "markdown": _markdown, "latex": _latex}

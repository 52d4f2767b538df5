"""`ntkbench export`: write the tidy results or the table of a run to a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import NtkbenchError, did_you_mean
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
@click.option("--curves", is_flag=True, help="Export the measured curves, one row per point (csv, json or parquet).")
@click.option("-o", "--output", type=click.Path(), metavar="FILE", help="Output file [default: standard output].")
def command(run: str, format_: str, curves: bool, output: str | None) -> None:
    """Export the results, the curves or the table of RUN, which may be unfinished.

    In csv, text that a spreadsheet would read as a formula is prefixed with an apostrophe.
    """
    from ..api import load

    if format_ not in WRITERS:
        raise click.UsageError(f"Unknown export format {format_!r}. {did_you_mean(format_, WRITERS)}")
    if output is not None and output != "-":
        _refuse_stored(Path(output))
    if curves and format_ not in CURVE_FORMATS:
        raise click.UsageError(f"Curves cannot be exported as {format_}. Use csv, json or parquet.")
    to_stdout = output in (None, "-")
    if format_ == "parquet" and to_stdout and sys.stdout.isatty():
        raise click.UsageError("Parquet is a binary format and cannot be printed to a terminal. Use -o FILE.")
    found = load(run)
    if curves and not any(result.curves for result in found.results):
        raise NtkbenchError(f"{run} holds no measured curves. Measure some, such as `--measure gd:curves`.")
    data = WRITERS[format_](found, curves)
    for problem in found.problems:
        click.echo(f"Warning: {problem}", err=True)
    if output is None or output == "-":
        with writing_to(sys.stdout) as stream:
            stream.buffer.write(data)
    else:
        from ..atomic import write_atomically

        write_atomically(output, data)


def _refuse_stored(given: Path) -> None:
    """Raise NtkbenchError for a file of a run, and for one among the receipts or records of a board."""
    from ..store.run_store import MANIFEST, RunStore

    path = given.resolve()
    folder, above = path.parent, path.parent.parent
    if (path.name == MANIFEST and RunStore(folder).is_run()) or (folder.name == "cells" and RunStore(above).is_run()):
        raise NtkbenchError(f"{given} is one of the files that a run consists of. Choose another output file.")
    board = (above / "submissions").is_dir() and any((above / each).exists() for each in ("records", "v1", "RULES.md"))
    if board and folder.name in ("submissions", "records"):
        raise NtkbenchError(
            f"{given} is among the receipts and records of a board. Choose another output file; `ntkbench leaderboard "
            "submit` writes the receipt of a run."
        )


def _csv(run: Run, curves: bool) -> bytes:
    from ..report.data import csv_bytes
    from ..store.frame import COLUMNS, CURVE_COLUMNS

    return csv_bytes(CURVE_COLUMNS, run.curve_rows()) if curves else csv_bytes(COLUMNS, run.rows())


def _json(run: Run, curves: bool) -> bytes:
    from ..report.data import json_bytes

    return json_bytes(run.curve_rows() if curves else run.rows())


def _parquet(run: Run, curves: bool) -> bytes:
    from ..report.data import parquet_bytes

    return parquet_bytes(run.curves() if curves else run.frame())


def _markdown(run: Run, _: bool) -> bytes:
    return run.table().markdown().encode()


def _latex(run: Run, _: bool) -> bytes:
    return run.table().latex().encode()


WRITERS = {"csv": _csv, "json": _json, "parquet": _parquet, "markdown": _markdown, "latex": _latex}
CURVE_FORMATS = ("csv", "json", "parquet")

"""Write tidy rows as csv, json or parquet."""

from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..types import written_width
from .escape import spreadsheet

if TYPE_CHECKING:
    import pandas


def csv_bytes(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as csv; text that a spreadsheet would read as a formula is prefixed with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    escaped = functools.cache(spreadsheet)  # few texts, in many rows
    for row in rows:
        writer.writerow([escaped(cell) if isinstance(cell, str) else cell for cell in row.values()])
    return text.getvalue().encode()


def json_bytes(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as a JSON array, one row a line; an infinite width is "inf"."""
    lines = [json.dumps({**row, "width": written_width(row["width"])}, allow_nan=False) for row in rows]
    return ("[" + ",".join(f"\n{line}" for line in lines) + "\n]\n").encode()


def parquet_bytes(frame: pandas.DataFrame) -> bytes:
    """Return a frame as parquet."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()

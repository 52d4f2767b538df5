"""Aligned plain text for short listings, without a table library."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest


def aligned(
    rows: Sequence[Sequence[str]], *, right: Collection[int] = (), limits: Mapping[int, int] | None = None
) -> list[str]:
    """Return rows of cells as lines with two spaces between columns.

    right: columns whose cells stand on the right.   limits: the width at which a column's text is wrapped.
    """
    limits = limits or {}
    wrapped = [[_wrap(cell, limits.get(column)) for column, cell in enumerate(row)] for row in rows]
    columns = zip(*wrapped, strict=True)
    widths = [max((len(line) for lines in column for line in lines), default=0) for column in columns]
    lines = []
    for row in wrapped:
        for parts in zip_longest(*row, fillvalue=""):
            cells = [
                part.rjust(width) if column in right else part.ljust(width)
                for column, (part, width) in enumerate(zip(parts, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
    return lines


def _wrap(text: str, limit: int | None) -> list[str]:
    return (textwrap.wrap(text, limit, break_on_hyphens=False) if limit else [text]) or [""]

"""Format short listings as aligned plain text, without a table library."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TypeVar

WIDTH = 100
NARROWEST = 12

Cell = TypeVar("Cell")


def aligned(
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[int] = (),
    limits: Mapping[int, int] | None = None,
    fitting: int | None = None,
) -> list[str]:
    """Return the rows as lines of text, with two spaces between columns.

    Args:
        rows: The cells of each row.
        right: Indices of the right-aligned columns.
        limits: Maximum width of a column, by index; longer text is wrapped.
        fitting: Index of the column that is wrapped further when lines would exceed WIDTH characters.
    """
    limits = dict(limits or {})
    widths = [
        max((min(len(cell), limits.get(i, len(cell))) for cell in cells), default=0) for i, cells in _columns(rows)
    ]
    if fitting is not None:
        excess = sum(widths) + 2 * (len(widths) - 1) - WIDTH
        limits[fitting] = max(NARROWEST, widths[fitting] - max(excess, 0))
    wrapped = [[_wrap(cell, limits.get(column)) for column, cell in enumerate(row)] for row in rows]
    widths = [max((len(line) for lines in cells for line in lines), default=0) for _, cells in _columns(wrapped)]
    lines = []
    for row in wrapped:
        for parts in zip_longest(*row, fillvalue=""):
            cells = [
                part.rjust(width) if column in right else part.ljust(width)
                for column, (part, width) in enumerate(zip(parts, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
    return lines


def _columns(rows: Sequence[Sequence[Cell]]) -> Iterable[tuple[int, tuple[Cell, ...]]]:
    return enumerate(zip(*rows, strict=True))


def _wrap(text: str, limit: int | None) -> list[str]:
    return (textwrap.wrap(text, limit, break_on_hyphens=False) if limit else [text]) or [""]

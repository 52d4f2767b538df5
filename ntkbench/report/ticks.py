"""Choose the widths to label on an axis."""

from __future__ import annotations

from collections.abc import Sequence

APART = 1.9
"""Smallest ratio of neighbouring labelled widths, so that labels do not overlap."""


def labelled(widths: Sequence[int]) -> list[int]:
    """Return the widths to label: the largest one, and smaller ones that are far enough apart.

    Args:
        widths: All widths, ascending.
    """
    kept: list[int] = []
    for width in reversed(widths):
        if not kept or kept[-1] >= APART * width:
            kept.append(width)
    return kept[::-1]


def map_ticks(at: Sequence[float], most: int = 6) -> list[tuple[int, str]]:
    """Return a few rows of a heat map, spread evenly and with both ends, and their labels."""
    count = min(len(at), most)
    rows = sorted({round(i * (len(at) - 1) / max(count - 1, 1)) for i in range(count)})
    return [(row, f"{at[row]:.3g}") for row in rows]

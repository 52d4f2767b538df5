"""Which widths an axis labels."""

from __future__ import annotations

from collections.abc import Sequence

APART = 1.9
"""Labelled widths are at least this factor apart, so that their labels do not touch."""


def labelled(widths: Sequence[int]) -> list[int]:
    """Return the widths to label, of ascending ones: the largest, and downwards those that are far enough from it."""
    kept: list[int] = []
    for width in reversed(widths):
        if not kept or kept[-1] >= APART * width:
            kept.append(width)
    return kept[::-1]

"""Choose the values to label on an axis."""

from __future__ import annotations

import math
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


def round_numbers(low: float, high: float) -> list[float]:
    """Return about five round numbers from `low` to `high`."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * part for part in (1, 2, 5, 10) if power * part >= rough)
    return [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def log_numbers(low: float, high: float, few: float = 1.6) -> list[float]:
    """Return the numbers to label on a logarithmic axis from 10^low to 10^high, at least two.

    Powers of ten, about six; below `few` decades 1, 2 and 5 of each decade; in a still smaller range round numbers.
    """
    step = max(1, round((high - low) / 6))
    for parts in ((1,), (1, 2, 5)) if high - low >= few else ((1, 2, 5),):
        found = [
            float(f"{part}e{power}")
            for power in range(math.floor(low), math.ceil(high) + 1, step)
            for part in parts
            if low <= math.log10(part) + power <= high
        ]
        if len(found) > 1:
            return found
    return round_numbers(10.0**low, 10.0**high)


def map_ticks(at: Sequence[float], most: int = 6) -> list[tuple[int, str]]:
    """Return a few rows of a heat map, spread evenly and with both ends, and their labels."""
    count = min(len(at), most)
    rows = sorted({round(i * (len(at) - 1) / max(count - 1, 1)) for i in range(count)})
    return [(row, f"{at[row]:.3g}") for row in rows]

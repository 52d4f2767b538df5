"""Partition samples into blocks of a given size, or into a given number of parts."""

from __future__ import annotations

import itertools


def shares(n: int, count: int) -> list[slice]:
    """Split n samples into `count` parts of nearly equal size; some are empty if there are fewer samples."""
    edges = [round(i * n / count) for i in range(count + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]


def parts(n: int, size: int) -> list[tuple[int, int]]:
    """Return (start, stop) of disjoint blocks that cover n samples, of at most `size` and of at most two lengths."""
    return [(part.start, part.stop) for part in shares(n, -(-n // size))]

"""Samples in parts: of a size, or as many as there are replicas."""

from __future__ import annotations


def shares(n: int, count: int) -> list[slice]:
    """Return n samples in `count` parts, as equal as can be; some are empty where there are fewer samples."""
    edges = [round(i * n / count) for i in range(count + 1)]
    return [slice(start, stop) for start, stop in zip(edges[:-1], edges[1:], strict=True)]


def parts(n: int, size: int) -> list[tuple[int, int]]:
    """Return (start, stop) of disjoint blocks that cover n, of at most `size`, of at most two lengths."""
    return [(part.start, part.stop) for part in shares(n, -(-n // size))]

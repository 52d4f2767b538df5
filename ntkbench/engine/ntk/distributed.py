"""Compute a tangent kernel in blocks on the replicas of a `tf.distribute` strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from ..model import Network
from ..partition import shares
from ..replicas import Replicas

Block = tuple[slice, slice | None]
"""Rows and columns of a kernel; the columns are None for a diagonal block, of which only one half is computed."""


def blocks(n: int, m: int | None, count: int) -> list[list[Block]]:
    """Return the blocks of an [n, m] kernel that each of `count` replicas computes; m is None for x1 with itself.

    For x1 with itself, each replica computes its diagonal block. The other blocks are distributed evenly: with the
    replicas arranged in a circle, each is paired with the half of the others that follows it.
    """
    parts = shares(n, count)
    if m is not None:
        return [[(rows, slice(0, m))] if _length(rows) else [] for rows in parts]
    dealt: list[list[Block]] = [[(rows, None)] for rows in parts]
    for r in range(count):
        for step in range(1, count // 2 + 1):
            rows, columns = parts[r], parts[(r + step) % count]
            if 2 * step == count:  # both replicas share this block: each computes half of the rows of the first
                first, second = sorted((rows, columns), key=lambda part: part.start)
                middle = (first.start + first.stop) // 2
                rows = slice(first.start, middle) if rows is first else slice(middle, first.stop)
                columns = second
            dealt[r].append((rows, columns))
    return [[block for block in of if all(_length(side) for side in block if side is not None)] for of in dealt]


def kernels(
    replicas: Replicas,
    x1: tf.Tensor,
    x2: tf.Tensor | None,
    compute: Callable[[Network, tf.Tensor, tf.Tensor | None], Sequence[np.ndarray]],
    count: int,
    units: tuple[int, ...],
) -> list[np.ndarray]:
    """Return `count` kernels [N, M, *units], of which every replica computes its blocks.

    Args:
        replicas: The replicas.
        x1: First inputs [N, ...].
        x2: Second inputs [M, ...], or None for x1.
        compute: (network, x1, x2 or None) -> the kernels of a block.
        count: Number of kernels.
        units: (), or (O, O) for all pairs of output units.
    """
    other = x1 if x2 is None else x2
    dealt = blocks(len(x1), None if x2 is None else len(x2), replicas.count)

    def of_replica(net: Network, number: int) -> np.ndarray:
        found = [np.zeros(0, net.dtype.as_numpy_dtype)]
        for rows, columns in dealt[number]:
            made = compute(net, x1[rows], None if columns is None else other[columns])
            found += [np.ravel(kernel) for kernel in made]
        return np.concatenate(found)

    computed = replicas.compute(of_replica)
    whole = [np.zeros((len(x1), len(other), *units), computed[0].dtype) for _ in range(count)]
    for flat, of in zip(computed, dealt, strict=True):
        rest = flat
        for rows, columns in of:
            shape = (_length(rows), _length(columns or rows), *units)
            for kernel in whole:
                block, rest = np.split(rest, [int(np.prod(shape))])
                block = block.reshape(shape)
                kernel[rows, columns or rows] = block
                if x2 is None and columns is not None:
                    kernel[columns, rows] = block.T if not units else block.transpose(1, 0, 3, 2)
    return whole


def _length(part: slice) -> int:
    return part.stop - part.start

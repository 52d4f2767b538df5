"""A tangent kernel computed block by block: blocks of samples on either side, and of output units."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from attrs import field, frozen

from ..partition import parts
from .plan import Plan
from .target import Store

log = logging.getLogger("ntkbench")

SAY_EVERY = 5.0  # seconds between two lines of progress


class Route(Protocol):
    """One way to compute the blocks of a kernel. A block is [L, N, M] or [L, N, O, M, O] for L wanted kernels."""

    def whole(self, x1: tf.Tensor, x2: tf.Tensor | None, units: np.ndarray, allowance: float) -> Sequence[Any]:
        """Return the kernels of all samples and output units; x2 is None for x1."""
        ...

    def represent(self, x: tf.Tensor, units: np.ndarray) -> Sequence[tf.Tensor]:
        """Return what the blocks of these samples and output units are made from."""
        ...

    def contract(self, left: Sequence[tf.Tensor], right: Sequence[tf.Tensor], allowance: float) -> Sequence[Any]:
        """Return the kernels from two representations, the same one for the same samples and units."""
        ...


@frozen
class Block:
    """Some samples of one side, from `start` to `stop`, and some output units, from `first` to `last`.

    known: how many of the samples, at the start, the block before has already: see `overlapping`.
    """

    side: int
    start: int
    stop: int
    known: int
    first: int
    last: int

    @property
    def new(self) -> slice:
        """Return the samples that no block before has."""
        return slice(self.start + self.known, self.stop)

    @property
    def units(self) -> slice:
        """Return the output units."""
        return slice(self.first, self.last)


@frozen(eq=False)
class Side:
    """The samples x: [N, ...] of one side in blocks, whose representations are kept where there is room."""

    number: int
    x: tf.Tensor
    units: np.ndarray
    route: Route
    keep: bool
    kept: dict[Block, Any] = field(factory=dict)

    def blocks(self, size: int, units: int) -> list[list[Block]]:
        """Return blocks of `size` samples, each with its blocks of output units."""
        of_units = parts(len(self.units), units)
        return [[Block(self.number, *some, *unit) for unit in of_units] for some in overlapping(len(self.x), size)]

    def representation(self, block: Block) -> Any:
        """Return what a block's kernels are made from."""
        if block in self.kept:
            return self.kept[block]
        found = self.route.represent(self.x[block.start : block.stop], self.units[block.units])
        if self.keep:
            self.kept[block] = found
        return found


def overlapping(n: int, size: int) -> list[tuple[int, int, int]]:
    """Return (start, stop, known) of blocks of equal length, at most `size`, that cover n.

    The last one may begin with `known` samples of the block before: one length is one compiled function.
    """
    count = -(-n // size)
    size = -(-n // count)
    starts = [min(i * size, n - size) for i in range(count)]
    return [(start, start + size, i * size - start) for i, start in enumerate(starts)]


def compute(route: Route, x1: tf.Tensor, x2: tf.Tensor | None, units: np.ndarray, plan: Plan, store: Store) -> None:
    """Fill the store with the kernels of x1: [N, ...] and x2: [M, ...], or of x1 with itself."""
    if plan.whole:
        every = slice(0, len(units))
        found = route.whole(x1, x2, units, plan.allowance)
        store.write(slice(0, len(x1)), slice(0, len(x1 if x2 is None else x2)), every, every, found)
        return
    left = Side(0, x1, units, route, plan.keep)
    right = left if x2 is None else Side(1, x2, units, route, plan.keep)
    rows = left.blocks(plan.rows, plan.units)
    columns = rows if right is left else right.blocks(plan.columns, plan.units)
    progress = Progress(len(rows), store.where)
    for i, row in enumerate(rows):
        for block in row:
            mine = left.representation(block)
            for other in _partners(block, columns[i:] if right is left else columns, store.trace):
                theirs = mine if other == block else right.representation(other)
                found = [_new(k, block, other) for k in route.contract(mine, theirs, plan.allowance)]
                add = store.trace and block.first > 0
                store.write(block.new, other.new, block.units, other.units, found, add=add)
                if right is left and other.start != block.start:
                    turned = [k.T if store.trace else k.transpose(2, 3, 0, 1) for k in found]
                    store.write(other.new, block.new, other.units, block.units, turned, add=add)
                del theirs
            del mine
        store.flush()
        progress.done(i + 1)


def _new(kernel: Any, row: Block, column: Block) -> np.ndarray:
    """Return the part of a block [N, M] or [N, O, M, O] that no block before has."""
    kernel = np.asarray(kernel)[row.known :]
    return kernel[:, column.known :] if kernel.ndim == 2 else kernel[:, :, column.known :]


def _partners(block: Block, columns: Sequence[Sequence[Block]], trace: bool) -> Iterator[Block]:
    """Yield the blocks that a block meets: for the sum over output units only those of the same units."""
    for column in columns:
        yield from (other for other in column if not trace or other.units == block.units)


class Progress:
    """Says in the log how far a kernel is."""

    def __init__(self, total: int, where: str):
        self.total, self.where = total, where
        self.start = self.said = time.monotonic()
        log.info("ntkbench: a kernel in %d blocks of rows%s.", total, where)

    def done(self, count: int) -> None:
        """Say it when it is time to."""
        now = time.monotonic()
        if count == self.total or now - self.said >= SAY_EVERY:
            self.said = now
            spent = now - self.start
            left = spent / count * (self.total - count)
            log.info("ntkbench: %d of %d blocks of rows, %.0f s, about %.0f s left.", count, self.total, spent, left)

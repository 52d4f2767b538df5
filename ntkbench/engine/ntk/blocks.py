"""Compute a tangent kernel block by block: blocks of samples on both sides and blocks of output units."""

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

LOG_EVERY = 5.0  # seconds between two progress messages


class Route(Protocol):
    """A way to compute blocks of L kernels, each block of shape [L, N, M] or [L, N, O, M, O]."""

    def whole(self, x1: tf.Tensor, x2: tf.Tensor | None, units: np.ndarray, allowance: float) -> Sequence[Any]:
        """Return the kernels of all samples and output units; x2 is None for x1."""
        ...

    def represent(self, x: tf.Tensor, units: np.ndarray) -> Sequence[tf.Tensor]:
        """Return the tensors from which the blocks of these samples and output units are computed."""
        ...

    def contract(self, left: Sequence[tf.Tensor], right: Sequence[tf.Tensor], allowance: float) -> Sequence[Any]:
        """Return the kernels from two representations, which are the same object for a block with itself."""
        ...


@frozen
class Block:
    """Samples `start` to `stop` of one side, and output units `first` to `last`.

    Attributes:
        side: Number of the side, 0 or 1.
        start: First sample.
        stop: End of the samples.
        known: Number of leading samples that the previous block contains too; see `overlapping`.
        first: First output unit.
        last: End of the output units.
    """

    side: int
    start: int
    stop: int
    known: int
    first: int
    last: int

    @property
    def new(self) -> slice:
        """Return the samples that no previous block contains."""
        return slice(self.start + self.known, self.stop)

    @property
    def units(self) -> slice:
        """Return the output units."""
        return slice(self.first, self.last)


@frozen(eq=False)
class Side:
    """The samples x: [N, ...] of one side in blocks; their representations are cached if `keep` is set."""

    number: int
    x: tf.Tensor
    units: np.ndarray
    route: Route
    keep: bool
    kept: dict[Block, Any] = field(factory=dict)

    def blocks(self, size: int, units: int) -> list[list[Block]]:
        """Return blocks of at most `size` samples, each with its blocks of at most `units` output units."""
        of_units = parts(len(self.units), units)
        return [[Block(self.number, *some, *unit) for unit in of_units] for some in overlapping(len(self.x), size)]

    def representation(self, block: Block) -> Any:
        """Return the tensors from which a block's kernels are computed."""
        if block in self.kept:
            return self.kept[block]
        found = self.route.represent(self.x[block.start : block.stop], self.units[block.units])
        if self.keep:
            self.kept[block] = found
        return found


def overlapping(n: int, size: int) -> list[tuple[int, int, int]]:
    """Return (start, stop, known) of blocks of equal length, at most `size`, that cover n samples.

    The last block may begin with `known` samples of the previous one: with equal lengths one compiled function serves
    all blocks.
    """
    count = -(-n // size)
    size = -(-n // count)
    starts = [min(i * size, n - size) for i in range(count)]
    return [(start, start + size, i * size - start) for i, start in enumerate(starts)]


def compute(route: Route, x1: tf.Tensor, x2: tf.Tensor | None, units: np.ndarray, plan: Plan, store: Store) -> None:
    """Fill the store with the kernels of x1: [N, ...] and x2: [M, ...], or of x1 with itself if x2 is None."""
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
            own = left.representation(block)
            for other in _partners(block, columns[i:] if right is left else columns, store.trace):
                partner = own if other == block else right.representation(other)
                found = [_new(k, block, other) for k in route.contract(own, partner, plan.allowance)]
                add = store.trace and block.first > 0
                store.write(block.new, other.new, block.units, other.units, found, add=add)
                if right is left and other.start != block.start:
                    turned = [k.T if store.trace else k.transpose(2, 3, 0, 1) for k in found]
                    store.write(other.new, block.new, other.units, block.units, turned, add=add)
                del partner
            del own
        store.flush()
        progress.done(i + 1)


def _new(kernel: Any, row: Block, column: Block) -> np.ndarray:
    """Return the part of a block [N, M] or [N, O, M, O] that no previous block contains."""
    kernel = np.asarray(kernel)[row.known :]
    return kernel[:, column.known :] if kernel.ndim == 2 else kernel[:, :, column.known :]


def _partners(block: Block, columns: Sequence[Sequence[Block]], trace: bool) -> Iterator[Block]:
    """Yield the blocks to pair with a block; for the sum over output units only those with the same units."""
    for column in columns:
        yield from (other for other in column if not trace or other.units == block.units)


class Progress:
    """Logs the progress of a kernel."""

    def __init__(self, total: int, where: str):
        self.total, self.where = total, where
        self.start = self.logged = time.monotonic()
        log.info("ntkbench: computing a kernel in %d blocks of rows%s.", total, where)

    def done(self, count: int) -> None:
        """Log a message if LOG_EVERY seconds have passed or the kernel is complete."""
        now = time.monotonic()
        if count == self.total or now - self.logged >= LOG_EVERY:
            self.logged = now
            spent = now - self.start
            left = spent / count * (self.total - count)
            log.info(
                "ntkbench: %d of %d blocks of rows done, %.0f s elapsed, about %.0f s left.",
                count,
                self.total,
                spent,
                left,
            )

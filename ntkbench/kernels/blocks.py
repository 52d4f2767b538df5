"""Compute kernel matrices in blocks of pairs that fit into memory, with XLA where the matrices are large."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from attrs import evolve, frozen

from ..engine.budget import budget
from ..engine.ops import full_precision
from ..errors import NtkbenchError
from .features import Features
from .joins import Concatenate

WORTH_XLA = 2**20  # entries of one covariance below which compiling with XLA does not pay off
COPIES = 8  # copies of a covariance that are alive at the same time
NUMBERS_IN_BLOCK = 2**22  # entries of a covariance per block; larger blocks are no faster
SIDES = 4  # blocks along each side of a large symmetric matrix; only 10 of the 16 are computed

Tensors = tuple[tf.Tensor, ...]


@frozen
class Blocks:
    """Partition of a matrix [N1, N2] into blocks of `rows` × `columns`.

    If `symmetric`, only the blocks of one triangle are computed.
    """

    rows: int
    columns: int
    symmetric: bool

    @classmethod
    def plan(cls, n1: int, n2: int, per_pair: int, itemsize: int, symmetric: bool, memory_gib: float | None) -> Blocks:
        """Return blocks that fit into memory.

        Args:
            n1: Number of rows of the matrix.
            n2: Number of columns.
            per_pair: Entries of one covariance for one pair of inputs.
            itemsize: Bytes per entry.
            symmetric: Whether the matrix is symmetric.
            memory_gib: Memory limit in GiB, or None for the default.

        Raises:
            NtkbenchError: If a single pair of inputs does not fit.
        """
        need = per_pair * itemsize * COPIES
        pairs = int(min(budget(memory_gib) // need, max(NUMBERS_IN_BLOCK // per_pair, 1)))
        if pairs < 1:
            raise NtkbenchError(
                f"One pair of inputs needs {need / 2**30:.3g} GiB for covariances of {per_pair:,} pairs of positions; "
                "increase memory_gib or use inputs with fewer positions."
            )
        side = max(math.isqrt(pairs), 1)
        if symmetric:
            n = n1
            parts = max(-(-n // side), SIDES if n * n * per_pair >= WORTH_XLA else 1)
            side = -(-n // min(parts, n))
            return cls(side, side, True)
        rows = min(n1, max(side, pairs // max(n2, 1)))
        columns = min(n2, max(pairs // rows, 1))
        return cls(-(-n1 // -(-n1 // rows)), -(-n2 // -(-n2 // columns)), False)


class Compiled:
    """Evaluate a function of two batches of inputs block by block: [B..., N1, *F] and [B..., N2, *F] to [B..., N1, N2].

    Args:
        function: Computes the matrices for all pairs at once.
        feature_ndims: Rank of F.
        per_pair: Maps the static shape F to the number of entries of one covariance for one pair of inputs, over all
            batches.
        large: Same function, faster for large inputs. By default `function` compiled with XLA.
    """

    def __init__(
        self,
        function: Callable[[tf.Tensor, tf.Tensor], Tensors],
        feature_ndims: int,
        per_pair: Callable[[tuple[int, ...]], int],
        large: Callable[[tf.Tensor, tf.Tensor], Tensors] | None = None,
    ):
        self.function, self.feature_ndims, self.per_pair = function, feature_ndims, per_pair
        self._large = large or tf.function(function, jit_compile=True, autograph=False)

    def __call__(self, x1: tf.Tensor, x2: tf.Tensor, memory_gib: float | None) -> Tensors:
        """Return the matrices.

        If x1 and x2 are the same tensor, the matrices are exactly symmetric and only one triangle is computed.
        """
        if tf.is_symbolic_tensor(x1) or tf.is_symbolic_tensor(x2) or 0 in (*x1.shape, *x2.shape):
            return self.function(x1, x2)
        axis = x1.shape.rank - self.feature_ndims - 1
        n1, n2 = x1.shape[axis], x2.shape[x2.shape.rank - self.feature_ndims - 1]
        batch = max(math.prod(x.shape[: x.shape.rank - self.feature_ndims - 1]) for x in (x1, x2))
        per_pair = batch * self.per_pair(tuple(x1.shape[axis + 1 :]))
        large = n1 * n2 * per_pair >= WORTH_XLA
        symmetric = x1 is x2
        blocks = Blocks.plan(n1, n2, per_pair, x1.dtype.size, symmetric, memory_gib)
        function = self._large if large else self.function
        with full_precision():
            if blocks.rows >= n1 and blocks.columns >= n2:
                found = function(x1, x2)
                return tuple(map(_symmetrised, found)) if symmetric else found
            return self._in_blocks(function, x1, x2, n1, n2, blocks)

    def _in_blocks(
        self, function: Callable[..., Tensors], x1: tf.Tensor, x2: tf.Tensor, n1: int, n2: int, blocks: Blocks
    ) -> Tensors:
        left = self._parts(x1, n1, blocks.rows)
        right = left if blocks.symmetric else self._parts(x2, n2, blocks.columns)
        rows: list[list[Tensors]] = []
        for i, part1 in enumerate(left):
            row: list[Tensors] = []
            for j, part2 in enumerate(right):
                if blocks.symmetric and j < i:
                    row.append(tuple(map(tf.linalg.matrix_transpose, rows[j][i])))
                elif blocks.symmetric and j == i:
                    row.append(tuple(map(_symmetrised, function(part1, part2))))
                else:
                    row.append(function(part1, part2))
            rows.append(row)
        return tuple(
            tf.concat([tf.concat([block[k] for block in row], -1) for row in rows], -2)[..., :n1, :n2]
            for k in range(len(rows[0][0]))
        )

    def _parts(self, x: tf.Tensor, n: int, size: int) -> list[tf.Tensor]:
        """Split x into parts of equal size for one compiled function; the last part repeats the last input."""
        axis = x.shape.rank - self.feature_ndims - 1
        starts = range(0, n, size)
        parts: list[Any] = [tf.range(start, start + size) for start in starts]
        return [tf.gather(x, tf.minimum(part, n - 1), axis=axis) for part in parts]


class Pieces:
    """Call the layers of a network one by one, each compiled with XLA.

    Compiled as a single program, XLA would recompute the dual of an activation for every tap of the window that reads
    it.
    """

    def __init__(self) -> None:
        self._known: dict[Any, tuple[Any, dict[str, Any]]] = {}

    def __call__(self, number: int, layer: Any, *features: Features) -> Any:
        """Return layer(*features) for the layer of node `number`."""
        if isinstance(layer, Concatenate):  # nothing is computed
            return layer(*features)
        key = (number, tuple(_statics(h) for h in features))
        if key not in self._known:
            made: dict[str, Any] = {}
            like = [_without_tensors(h) for h in features]

            def piece(tensors: list[dict[str, tf.Tensor]]) -> dict[str, tf.Tensor]:
                found = layer(*(evolve(h, **given) for h, given in zip(like, tensors, strict=True)))
                made.setdefault("like", _without_tensors(found))
                return _tensors(found)

            self._known[key] = tf.function(piece, jit_compile=True, autograph=False), made
        function, made = self._known[key]
        found = function([_tensors(h) for h in features])
        return evolve(made["like"], **found)


TENSORS = ("cov", "ntk", "var1", "var2", "mean1", "mean2", "mask1", "mask2", "same")


def _tensors(h: Features) -> dict[str, tf.Tensor]:
    return {name: getattr(h, name) for name in TENSORS if getattr(h, name) is not None}


def _without_tensors(h: Features) -> Features:
    nothing: dict[str, Any] = dict.fromkeys(TENSORS)
    return evolve(h, **nothing)


def _statics(h: Features) -> tuple[Any, ...]:
    return h.pairs, h.positions, h.full, h.gaussian, h.gains, h.unknown, h.flattened, h.sources, tuple(_tensors(h))


def _symmetrised(matrix: tf.Tensor) -> tf.Tensor:
    return (matrix + tf.linalg.matrix_transpose(matrix)) / 2

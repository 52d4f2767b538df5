"""Contribution of one product to the tangent kernel, from rows A: [N, g, T, a] and cotangents G: [N, O, g, T, b].

There are three ways to compute it. With one position, Gram matrices of the inputs: ⟨A, A'⟩⟨G, G'⟩. With several
positions, Gram matrices of all positions, Σ_ts ⟨A_t, A'_s⟩⟨G_t, G'_s⟩, a few rows at a time; or the gradients Σ_t A_t ⊗
G_t of every sample and their inner products. Source: Novak et al. 2022 (arXiv 2206.08720), section 3.

Contributions have the shape [N, M] for the sum over output units (`trace`), and [N, O, M, O] for all pairs of units.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import tensorflow as tf
from attrs import frozen

from ..ops import reshape

MIN_BLOCK_ROWS = 160  # rows per block of a symmetric matrix product; smaller blocks cost more than symmetry saves
GRAM_BYTES = 32 * 2**20  # bytes of a Gram matrix of positions per step, chosen to stay in the cache


@frozen
class ProductSize:
    """Size of one product for one sample.

    Attributes:
        groups: Number g of groups.
        positions: Number T of positions.
        rows: Length a of a row of A.
        columns: Length b of a row of G.
    """

    groups: int
    positions: int
    rows: int
    columns: int

    @property
    def matrices(self) -> int:
        """Return the number of entries of the gradient of one sample and output unit."""
        return self.groups * self.rows * self.columns

    @property
    def inputs(self) -> int:
        """Return the number of entries of A."""
        return self.groups * self.positions * self.rows

    @property
    def cotangents(self) -> int:
        """Return the number of entries of G for one output unit."""
        return self.groups * self.positions * self.columns


@frozen
class Contraction:
    """A way to compute a contribution, with its cost.

    Attributes:
        way: "inputs", "positions" or "gradients".
        at_once: Rows of the Gram matrix of positions per step.
        flops: Number of operations.
        bytes: Working memory in bytes.
    """

    way: Literal["inputs", "positions", "gradients"]
    at_once: int
    flops: int
    bytes: int


def contraction(
    size: ProductSize, n: int, m: int, units: int, trace: bool, itemsize: int, allowance: float = math.inf
) -> Contraction:
    """Return the way with the fewest operations among those whose working memory is allowed, for [N] × [M] samples.

    Gram matrices of positions are always possible, because they are processed in as few rows at a time as necessary.
    """
    g, t, a, b = size.groups, size.positions, size.rows, size.columns
    pairs = units if trace else units * units
    result = itemsize * n * m * (1 if trace else pairs)
    if g == t == 1:
        return Contraction("inputs", n, 2 * n * m * (a + pairs * b), 4 * result)
    one_row = itemsize * g * m * t * (2 if trace else 1 + 2 * units * units)
    at_once = int(max(1, min(n * t, min(allowance, GRAM_BYTES) // one_row)))
    copies = itemsize * (n + m) * (size.inputs + units * size.cotangents) * (g > 1 or units > 1)
    sums = itemsize * n * t * m * (1 if trace else units * units)
    gram = Contraction("positions", at_once, 2 * n * m * t * t * g * (a + pairs * b), at_once * one_row + copies + sums)
    flops = 2 * size.matrices * (units * t * (n + m) + n * m * pairs)
    gradients = Contraction("gradients", n, flops, itemsize * (n + m) * units * size.matrices + result)
    allowed = [way for way in (gram, gradients) if way.bytes <= allowance] or [min(gram, gradients, key=_bytes)]
    return min(allowed, key=_flops)


def _bytes(way: Contraction) -> int:
    return way.bytes


def _flops(way: Contraction) -> int:
    return way.flops


def share(
    left: tuple[tf.Tensor, tf.Tensor],
    right: tuple[tf.Tensor, tf.Tensor],
    trace: bool,
    allowance: float = math.inf,
) -> tf.Tensor:
    """Return a product's contribution from (A, G) at two sets of inputs. For use inside compiled functions."""
    a, g = left
    n, m = a.shape[0] or 16, right[0].shape[0] or 16
    size = ProductSize(g.shape[2], g.shape[3], a.shape[3], g.shape[4])
    how = contraction(size, n, m, g.shape[1], trace, a.dtype.size, allowance)
    if how.way == "inputs":
        return _inputs(left, right, trace)
    return _gradients(left, right, trace) if how.way == "gradients" else _positions(left, right, trace, how.at_once)


def products_of_rows(left: tf.Tensor, right: tf.Tensor, trace: bool) -> tf.Tensor:
    """Return the inner products of rows [N, O, size] and [M, O, size]: [N, M] summed over O, or [N, O, M, O]."""
    size = math.prod(left.shape[1:]) if trace else left.shape[2]
    first = reshape(left, [-1, size])
    products = product(first, first if left is right else reshape(right, [-1, size]))
    return products if trace else reshape(products, [-1, left.shape[1], right.shape[0], right.shape[1]])


def product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Return left·rightᵀ for rows [n, size] and [m, size]; of the same tensor only the lower half is computed."""
    return _with_itself(left) if left is right else tf.matmul(left, right, transpose_b=True)


@tf.custom_gradient
def _with_itself(rows: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Return rows·rowsᵀ: [n, n]. Its derivative is one product, (g + gᵀ)·rows, where TensorFlow would take two."""
    return _lower_half(rows), lambda g: tf.matmul(g + tf.transpose(g), rows)


def _lower_half(rows: tf.Tensor) -> tf.Tensor:
    """Return rows·rowsᵀ: [n, n], from the blocks in its lower half if they are large enough."""
    parts = min(4, (rows.shape[0] or 0) // MIN_BLOCK_ROWS)
    if parts < 2:
        return tf.matmul(rows, rows, transpose_b=True)
    some = tf.split(rows, [len(part) for part in np.array_split(range(rows.shape[0]), parts)])
    lower = [[tf.matmul(row, other, transpose_b=True) for other in some[: i + 1]] for i, row in enumerate(some)]
    blocks = [[lower[i][j] if j <= i else tf.transpose(lower[j][i]) for j in range(parts)] for i in range(parts)]
    return tf.concat([tf.concat(row, 1) for row in blocks], 0)


def _inputs(left: tuple[tf.Tensor, tf.Tensor], right: tuple[tf.Tensor, tf.Tensor], trace: bool) -> tf.Tensor:
    a1, g1 = _only_position(*left, trace)
    a2, g2 = (a1, g1) if left is right else _only_position(*right, trace)
    if trace:
        return product(a1, a2) * product(g1, g2)
    aa, gg = product(a1, a2), products_of_rows(g1, g2, trace)
    # Broadcast along one axis only, which is faster than along two.
    _, o, m, q = gg.shape
    return reshape(tf.repeat(aa, q, axis=1)[:, None] * reshape(gg, [-1, o, m * q]), [-1, o, m, q])


def _only_position(a: tf.Tensor, g: tf.Tensor, trace: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Return A: [N, a] and G: [N, O, b], or [N, O·b] for the trace, of a product with one position."""
    _, o, _, _, b = g.shape
    return reshape(a, [-1, a.shape[3]]), reshape(g, [-1, o * b] if trace else [-1, o, b])


def _gradients(left: tuple[tf.Tensor, tf.Tensor], right: tuple[tf.Tensor, tf.Tensor], trace: bool) -> tf.Tensor:
    first = _sample_gradients(*left)
    return products_of_rows(first, first if left is right else _sample_gradients(*right), trace)


def _sample_gradients(a: tf.Tensor, g: tf.Tensor) -> tf.Tensor:
    """Return Σ_t A_t ⊗ G_t of every sample and output unit: [N, O, g·a·b], or g·b·a if b is not larger."""
    _, o, groups, t, b = g.shape
    if a.shape[3] == b == 1:
        return tf.reduce_sum(a[:, None, :, :, 0] * g[..., 0], 3)
    g, a = (reshape(g, [-1, groups, t, b]), a) if o == 1 else (g, a[:, None])
    # TensorFlow's products are up to twice as fast if the longer side comes last.
    short, long = (a, g) if a.shape[-1] < b else (g, a)
    of_samples = tf.matmul(short, long, transpose_a=True)
    return reshape(of_samples, [-1, o, groups * a.shape[-1] * b])


def _positions(
    left: tuple[tf.Tensor, tf.Tensor], right: tuple[tf.Tensor, tf.Tensor], trace: bool, at_once: int
) -> tf.Tensor:
    a1, g1 = _by_groups(*left)
    a2, g2 = (a1, g1) if left is right else _by_groups(*right)
    (groups, rows, o, b), q = g1.shape, g2.shape[2]
    t, s = left[0].shape[2], right[0].shape[2]
    m = a2.shape[1] // s
    g2 = reshape(g2, [groups, -1, q * b] if trace else [groups, m * s * q, b])
    if trace and at_once >= rows:
        products = _gram(a1, a2) * _gram(reshape(g1, [groups, -1, o * b]), g2)
        return tf.reduce_sum(reshape(products, [groups, -1, t, m, s]), [0, 2, 4])

    def some(a: tf.Tensor, g: tf.Tensor) -> tf.Tensor:
        """Return the products of some rows with all positions on the right, summed over each sample's positions."""
        aa = _gram(a, a2)
        if trace:
            gg = _gram(reshape(g, [groups, -1, o * b]), g2)
            return tf.reduce_sum(reshape(aa * gg, [groups, -1, m, s]), [0, 3])
        gg = reshape(_gram(reshape(g, [groups, -1, b]), g2), [groups, -1, o, m, s, q])
        return tf.reduce_sum(reshape(aa, [groups, -1, 1, m, s, 1]) * gg, [0, 4])

    if at_once >= rows:
        found = some(a1, g1)
    else:
        parts = -(-rows // at_once)
        at_once = -(-rows // parts)
        missing = parts * at_once - rows
        a1, g1 = tf.pad(a1, [[0, 0], [0, missing], [0, 0]]), tf.pad(g1, [[0, 0], [0, missing], [0, 0], [0, 0]])

        def part(i: tf.Tensor) -> tf.Tensor:
            return some(a1[:, i * at_once : (i + 1) * at_once], g1[:, i * at_once : (i + 1) * at_once])

        shape = [at_once, m] if trace else [at_once, o, m, q]
        found = tf.map_fn(
            part, tf.range(parts), parallel_iterations=1, fn_output_signature=tf.TensorSpec(shape, a1.dtype)
        )
        found = reshape(found, [parts * at_once, *shape[1:]])[:rows]
    return tf.reduce_sum(reshape(found, [-1, t, *found.shape[1:]]), 1)


def _gram(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Return left·rightᵀ for rows [g, n, size] and [g, m, size]: [g, n, m], or [n, m] for a single group."""
    if left.shape[0] == 1:
        left, right = (reshape(each, [-1, each.shape[2]]) for each in (left, right))
    return tf.matmul(left, right, transpose_b=True)


def _by_groups(a: tf.Tensor, g: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return A as [g, N·T, a] and G as [g, N·T, O, b]."""
    _, o, groups, t, b = g.shape
    if groups > 1:
        a = tf.transpose(a, [1, 0, 2, 3])
    g = reshape(g, [-1, groups, t, o, b]) if o == 1 else tf.transpose(g, [0, 2, 3, 1, 4])
    if groups > 1:
        g = tf.transpose(g, [1, 0, 2, 3, 4])
    return reshape(a, [groups, -1, a.shape[3]]), reshape(g, [groups, -1, o, b])

"""Per-sample Hessians of one output, restricted to the small space on which they are non-zero.

For one input ∂f/∂W_l = Σ_t A_l[t] ⊗ G_l[t], so for any tangent V, (H V)_l = Σ_t dA_l[t] ⊗ G_l[t] + A_l[t] ⊗ dG_l[t]. H
therefore maps into the space of V_l = P_lᵀ·Q_G + Q_Aᵀ·Q_l, where the rows of Q_A: [r, a] and Q_G: [r, b] are
orthonormal bases of the rows of A and G, and H is zero on the complement (rank fact: Singh, Bachmann, Hofmann 2021,
arXiv 2106.16225). With P ⟂ Q_A the coordinates (P, Q) are orthonormal too, so Lanczos runs on plain vectors of Σ_l
T(a+b) numbers per sample, for all samples at once, as ordinary matrix products. A component of P along Q_A is ignored,
so the operator is symmetric on all vectors in spite of rounding.

The derivatives are taken by double backward differentiation. With C_l added to the cotangents of the rows A_l (at C =
0), G becomes a function of C and of the taps on z; the derivative of Σ_l ⟨G_l, A_l V_l⟩ with respect to C is dA, and
with respect to the taps it is dG. No forward accumulator is needed, so loops, gathers and grouped convolutions are
differentiated correctly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import astuple, frozen

from ..model import Network, vectorises
from ..ops import Hoisted, Saved, reshape
from ..rules.rule import Product, summed
from ..structure import Structure, Tapped, made, numbers, run_tapped

WORTH_NARROWING = 2.5e8  # operations of the narrowed product on a CPU; tracing it takes a quarter of a second
WORTH_XLA = 5e8  # operations of one product; compiling takes half a second, and a norm about thirty products
FEW_POSITIONS = 32  # with more, the time goes into matrix products, which are no faster with XLA

Constants = tuple[tf.Tensor, ...]  # of one product: A and G, or with factored coordinates Q_A, A·Q_Aᵀ, Q_G and G·Q_Gᵀ


@frozen
class Block:
    """Coordinates of one product: V: [g, a, b] if that is not larger, otherwise (P: [g, T, a], Q: [g, T, b])."""

    groups: int
    t: int
    a: int
    b: int

    @property
    def full(self) -> bool:
        """Whether the coordinates are a full matrix V, because two factors P and Q would be larger."""
        return self.a * self.b <= self.t * (self.a + self.b)

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return self.groups * (self.a * self.b if self.full else self.t * (self.a + self.b))

    def unpack(self, part: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Return coordinates [B, size] as (V,) or (P, Q)."""
        if self.full:
            return (reshape(part, [-1, self.groups, self.a, self.b]),)
        p, q = tf.split(part, [self.groups * self.t * self.a, self.groups * self.t * self.b], axis=1)
        return reshape(p, [-1, self.groups, self.t, self.a]), reshape(q, [-1, self.groups, self.t, self.b])

    def pack(self, *coordinates: tf.Tensor) -> tf.Tensor:
        """Return (V,) or (P, Q) as coordinates [B, size]."""
        flat = [reshape(c, [-1, self.groups * c.shape[2] * c.shape[3]]) for c in coordinates]
        return flat[0] if len(flat) == 1 else tf.concat(flat, 1)


class FactoredHessian:
    """Per-sample Hessians of a network's scalar output at the current weights and inputs x: [B, ...].

    Requires a complete structure.

    Attributes:
        copies: Number of vectors per sample that are multiplied at once.
        size: Number D of coordinates of one vector.
        xla: Whether the product is compiled with XLA.
    """

    def __init__(self, net: Network, structure: Structure, x: tf.Tensor, copies: int = 1):
        self.net, self.copies = net, copies
        self._structure, self._samples = structure, x
        self.x = tf.repeat(x, copies, axis=0) if copies > 1 else x
        self.dtype = net.dtype
        self._operator = factored_product(net, structure, x, copies)
        self.products, self.blocks = self._operator.products, self._operator.blocks
        self.size, self.xla = self._operator.size, self._operator.xla
        self._carried, self.constants = self._operator.hoisted.once(self.x)

    def matvec(self, v: tf.Tensor) -> tf.Tensor:
        """Return H_n·v_n for each sample and copy: [B, copies, D] -> [B, copies, D]."""
        return self._operator.hoisted.each(self._carried, v)

    def narrowed(self, samples: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor] | None:
        """Return the product with the Hessians of some samples only, or None if it is not worth a trace of its own.

        It is None, too, if the coordinates depend on rounding, as those of a basis of several rows do.
        """
        flops = self._operator.flops * len(samples) / len(self._samples)
        if (
            flops < WORTH_NARROWING
            or "CPU:" not in self.x.device
            or not all(block.full or block.t == 1 for block in self.blocks)
        ):
            return None
        return FactoredHessian(self.net, self._structure, tf.gather(self._samples, samples), self.copies).matvec

    def start(self, rng: np.random.Generator) -> tf.Tensor:
        """Draw random coordinates [B, copies, D]."""
        return tf.constant(rng.standard_normal((len(self.x) // self.copies, self.copies, self.size)), self.dtype)

    def flat(self, v: tf.Tensor) -> tf.Tensor:
        """Return coordinates of the first B samples as tangents of the trainable weights: [B, D] -> [B, P]."""
        return self._operator.flat(self._of_first(len(v)), v)

    def _of_first(self, count: int) -> list[Constants]:
        """Return the constants of one copy of the first `count` samples."""
        return tf.nest.map_structure(lambda c: c[: count * self.copies : self.copies], self.constants)


def factored_product(net: Network, structure: Structure, x: tf.Tensor, copies: int = 1) -> FactoredProduct:
    """Return the compiled product for `copies` vectors per input in x: [N, ...], without computing anything yet."""
    spec = tf.TensorSpec([copies * len(x), *x.shape[1:]], x.dtype)
    key = ("factored", structure, spec.shape, spec.dtype, copies)
    saved = net.saved_at(("factored", spec.shape, spec.dtype, copies), structure.described(net))
    return net.cached(key, lambda: FactoredProduct(net, structure, spec, copies, saved))


class FactoredProduct:
    """Compiled product with the Hessian for inputs of one shape and dtype.

    Args:
        net: The network.
        structure: Its structure, complete.
        spec: Spec of the inputs [B·copies, ...], where the copies of one follow each other.
        copies: Number of vectors per input.
        saved: Where the compiled product is saved; None for nowhere.

    Attributes:
        hoisted: x -> (carried, constants), and (carried, v: [B, copies, D]) -> H·v: [B, copies, D].
        products: The products that the model uses.
        blocks: The coordinates of each.
        size: Number D of coordinates.
        flops: Number of arithmetic operations of one product.
        operations: Number of operations in its graph.
        kept: Number of entries of the tensors that `hoisted.once` returns.
        made: Number of entries that `hoisted.each` allocates.
        xla: Whether the product is compiled with XLA.
    """

    def __init__(
        self, net: Network, structure: Structure, spec: tf.TensorSpec, copies: int = 1, saved: Saved | None = None
    ):
        self.net = net
        used: list[Product] = []
        blocks: list[Block] = []

        def product(x: tf.Tensor, v: tf.Tensor) -> tuple[tf.Tensor, list[Constants]]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                layers, a, g, probes, taps = tapped_factors(net, structure, x, [tape])
            used[:] = [tapped.product for tapped in layers]
            blocks[:] = [_block(*each) for each in zip(a, g, strict=True)]
            constants = [_constants(*each) for each in zip(a, g, strict=True)]
            columns = [_columns(*each) for each in zip(blocks, constants, strict=True)]
            sizes = [block.size for block in blocks]
            parts = tf.split(tf.reshape(v, [-1, sum(sizes)]), sizes, axis=1)
            moved = [along(*each) for each in zip(blocks, constants, parts, columns, strict=True)]
            cotangents = [az for az, _ in moved] + [gv for _, gv in moved]
            da, found = tape.gradient([*g, *a], [probes, taps], cotangents, tf.UnconnectedGradients.ZERO)
            dg = by_layer(layers, found)
            packed = [_packed(*each) for each in zip(blocks, constants, columns, da, dg, strict=True)]
            return tf.reshape(tf.concat(packed, 1), [-1, copies, sum(sizes)]), constants

        v = tf.TensorSpec([spec.shape[0] // copies, copies, None], net.dtype)
        self.hoisted = Hoisted(product, spec, v, saved)
        of_rules = [product for rule in structure.rules for product in rule.products]
        cut = self.hoisted.cut
        if cut is not None:
            places = [next(i for i, each in enumerate(of_rules) if each is mine) for mine in used]
            sizes = [len(cut.work) + len(cut.kept), numbers(cut.kept), made(cut.work)]
            self.hoisted.about = places, [astuple(block) for block in blocks], sizes
        places, of_blocks, sizes = self.hoisted.about
        self.products = [of_rules[place] for place in places]
        self.blocks = [Block(*block) for block in of_blocks]
        self.operations, self.kept, self.made = sizes
        self.size = sum(block.size for block in self.blocks)
        # One forward and one backward pass of tangents.
        self.flops = 4 * spec.shape[0] * sum(block.t * block.groups * block.a * block.b for block in self.blocks)
        few = max((block.t for block in self.blocks), default=0) <= FEW_POSITIONS
        self.xla = self.hoisted.xla = self.flops >= WORTH_XLA and few and vectorises(net.model)

    def coordinates(self, constants: list[Constants], tangents: tf.Tensor) -> tf.Tensor:
        """Project tangents of the trainable weights onto the space: [B, P] -> coordinates [B, D]."""
        tensors = tf.split(tangents, self.net.sizes, axis=1)
        of = {
            id(variable): reshape(tensor, [-1, *shape])
            for variable, tensor, shape in zip(self.net.variables, tensors, self.net.shapes, strict=True)
        }
        parts = []
        for product, block, known in zip(self.products, self.blocks, constants, strict=True):
            tangent = product.read(lambda variable: of[id(variable.value)])
            if block.full:
                parts.append(block.pack(tangent))
            else:
                q_a, _, q_g, _ = known
                p = tf.matmul(q_g, tangent, transpose_b=True)
                parts.append(block.pack(without(q_a, p), tf.matmul(q_a, tangent)))
        return tf.concat(parts, 1)

    def transferred(self, constants: list[Constants], v: tf.Tensor, others: list[Constants]) -> tf.Tensor:
        """Project the tangents with coordinates v: [B, D] onto the space that belongs to other constants: [B, D]."""
        parts = []
        split = tf.split(v, [block.size for block in self.blocks], axis=1)
        for block, known, part, other in zip(self.blocks, constants, split, others, strict=True):
            if block.full:
                parts.append(part)
            else:
                left, right = factors_of(block, known, part)
                q_a, _, q_g, _ = other
                p = combined(inner_products(q_g, right), left)
                parts.append(block.pack(without(q_a, p), combined(inner_products(q_a, left), right)))
        return tf.concat(parts, 1)

    def flat(self, constants: list[Constants], v: tf.Tensor) -> tf.Tensor:
        """Return coordinates as tangents of the trainable weights: [B, D] -> [B, P]."""
        tangents = zip(self.tangents(constants, v), self.net.sizes, strict=True)
        return tf.concat([reshape(tangent, [-1, size]) for tangent, size in tangents], 1)

    def tangents(self, constants: list[Constants], v: tf.Tensor) -> list[tf.Tensor]:
        """Return coordinates [B, D] as a tangent for each trainable variable: [B, *shape]."""
        parts = tf.split(v, [block.size for block in self.blocks], axis=1)
        written = []
        for product, block, known, part in zip(self.products, self.blocks, constants, parts, strict=True):
            tangent, *rest = block.unpack(part)
            if not block.full:
                q_a, _, q_g, _ = known
                tangent = tf.matmul(tangent, q_g, transpose_a=True) + tf.matmul(q_a, rest[0], transpose_a=True)
            written += product.write(tangent)
        return self.of_variables(written, tf.shape(v)[0])

    def of_variables(self, written: Iterable[tuple[Any, tf.Tensor]], count: Any) -> list[tf.Tensor]:
        """Return what products write for `count` vectors as a tangent for each trainable variable: [B, *shape]."""
        found = summed(written)
        for variable, shape in zip(self.net.variables, self.net.shapes, strict=True):
            if id(variable) not in found:
                found[id(variable)] = tf.zeros([count, *shape], self.net.dtype)
        return [found[id(variable)] for variable in self.net.variables]


def tapped_factors(
    net: Network, structure: Structure, x: tf.Tensor, tapes: Sequence[tf.GradientTape]
) -> tuple[list[Tapped], list[tf.Tensor], list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
    """Return the tapped products, A and G of each, the probes C and the taps, by which `tapes` differentiate A and G.

    The tapes must be recording. Gradients of the weights would be traced for nothing, so they must not watch them.
    """
    with tf.GradientTape(watch_accessed_variables=False) as inner:

        def watch(tap: tf.Tensor) -> None:
            for tape in (inner, *tapes):
                tape.watch(tap)

        outputs, layers = run_tapped(net, structure.rules, x, watch)
        chosen = net.chosen(outputs)
        a = [tapped.rows() for tapped in layers]
    probes = [tf.zeros_like(rows) for rows in a]
    for tape in tapes:
        tape.watch(probes)
    taps = [tap for tapped in layers for tap in tapped.taps]
    found = inner.gradient([chosen, *a], taps, [tf.ones_like(chosen), *probes], tf.UnconnectedGradients.ZERO)
    return layers, a, by_layer(layers, found), probes, taps


def by_layer(layers: list[Tapped], of_taps: list[tf.Tensor]) -> list[tf.Tensor]:
    """Return derivatives with respect to taps as one tensor for each product."""
    uses = iter(of_taps)
    return [tapped.joined([next(uses) for _ in tapped.taps]) for tapped in layers]


def _block(a: tf.Tensor, g: tf.Tensor) -> Block:
    return Block(int(a.shape[1]), int(a.shape[2]), int(a.shape[3]), int(g.shape[3]))


def _constants(a: tf.Tensor, g: tf.Tensor) -> Constants:
    if _block(a, g).full:
        return a, g
    q_a, q_g = _basis(a), _basis(g)
    return q_a, inner_products(a, q_a), q_g, inner_products(g, q_g)


def _basis(rows: tf.Tensor) -> tf.Tensor:
    """Return orthonormal rows that span the given ones: [B, g, T, d] -> [B, g, T, d]. A single zero row stays zero."""
    if rows.shape[2] == 1:
        return tf.math.divide_no_nan(rows, tf.norm(rows, axis=3, keepdims=True))
    return tf.linalg.matrix_transpose(tf.linalg.qr(tf.linalg.matrix_transpose(rows)).q)


def _columns(block: Block, constants: Constants) -> tf.Tensor | None:
    """Return Q_Aᵀ: [B, g, a, T], by which products are up to twice as fast as by Q_A transposed each time."""
    return None if block.full or block.t == 1 else tf.linalg.matrix_transpose(constants[0])


def along(
    block: Block, constants: Constants, part: tf.Tensor, columns: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return A·V: [B, g, T, b] and G·Vᵀ: [B, g, T, a] for the coordinates of one product, given Q_Aᵀ if it is known."""
    if block.full:
        a, g = constants
        (v,) = block.unpack(part)
        return tf.matmul(a, v), tf.matmul(g, v, transpose_b=True)
    q_a, a_q, q_g, g_q = constants
    p, q = block.unpack(part)
    p += combined(inner_products(q_g, q) - inner_products(p, q_a, columns), q_a)  # Q_G·Vᵀ
    return combined(a_q, q), combined(g_q, p)


def _packed(block: Block, constants: Constants, columns: tf.Tensor | None, da: tf.Tensor, dg: tf.Tensor) -> tf.Tensor:
    """Return the coordinates of Σ_t dA[t] ⊗ G[t] + A[t] ⊗ dG[t]: [B, size]."""
    if block.full:
        a, g = constants
        return block.pack(tf.matmul(da, g, transpose_a=True) + tf.matmul(a, dg, transpose_a=True))
    q_a, a_q, q_g, g_q = constants
    p = combined(g_q, da, transposed=True)
    q = combined(a_q, dg, transposed=True)
    inside = inner_products(p, q_a, columns)
    return block.pack(p - combined(inside, q_a), q + combined(inside, q_g, transposed=True))


def factors_of(block: Block, constants: Constants, part: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return L: [B, g, 2T, a] and R: [B, g, 2T, b] of the tangent V = Lᵀ·R with coordinates P and Q."""
    q_a, _, q_g, _ = constants
    p, q = block.unpack(part)
    return tf.concat([without(q_a, p), q_a], 2), tf.concat([q_g, q], 2)


def without(q: tf.Tensor, p: tf.Tensor) -> tf.Tensor:
    """Return the rows p minus their projections onto the span of the orthonormal rows q."""
    return p - combined(inner_products(p, q), q)


# With a single row, products of thin matrices are written as elementwise products and sums, which compilers fuse.


def inner_products(left: tf.Tensor, right: tf.Tensor, columns: tf.Tensor | None = None) -> tf.Tensor:
    """Return the inner products of rows: [B, g, s, d] × [B, g, r, d] -> [B, g, s, r], given rightᵀ if it is known."""
    if columns is not None:
        return tf.matmul(left, columns)
    if left.shape[2] == right.shape[2] == 1:
        return tf.reduce_sum(left * right, 3, keepdims=True)
    return tf.matmul(left, right, transpose_b=True)


def combined(weights: tf.Tensor, rows: tf.Tensor, transposed: bool = False) -> tf.Tensor:
    """Return combinations of rows: weights [B, g, s, r] (or [B, g, r, s] transposed) × [B, g, r, d] -> [B, g, s, d]."""
    if weights.shape[2] == weights.shape[3] == 1:
        return weights * rows
    return tf.matmul(weights, rows, transpose_a=transposed)

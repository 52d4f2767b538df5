"""The Jacobian of one output at fixed weights w0, as the factors of its layers: J(w0)·δ and J(w0)ᵀ·r without w0.

With rows A and cotangents G of every product at w0, ∂f(x_n)/∂W = Σ_t A[n,t] ⊗ G[n,t] (Novak et al. 2022, arXiv
2206.08720). Each product with the Jacobian then costs one matrix product per layer; differentiating the model at w0
takes five times as many.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from .model import Network
from .rules.rule import Product, summed
from .structure import factors, model_sizes, structure_of

LARGEST = 2**28  # bytes of the factors of all samples


class OriginJacobian:
    """J(w0) of one output unit at inputs x: [N, ...].

    Args:
        net: The network, with a complete structure.
        x: The inputs.
        origin: w0, [P].

    Attributes:
        value: f(w0; x): [N].
        products: The products that the model uses.
        pairs: Rows [N, g, T, a] and cotangents [N, g, T, b] of every product, in turns.
    """

    def __init__(self, net: Network, x: tf.Tensor, origin: tf.Tensor):
        rules, shape = structure_of(net, x).rules, tuple(x.shape[1:])
        used: list[Product] = net.cached(("products at the origin", shape), list)  # filled by the trace

        def at_origin(origin: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
            net.assign(origin)
            of_products = factors(net, rules, x)
            used[:] = [each.product for each in of_products]
            return net.scalar(x), [part for each in of_products for part in (each.a, each.g)]

        self.value, self.pairs = net.function(("factors at the origin", shape), lambda: at_origin)(origin, x)
        self.products = used

    @staticmethod
    def fits(net: Network, x: tf.Tensor) -> bool:
        """Return whether all trainable weights of a network belong to products with factors of moderate size."""
        structure = structure_of(net, x)
        if not structure.complete:
            return False
        sizes = model_sizes(net, structure.rules, x)
        return len(x) * (sizes.rows + sizes.cotangents) * net.dtype.size <= LARGEST


# For use inside compiled functions, which outlive the Jacobian of one seed and take its factors as arguments.


def along(
    net: Network, products: Sequence[Product], pairs: Sequence[tf.Tensor], tangents: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Return J(w0)·δ: [N], for δ as one tensor per variable."""
    of = {id(variable): tangent for variable, tangent in zip(net.variables, tangents, strict=True)}
    rises = []
    for product, a, g in zip(products, pairs[::2], pairs[1::2], strict=True):
        matrices = product.read(lambda variable: of[id(variable.value)])
        rises.append(tf.reduce_sum(_times(a, matrices) * g, [1, 2, 3]))
    return tf.add_n(rises)


def transposed(net: Network, products: Sequence[Product], pairs: Sequence[tf.Tensor], r: tf.Tensor) -> list[tf.Tensor]:
    """Return J(w0)ᵀ·r for r: [N], one tensor per variable."""
    weights = r[:, None, None, None]
    triples = zip(products, pairs[::2], pairs[1::2], strict=True)
    found = summed(part for product, a, g in triples for part in product.write(_outer(a, weights * g)))
    zeros = (tf.zeros(shape, r.dtype) for shape in net.shapes)
    return [found.get(id(variable), zero) for variable, zero in zip(net.variables, zeros, strict=True)]


def _times(a: tf.Tensor, matrices: tf.Tensor) -> tf.Tensor:
    """Return A·V: [N, g, T, a] × [g, a, b] -> [N, g, T, b]."""
    if a.shape[1] == 1:
        flat = tf.matmul(tf.reshape(a, [-1, a.shape[3]]), matrices[0])
        return tf.reshape(flat, [-1, 1, a.shape[2], matrices.shape[2]])
    return tf.einsum("ngta,gab->ngtb", a, matrices)


def _outer(a: tf.Tensor, g: tf.Tensor) -> tf.Tensor:
    """Return Σ_{n,t} A[n,t] ⊗ G[n,t]: [N, g, T, a] × [N, g, T, b] -> [g, a, b]."""
    if a.shape[1] == 1:
        rows, cotangents = (tf.reshape(each, [-1, each.shape[3]]) for each in (a, g))
        return tf.matmul(rows, cotangents, transpose_a=True)[None]
    return tf.einsum("ngta,ngtb->gab", a, g)

"""The Jacobian of one output at fixed weights w0, as the factors of its layers: J(w0)·δ and J(w0)ᵀ·r without w0.

With rows A and cotangents G of every product at w0, ∂f(x_n)/∂W = Σ_t A[n,t] ⊗ G[n,t] (Novak et al. 2022, arXiv
2206.08720). Each product with the Jacobian then costs one matrix product per layer; differentiating the model at w0
takes five times as many.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from .model import Network
from .rules.rule import Product
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
        pairs: Rows [N, g, T, a] and cotangents [N, g, T, b] of every product, in turns.
    """

    def __init__(self, net: Network, x: tf.Tensor, origin: tf.Tensor):
        self.net, self._shape = net, tuple(x.shape[1:])
        rules = structure_of(net, x).rules

        def at_origin(origin: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
            net.assign(origin)
            of_products = factors(net, rules, x)
            net.cached(self._key("products"), lambda: [each.product for each in of_products])
            return net.scalar(x), [part for each in of_products for part in (each.a, each.g)]

        self.value, self.pairs = net.function(self._key("factors"), lambda: at_origin)(origin, x)

    @staticmethod
    def fits(net: Network, x: tf.Tensor) -> bool:
        """Return whether all trainable weights of a network belong to products with factors of moderate size."""
        structure = structure_of(net, x)
        if not structure.complete:
            return False
        sizes = model_sizes(net, structure.rules, x)
        return len(x) * (sizes.rows + sizes.cotangents) * net.dtype.size <= LARGEST

    def along(self, pairs: Sequence[tf.Tensor], tangents: Sequence[tf.Tensor]) -> tf.Tensor:
        """Return J(w0)·δ: [N], for δ as one tensor per variable. For use inside compiled functions."""
        of = {id(variable): tangent for variable, tangent in zip(self.net.variables, tangents, strict=True)}
        rises = []
        for product, (a, g) in self._each(pairs):
            matrices = product.read(lambda variable: of[id(variable.value)])
            rises.append(tf.reduce_sum(_times(a, matrices) * g, [1, 2, 3]))
        return tf.add_n(rises)

    def transposed(self, pairs: Sequence[tf.Tensor], r: tf.Tensor) -> list[tf.Tensor]:
        """Return J(w0)ᵀ·r for r: [N], one tensor per variable. For use inside compiled functions."""
        found: dict[int, tf.Tensor] = {}
        for product, (a, g) in self._each(pairs):
            for variable, tangent in product.write(_outer(a, r[:, None, None, None] * g)):
                key = id(variable.value)
                found[key] = found[key] + tangent if key in found else tangent
        zeros = (tf.zeros(shape, r.dtype) for shape in self.net.shapes)
        return [found.get(id(variable), zero) for variable, zero in zip(self.net.variables, zeros, strict=True)]

    def _key(self, name: str) -> tuple[Any, ...]:
        return name, "at the origin", self._shape

    def _each(self, pairs: Sequence[tf.Tensor]) -> Any:
        products: list[Product] = self.net.cached(self._key("products"), list)
        return zip(products, zip(pairs[::2], pairs[1::2], strict=True), strict=True)


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

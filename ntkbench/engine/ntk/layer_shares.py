"""A tangent kernel as a sum over layers: from products where layer rules exist, from gradients elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import tensorflow as tf

from ..model import Network
from ..rules.native import native
from ..rules.rule import Product, Rule
from ..structure import factors_of_outputs, products_of_rows, share
from .jacobian import jacobians

Representation = Sequence[tf.Tensor]  # A and G of every product, followed by the gradients of each remaining variable


class Shares:
    """Contributions of the layers to a network's tangent kernel.

    Args:
        net: The network.
        rules: Rules of the layers whose weights enter through products.
        variables: The remaining trainable variables.
        layers: Requested kernels: name -> ids of the `tf.Variable`s of a layer; None for a single kernel of all
            weights.
        trace: Sum over output units, [N, M]; otherwise all pairs of units, [N, O, M, O].
    """

    def __init__(
        self,
        net: Network,
        rules: Sequence[Rule],
        variables: Sequence[tf.Variable],
        layers: dict[str, frozenset[int]] | None,
        trace: bool,
    ):
        self.net, self.variables, self.layers, self.trace = net, variables, layers, trace
        self.rules = [native(rule) for rule in rules]
        self.count = 1 if layers is None else len(layers)
        self._products: list[Product] = []

    def represent(self, x: tf.Tensor, units: tf.Tensor) -> list[tf.Tensor]:
        """Return the tensors from which the kernel of inputs [N, ...] and output units [O] is contracted."""
        found = factors_of_outputs(self.net, self.rules, x, units) if self.rules else []
        self._products = [factor.product for factor in found]
        factors = [tensor for factor in found for tensor in (factor.a, factor.g)]
        return factors + jacobians(self.net, self.variables, x, units)

    def contract(
        self, left: Representation, right: Representation, shape: Sequence[int], allowance: float = math.inf
    ) -> list[tf.Tensor]:
        """Return the kernels, one per requested layer.

        Args:
            left: Representation of x1.
            right: Representation of x2; the same object as `left` for x2 = x1.
            shape: Shape of each kernel.
            allowance: Bytes of working memory per product.
        """
        found: list[tf.Tensor | None] = [None] * self.count
        pairs = 2 * len(self._products)

        def add(variable: tf.Variable, make: Callable[[], tf.Tensor]) -> None:
            layer = self._layer(variable)
            before = found[layer]
            # Sequential, so that the working memory of one share is freed before the next one is computed.
            with tf.control_dependencies([] if before is None else [before]):
                found[layer] = make() if before is None else before + make()

        for i, product in enumerate(self._products):
            first, second = ((side[2 * i], side[2 * i + 1]) for side in (left, right))
            second = first if left is right else second
            add(product.trained[0].variable.value, partial(share, first, second, self.trace, allowance))
        for i, variable in enumerate(self.variables):
            rows = left[pairs + i], left[pairs + i] if left is right else right[pairs + i]
            add(variable, partial(products_of_rows, *rows, self.trace))
        return [tf.zeros(shape, self.net.dtype) if kernel is None else kernel for kernel in found]

    def _layer(self, variable: tf.Variable) -> int:
        if self.layers is None:
            return 0
        return next(i for i, mine in enumerate(self.layers.values()) if id(variable) in mine)

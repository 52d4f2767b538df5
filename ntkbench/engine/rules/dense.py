"""Rules of the dense layers of ntkbench and Keras."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from ..ops import reshape
from .rule import Apply, Product, Rule, View, entries, matrix, row, with_positions


def activated(layer: Any, z: tf.Tensor) -> tf.Tensor:
    """Apply the layer's activation to z."""
    return z if layer.activation is None else layer.activation(z)


def scales(layer: Any) -> tuple[float, float]:
    """Return the factors of a layer's kernel and bias; they are 1 for Keras's own layers."""
    return getattr(layer, "scale", 1.0), getattr(layer, "bias_scale", 1.0)


class Dense(Rule):
    """z = x·W + b on the last axis; all axes in between are positions."""

    def __init__(self, layer: Any):
        super().__init__(layer)
        bias = None if layer.bias is None else row(layer.bias)
        self.products = [Product(matrix(layer.kernel), bias, *scales(layer))]

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        z = apply(self.products[0], with_positions(x, 1, x.shape[-1]))
        return activated(self.layer, reshape(z, [-1, *x.shape[1:-1], z.shape[-1]]))


class BlockDense(Rule):
    """z = x·W + b on the last axis, block by block; every block is a group."""

    def __init__(self, layer: Any):
        super().__init__(layer)
        bias = None if layer.bias is None else row(layer.bias, layer.blocks)
        self.products = [Product(View(layer.kernel, tuple(layer.kernel.shape)), bias, *scales(layer))]

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        blocks, inputs, _ = self.layer.kernel.shape
        rows = with_positions(x, x.shape[-1])
        z = apply(self.products[0], reshape(rows, [-1, rows.shape[1], blocks, inputs]))
        return activated(self.layer, reshape(z, [-1, *x.shape[1:-1], self.layer.units]))


class WeightNormDense(Rule):
    """z = g·x·V/‖V‖ + b on the last axis.

    The norms are functions of V, which V enters as a product too: with the rows of the identity matrix, one more
    position for each input.
    """

    def __init__(self, layer: Any):
        super().__init__(layer)
        bias = None if layer.bias is None else row(layer.bias, layer.units)
        self.products = [
            Product(matrix(layer.kernel)),
            Product(entries(layer.gain), bias, 1.0, layer.bias_scale),
        ]

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        layer, inputs = self.layer, x.shape[-1]
        directions, gains = self.products
        rows = with_positions(x, inputs)
        identity = tf.eye(inputs, batch_shape=[tf.shape(rows)[0]], dtype=rows.dtype)
        both = apply(directions, tf.concat([rows, identity], axis=1))
        product, kernel = both[:, : rows.shape[1]], both[:, rows.shape[1] :]
        z = layer.normalised(product, kernel[:, None])
        z = apply(gains, z[..., None])
        return activated(layer, reshape(z, [-1, *x.shape[1:-1], layer.units]))

"""Rules of the dense layers of ntkbench and Keras."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from ..ops import reshape
from .rule import Apply, Product, Rule, View, matrix, row, with_positions


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
        z = apply(self.products[0], with_positions(x, x.shape[-1]))
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

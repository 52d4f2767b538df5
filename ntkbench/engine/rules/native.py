"""Convolution rules that compute z with TensorFlow's own convolution instead of explicit patches.

The standard rules compute z = patches·W, because the Hessian differentiates the patches. A tangent kernel only needs
the values of the patches: with z from TensorFlow's convolution, the cotangents of a residual network take a tenth of
the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from .conv import Conv, DepthwiseConv
from .rule import Apply, Product, Rule


def native(rule: Rule) -> Rule:
    """Return the rule, or an equivalent one that computes z with TensorFlow's convolution where that exists."""
    layer = rule.layer
    plain = type(rule) in (Conv, DepthwiseConv) and layer.padding in ("same", "valid")
    if not plain or set(getattr(layer, "dilation_rate", ()) or ()) - {1}:
        return rule
    if type(rule) is DepthwiseConv:
        whole = len(layer.kernel_size) == 2 and len(set(layer.strides)) == 1
        return _NativeConv(rule, _depthwise) if whole else rule
    return _NativeConv(rule, _convolution) if getattr(layer, "groups", 1) == 1 else rule


def _convolution(layer: Any, x: tf.Tensor) -> tf.Tensor:
    return tf.nn.convolution(x, layer.kernel.value, list(layer.strides), layer.padding.upper())


def _depthwise(layer: Any, x: tf.Tensor) -> tf.Tensor:
    return tf.nn.depthwise_conv2d(x, layer.kernel.value, [1, *layer.strides, 1], layer.padding.upper())


class _NativeConv(Rule):
    """A rule whose only product takes its z from an operation on the layer's input."""

    def __init__(self, rule: Rule, operation: Callable[[Any, tf.Tensor], tf.Tensor]):
        super().__init__(rule.layer)
        self.rule, self.operation = rule, operation
        self.product: Any = _NativeProduct(rule.products[0])
        self.products = rule.products

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> Any:
        def tapped(product: Product, rows: tf.Tensor) -> tf.Tensor:
            self.product.z = self.operation(self.layer, x)
            return apply(self.product, rows)

        return self.rule.call(tapped, x, *args, **kwargs)


class _NativeProduct:
    """A product with a different `apply`: z: [N, *space, g·b] is precomputed, without scale and bias."""

    def __init__(self, product: Product):
        self.product = product
        self.z: tf.Tensor | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.product, name)

    def apply(self, a: tf.Tensor, value: Callable[[Any], tf.Tensor] | None = None) -> tf.Tensor:
        """Return z: [N, T, g, b] for rows A: [N, T, g, a]."""
        z = self.product.scale * tf.reshape(self.z, [-1, a.shape[1], self.product.groups, self.product.columns])
        if self.product.bias is None:
            return z
        bias = tf.convert_to_tensor(self.product.bias.variable.value)
        return z + self.product.bias_scale * self.product.bias.read(bias)[:, 0]

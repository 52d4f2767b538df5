"""Rules of convolutions in one, two and three dimensions: plain, grouped, depthwise, separable and transposed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from ..ops import reshape
from .dense import activated, scales
from .rule import Apply, Product, Rule, View, matrix, row, with_positions
from .unfold import flipped_windows, unfold


class Conv(Rule):
    """z = patches·W; every output pixel is a position, and every group of channels is a group."""

    def __init__(self, layer: Any):
        super().__init__(layer)
        groups = getattr(layer, "groups", 1)
        *space, a, b = layer.kernel.shape
        bias = None if layer.bias is None else row(layer.bias, groups)
        self.products = [Product(_matrices(layer.kernel, space, groups, a, b // groups), bias, *scales(layer))]

    @classmethod
    def accepts(cls, layer: Any) -> bool:
        last = getattr(layer, "data_format", "channels_last") == "channels_last"
        return last and layer.padding in ("same", "valid", "causal")

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        return activated(self.layer, _convolved(self.layer, apply, self.products[0], x))


class DepthwiseConv(Conv):
    """z = patches·W; every channel is a group."""

    def __init__(self, layer: Any):
        Rule.__init__(self, layer)
        *space, channels, multiplier = layer.kernel.shape
        bias = None if layer.bias is None else row(layer.bias, channels)
        kernel = _matrices(layer.kernel, space, channels, 1, multiplier)
        self.products = [Product(kernel, bias, *scales(layer))]


class SeparableConv(Conv):
    """A depthwise product, followed by a pointwise product with one position per output pixel."""

    def __init__(self, layer: Any):
        Rule.__init__(self, layer)
        *space, channels, multiplier = layer.depthwise_kernel.shape
        bias = None if layer.bias is None else row(layer.bias)
        self.products = [
            Product(_matrices(layer.depthwise_kernel, space, channels, 1, multiplier)),
            Product(matrix(layer.pointwise_kernel), bias),
        ]

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        depthwise, pointwise = self.products
        h = _convolved(self.layer, apply, depthwise, x)
        z = apply(pointwise, with_positions(h, h.shape[-1]))
        return activated(self.layer, reshape(z, [-1, *h.shape[1:-1], z.shape[-1]]))


class ConvTranspose(Rule):
    """z = patches·W: a convolution of the zero-upsampled input with the flipped kernel."""

    def __init__(self, layer: Any):
        super().__init__(layer)
        *space, b, a = layer.kernel.shape
        n, taps = len(space), math.prod(space)
        kernel = View(layer.kernel, (1, taps * a, b), (), (*space, b, a), (*range(n), n + 1, n))
        self.products = [Product(kernel, None if layer.bias is None else row(layer.bias))]

    @classmethod
    def accepts(cls, layer: Any) -> bool:
        return layer.data_format == "channels_last" and layer.padding in ("same", "valid")

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        layer = self.layer
        out = layer.compute_output_shape(x.shape)[1:-1]
        patches = flipped_windows(x, layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding, out)
        *_, taps, channels = patches.shape
        z = apply(self.products[0], reshape(patches, [-1, math.prod(out), taps * channels]))
        return activated(layer, reshape(z, [-1, *out, z.shape[-1]]))


def _matrices(kernel: Any, space: Sequence[int], groups: int, a: int, b: int) -> View:
    """View a kernel [*space, a, g·b] (or [*space, g, b] for a = 1) as matrices [g, space·a, b]."""
    n = len(space)
    order = (n + 1, *range(n), n, n + 2)
    return View(kernel, (groups, math.prod(space) * a, b), (), (*space, a, groups, b), order)


def _convolved(layer: Any, apply: Apply, product: Product, x: tf.Tensor) -> tf.Tensor:
    """Convolve x with the groups of a product: [N, *space, c] -> [N, *space', g·b]."""
    groups = product.groups
    dilation = getattr(layer, "dilation_rate", (1,) * len(layer.kernel_size))
    patches = unfold(x, layer.kernel_size, layer.strides, dilation, layer.padding)
    *space, taps, channels = patches.shape[1:]
    rows = reshape(patches, [-1, math.prod(space), taps, groups, channels // groups])
    if groups > 1:
        rows = tf.transpose(rows, [0, 1, 3, 2, 4])
    z = apply(product, reshape(rows, [-1, math.prod(space), groups, taps * channels // groups]))
    return reshape(z, [-1, *space, groups * product.columns])

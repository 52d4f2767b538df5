"""Define the rules of layers that scale and shift entries: normalisation layers, in inference, gains, and PReLU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from ..ops import reshape
from .rule import Apply, Product, Rule, Untappable, entries, row


class Scaling(Rule):
    """Rule for z = γ·h + β, entry by entry.

    Every entry of γ is a group with a 1 × 1 matrix; the axes that γ does not have are positions.
    """

    def __init__(self, layer: Any):
        super().__init__(layer)
        gamma, beta = self.weights(layer)
        given = gamma if gamma is not None else beta
        kernel = None if gamma is None else entries(gamma)
        self.products = [Product(kernel, None if beta is None else row(beta, math.prod(given.shape)))]

    @classmethod
    def accepts(cls, layer: Any) -> bool:
        return any(weight is not None for weight in cls.weights(layer))

    @staticmethod
    def weights(layer: Any) -> tuple[Any, Any]:
        """Return (γ, β), with None for a weight that the layer does not have."""
        return layer.gamma, layer.beta

    def scaled(self, apply: Apply, h: tf.Tensor, axes: Sequence[int]) -> tf.Tensor:
        """Return γ·h + β, where the weights lie over the given axes of h in ascending order."""
        rank, product = len(h.shape), self.products[0]
        axes = sorted(axis % rank for axis in axes)
        if 0 in axes or not h.shape[1:].is_fully_defined():
            raise Untappable(self, "its weights lie along the batch axis or along axes of unknown size")
        if math.prod(h.shape[axis] for axis in axes) != product.groups:
            raise Untappable(self, "its weights are broadcast")
        order = [0, *(axis for axis in range(1, rank) if axis not in axes), *axes]
        there = tf.transpose(h, order) if order != list(range(rank)) else h
        z = apply(product, reshape(there, [-1, h.shape[1:].num_elements() // product.groups, product.groups, 1]))
        z = reshape(z, [-1, *there.shape[1:]]) + (there if product.kernel is None else 0)
        return tf.transpose(z, [order.index(axis) for axis in range(rank)]) if there is not h else z


def standardised(x: tf.Tensor, axes: Sequence[int], epsilon: float) -> tf.Tensor:
    """Return (x − mean) / √(variance + epsilon), with statistics over the given axes."""
    centred = x - tf.reduce_mean(x, axes, keepdims=True)
    return centred * tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axes, keepdims=True) + epsilon)


class LayerNormalization(Scaling):
    """Rule for Keras's LayerNormalization: statistics over the axes of the weights, per sample."""

    @classmethod
    def accepts(cls, layer: Any) -> bool:
        return super().accepts(layer) and not layer.rms_scaling and 0 not in layer.axis

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        x = tf.cast(x, self.layer.compute_dtype)  # as the layer's own call does
        return self.scaled(apply, standardised(x, self.layer.axis, self.layer.epsilon), self.layer.axis)


class AffineLayerNormalization(Scaling):
    """Rule for ntkbench's LayerNormalization with affine=True."""

    @classmethod
    def accepts(cls, layer: Any) -> bool:
        return layer.affine

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        return self.scaled(apply, standardised(x, [-1], self.layer.epsilon), [-1])


class AffineGroupNormalization(Scaling):
    """Rule for ntkbench's GroupNormalization with affine=True."""

    @classmethod
    def accepts(cls, layer: Any) -> bool:
        return layer.affine

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        return self.scaled(apply, self.layer.normalised(x), [-1])


class Gain(Scaling):
    """Rule for ntkbench's Gain: a gain per entry of the last axis, or one for all entries."""

    @staticmethod
    def weights(layer: Any) -> tuple[Any, Any]:
        return layer.gain, None

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        if not self.layer.shared:
            return self.scaled(apply, x, [-1])
        z = apply(self.products[0], reshape(x, [-1, x.shape[1:].num_elements(), 1, 1]))
        return reshape(z, [-1, *x.shape[1:]])


class RMSNormalization(Scaling):
    """Rule for Keras's RMSNormalization, whose scale is broadcast against the last axes."""

    @staticmethod
    def weights(layer: Any) -> tuple[Any, Any]:
        return layer.scale, None

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        scale, axes = self.layer.scale, self.layer.axis
        if x.shape[-len(scale.shape) :] != scale.shape:
            raise Untappable(self, "its scale does not match the last axes")
        h = keras.ops.rms_normalization(x, None, axis=axes, epsilon=self.layer.epsilon)
        return self.scaled(apply, h, range(-len(scale.shape), 0))


class GroupNormalization(Scaling):
    """Rule for Keras's GroupNormalization: statistics over channel groups and all positions, weights per channel."""

    @classmethod
    def accepts(cls, layer: Any) -> bool:
        return super().accepts(layer) and (layer.axis == -1 or layer.axis > 0)  # Keras groups other axes differently

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        layer, shape = self.layer, x.shape
        axis = layer.axis % len(shape)
        groups = layer.groups
        apart = reshape(x, [-1, *shape[1:axis], groups, shape[axis] // groups, *shape[axis + 1 :]])
        over = [i for i in range(1, len(apart.shape)) if i != axis]
        h = standardised(apart, over, layer.epsilon)
        return self.scaled(apply, reshape(h, [-1, *shape[1:]]), [axis])


class BatchNormalization(Scaling):
    """Rule for Keras's BatchNormalization in inference mode: statistics are constants."""

    @classmethod
    def accepts(cls, layer: Any) -> bool:
        return super().accepts(layer) and layer.axis != 0

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        layer = self.layer
        mean, variance = (tf.convert_to_tensor(v.value) for v in (layer.moving_mean, layer.moving_variance))
        h = keras.ops.batch_normalization(x, mean, variance, axis=layer.axis, epsilon=layer.epsilon)
        return self.scaled(apply, h, [layer.axis])


class PReLU(Scaling):
    """Rule for Keras's PReLU: x above 0 and α·x elsewhere, with one α for all entries along shared axes."""

    @staticmethod
    def weights(layer: Any) -> tuple[Any, Any]:
        return layer.alpha, None

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        shared = self.layer.shared_axes or []
        axes = [axis for axis in range(1, len(x.shape)) if axis not in shared]
        positive, zero = x > 0, tf.zeros_like(x)
        return tf.where(positive, x, zero) + self.scaled(apply, tf.where(positive, zero, x), axes)

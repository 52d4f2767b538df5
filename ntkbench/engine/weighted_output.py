"""First and second derivatives of a weighted sum of one output over the probes, as functions of flat weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from .gradient import dense_gradient
from .hvp import forward_safe
from .network import Network


class WeightedOutput:
    """F_c(w) = Σ_n c_n f(w; x_n) of one output unit at probes x: [N, ...], for weights w: [P] and c: [N].

    All methods leave the network at the weights they used last.
    """

    def __init__(self, net: Network, x: tf.Tensor):
        self.net, self.x = net, x

    def gradient(self, w: tf.Tensor, c: np.ndarray) -> tf.Tensor:
        """Return ∇F_c(w) = J(w)ᵀ·c: [P]."""
        return self.net.function("weighted gradient", self._build_gradient)(w, self.x, tf.cast(c, self.net.dtype))

    def gradient_and_product(self, w: tf.Tensor, c: np.ndarray, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return ∇F_c(w) and ∇²F_c(w)·v: [P] each, for v: [P]."""
        build = self._build_forward if forward_safe(self.net) else self._build_double
        return self.net.function("weighted product", build)(w, self.x, tf.cast(c, self.net.dtype), v)

    def _build_gradient(self) -> Any:
        net = self.net

        def gradient(w: tf.Tensor, x: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
            net.assign(w)
            with tf.GradientTape() as tape:
                f = net.scalar(x)
            return net.flatten(dense_gradient(tape, f, net.variables, c))

        return gradient

    def _build_forward(self) -> Any:
        net = self.net

        def forward_over_backward(w: tf.Tensor, x: tf.Tensor, c: tf.Tensor, v: tf.Tensor) -> Any:
            net.assign(w)
            with tf.autodiff.ForwardAccumulator(net.variables, net.unflatten(v)) as accumulator:
                with tf.GradientTape() as tape:
                    f = net.scalar(x)
                gradient = dense_gradient(tape, f, net.variables, c)
            zero = tf.UnconnectedGradients.ZERO
            product = [accumulator.jvp(g, unconnected_gradients=zero) for g in gradient]
            return net.flatten(gradient), net.flatten(product)

        return forward_over_backward

    def _build_double(self) -> Any:
        net = self.net

        def double_backward(w: tf.Tensor, x: tf.Tensor, c: tf.Tensor, v: tf.Tensor) -> Any:
            net.assign(w)
            with tf.GradientTape() as outer:
                with tf.GradientTape() as inner:
                    f = net.scalar(x)
                gradient = net.flatten(dense_gradient(inner, f, net.variables, c))
                along = tf.reduce_sum(gradient * v)
            return gradient, net.flatten(dense_gradient(outer, along, net.variables))

        return double_backward

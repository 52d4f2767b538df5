"""The linear model at the weights of now: f_lin(w0 + δ; x) = f(w0; x) + J(w0; x)·δ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import NtkbenchError
from .gradient import dense_gradient, jvp
from .network import Network, network


class Linearized:
    """The first-order Taylor expansion of a model in its trainable weights, around a copy of them taken now.

    call(x, delta): [N, ...] and one array for each trainable variable -> [N, O], all output units.
    """

    def __init__(self, net: Network):
        self.net = net
        self.origin = net.theta()

    def __call__(self, x: Any, delta: Sequence[Any]) -> np.ndarray:
        """Return f(w0; x) + J(w0; x)·δ: [N, O]. Source: Lee et al. 2019 (arXiv 1902.06720), eq. 5."""
        shapes = [tuple(np.shape(d)) for d in delta]
        if shapes != self.net.shapes:
            raise NtkbenchError(f"delta has shapes {shapes}; the trainable variables have {self.net.shapes}.")
        x = self.net.inputs(x)
        now = self.net.theta()
        self.net.assign(self.origin)
        try:
            at_origin = self.net.function("outputs", lambda: self.net.outputs)(x).numpy()
            return at_origin + jvp(self.net, x, self.net.flatten([tf.cast(d, self.net.dtype) for d in delta]))
        finally:
            self.net.assign(now)


def linearize(model: Any) -> Linearized:
    """Return the linear model around a copy of the model's weights of now.

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "exponential", use_bias=False)])
    >>> model.set_weights([np.array([[0.0]])])     # f = exp(w x) around w = 0: 1 + x δ
    >>> print(linearize(model)(np.array([[2.0]]), [np.array([[0.5]])]))
    [[2.]]
    """
    return Linearized(network(model))


class LinearModel:
    """f and its linear model at fixed probes, in flat weights, for one output unit: what the measurements use.

    x: [N, ...];  origin: w0 [P].  All methods take flat weights and leave the network at the weights they used last.
    """

    def __init__(self, net: Network, x: tf.Tensor, origin: tf.Tensor):
        self.net, self.x, self.origin = net, x, origin
        self.f0 = self.f(origin)

    def f(self, w: tf.Tensor) -> np.ndarray:
        """Return f(w; x): [N] float64."""
        net = self.net

        def build() -> Any:
            def f(w: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
                net.assign(w)
                return net.scalar(x)

            return f

        return np.asarray(net.function("f", build)(w, self.x), np.float64)

    def f_lin(self, delta: tf.Tensor) -> np.ndarray:
        """Return f(w0; x) + J(w0; x)·δ: [N] float64."""
        self.net.assign(self.origin)
        return self.f0 + jvp(self.net, self.x, delta)[:, self.net.output].astype(np.float64)

    def vjp(self, w: tf.Tensor, cotangent: np.ndarray) -> tf.Tensor:
        """Return J(w; x)ᵀ·c: [P]."""
        net = self.net

        def build() -> Any:
            def vjp(w: tf.Tensor, x: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
                net.assign(w)
                with tf.GradientTape() as tape:
                    target = tf.reduce_sum(net.scalar(x) * c)
                return net.flatten(dense_gradient(tape, target, net.variables))

            return vjp

        return net.function("vjp", build)(w, self.x, tf.constant(cotangent, net.dtype))

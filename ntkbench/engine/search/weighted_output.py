"""First and second derivatives of a weighted sum of one output over the probes, as functions of flat weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from ..autodiff import dense_gradient
from ..checks import require_right_derivatives
from ..model import Network
from .vectors import Vector


class WeightedOutput:
    """F_c(w) = Σ_n c_n f(w; x_n) of one output unit at probes x: [N, ...], for weights w: [P] and c: [N].

    All methods leave the network at the weights they used last.
    """

    def __init__(self, net: Network, x: tf.Tensor):
        require_right_derivatives(net, x, order=1)
        self.net, self.x = net, x
        self._checked = False  # second derivatives, once: a search evaluates them at many weights

    def gradient(self, w: Vector, c: np.ndarray) -> tf.Tensor:
        """Return ∇F_c(w) = J(w)ᵀ·c: [P]."""
        return self.net.function("weighted gradient", self._build_gradient, follows=())(w, self.x, self._cast(c))

    def change(self, w: Vector, c: np.ndarray, deviation: Vector, seed: np.ndarray, step: float) -> tf.Tensor:
        """Return ∇F_c(w' + u) − ∇F_c(w' − u): [P], where u has length `step` and the direction of ∇F_c(w').

        Args:
            w: Weights [P].
            c: Weights of the probes [N].
            deviation: Standard deviations [P] of the Gaussian displacement w' − w.
            seed: Two integers, from which the displacement follows.
            step: Length of u.
        """
        return self.net.function("weighted change", self._build_change, follows=())(
            w, self.x, self._cast(c), deviation, seed, self._cast(step)
        )

    def gradient_and_product(self, w: Vector, c: np.ndarray, v: Vector) -> tuple[tf.Tensor, tf.Tensor]:
        """Return ∇F_c(w) and ∇²F_c(w)·v: [P] each, for v: [P].

        Uses double backward differentiation, which is correct for every model.
        """
        if not self._checked:
            require_right_derivatives(self.net, self.x, order=2, mode="double_backward")
            self._checked = True
        return self.net.function("weighted product", self._build_product, follows=())(w, self.x, self._cast(c), v)

    def _cast(self, value: Any) -> np.ndarray:
        return np.asarray(value, self.net.dtype.as_numpy_dtype)

    def _build_gradient(self) -> Any:
        net = self.net

        def gradient(w: tf.Tensor, x: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
            net.assign(w)
            with tf.GradientTape() as tape:
                f = net.scalar(x)
            return net.flatten(dense_gradient(tape, f, net.variables, c))

        return gradient

    def _build_change(self) -> Any:
        gradient = self._build_gradient()

        def change(
            w: tf.Tensor, x: tf.Tensor, c: tf.Tensor, deviation: tf.Tensor, seed: tf.Tensor, step: tf.Tensor
        ) -> tf.Tensor:
            w += deviation * tf.random.stateless_normal(w.shape, seed, dtype=w.dtype)
            u = gradient(w, x, c)
            u *= step / tf.maximum(tf.norm(u), np.finfo(np.float32).tiny)
            return gradient(w + u, x, c) - gradient(w - u, x, c)

        return change

    def _build_product(self) -> Any:
        net = self.net

        def gradient_and_product(w: tf.Tensor, x: tf.Tensor, c: tf.Tensor, v: tf.Tensor) -> Any:
            net.assign(w)
            with tf.GradientTape() as outer:
                with tf.GradientTape() as inner:
                    f = net.scalar(x)
                gradient = dense_gradient(inner, f, net.variables, c)
            product = dense_gradient(outer, gradient, net.variables, net.unflatten(v))
            return net.flatten(gradient), net.flatten(product)

        return gradient_and_product

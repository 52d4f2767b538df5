"""The map w -> K(w) at fixed probes, and the gradient of its distance from a reference kernel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from ..autodiff import flat_hvp, gradients
from ..checks import require_right_derivatives
from ..model import Network
from ..ops import reshape
from ..structure import Factor, factors, share, structure_of


class KernelMap:
    """The tangent kernel of one output unit at probes x: [N, ...], as a function of flat weights w: [P].

    Args:
        net: The network.
        x: The probes.
        with_gradient: Whether the gradient will be computed too; the kernel is then compiled from the gradient's trace.
    """

    def __init__(self, net: Network, x: tf.Tensor, with_gradient: bool = False):
        require_right_derivatives(net, x, order=1)
        self.net, self.x, self.with_gradient = net, x, with_gradient
        self.structure = structure_of(net, x)
        self._checked = False  # second derivatives, once: a search evaluates them at many weights

    def kernel(self, w: tf.Tensor) -> np.ndarray:
        """Return K(w): [N, N] float64; the weights of the network are set to w."""
        if self.structure.complete:
            return np.asarray(self._kernel(w, self.x), np.float64)
        self.net.assign(w)
        j = gradients(self.net, self.x, [self.net.output])[:, 0].astype(np.float64)
        return j @ j.T

    def kernel_and_gradient(self, w: tf.Tensor, reference: np.ndarray) -> tuple[np.ndarray, tf.Tensor]:
        """Return K(w): [N, N] float64, and the gradient of ½‖K(w) − reference‖²_F: [P]."""
        if not self._checked:
            require_right_derivatives(self.net, self.x, order=2)
            self._checked = True
        if self.structure.complete:
            reference = np.asarray(reference, self.net.dtype.as_numpy_dtype)
            k, gradient = self._kernel_and_gradient(w, self.x, reference)
            return np.asarray(k, np.float64), gradient
        self.net.assign(w)
        j = gradients(self.net, self.x, [self.net.output])[:, 0]
        k = j.astype(np.float64) @ j.T.astype(np.float64)
        # ∂K_ij = ⟨∂J_i, J_j⟩ + ⟨J_i, ∂J_j⟩, so the gradient is 2 Σ_i H_i u_i with u = (K − reference)·J
        u = (k - reference).astype(j.dtype) @ j
        product = flat_hvp(self.net)
        return k, 2 * tf.add_n([product(self.x[i : i + 1], tf.constant(u[i])) for i in range(len(u))])

    @cached_property
    def _kernel(self) -> Any:
        reference = np.zeros([len(self.x)] * 2, self.net.dtype.as_numpy_dtype)
        first_of = (self._kernel_and_gradient, [reference]) if self.with_gradient else None
        return self._function("kernel", self._build_kernel, first_of)

    @cached_property
    def _kernel_and_gradient(self) -> Any:
        return self._function("kernel and gradient", self._build_gradient)

    def _function(self, key: str, build: Any, first_of: Any = None) -> Any:
        return self.net.function(key, build, follows=self.structure.described(self.net), first_of=first_of)

    def _build_kernel(self) -> Any:
        net, rules = self.net, self.structure.rules

        def kernel(w: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
            net.assign(w)
            layers = factors(net, rules, x)
            return _kernel(layers)

        return kernel

    def _build_gradient(self) -> Any:
        net, rules = self.net, self.structure.rules

        def kernel_and_gradient(w: tf.Tensor, x: tf.Tensor, reference: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            net.assign(w)
            with tf.GradientTape() as tape:
                layers = factors(net, rules, x)
                k = _kernel(layers)
            zero = tf.UnconnectedGradients.ZERO
            return k, net.flatten(tape.gradient(k, net.variables, k - reference, zero))

        return kernel_and_gradient


def _kernel(layers: Sequence[Factor]) -> tf.Tensor:
    """Return the kernel [N, N] from the factors of one output unit."""
    of_products = []
    for layer in layers:
        pair = layer.a, reshape(layer.g, [-1, 1, *layer.g.shape[1:]])
        of_products.append(share(pair, pair, trace=True))
    return tf.add_n(of_products)

"""Activations with their slopes and duals, divided so that their second moment at a standard normal is 1."""

from typing import Any, NamedTuple

import tensorflow as tf

from ntkbench.kernels.duals import dual_of
from ntkbench.kernels.duals.hermite import value_and_slope
from ntkbench.layers import activations


class Activation(NamedTuple):
    """The activation φ = scale · function.

    Attributes:
        function: An elementwise function.
        dual: Its dual, an `ntkbench.kernels.duals.dual.Dual`.
        scale: 1 / √E[function(z)²], z ~ N(0, 1).
    """

    function: Any
    dual: Any
    scale: float

    def value(self, u):
        """Return φ(u)."""
        return self.scale * self.function(u)

    def slope(self, u):
        """Return φ'(u)."""
        return self.scale * value_and_slope(self.function, u)[1]

    def moments(self, gram):
        """Return E[φ(u)φ(u')] and E[φ'(u)φ'(u')] of Gaussians with a covariance matrix: [N, N] → two [N, N]."""
        variances = tf.linalg.diag_part(gram)
        found = self.dual.moments(variances[:, None], variances[None, :], gram)
        return tuple(self.scale**2 * each for each in found)


def activation_of(name):
    """Return the activation with a name of `ntkbench.layers`; raise NtkbenchError if there is none."""
    function, dual = activations.get(name), dual_of(name)
    with tf.init_scope():  # a number, even while a function is traced
        second = float(dual.second(tf.constant(1.0, tf.float64)))
    return Activation(function, dual, second**-0.5)

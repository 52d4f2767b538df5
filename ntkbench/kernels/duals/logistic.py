"""Compute the duals of activations based on the logistic function (tanh, sigmoid, softplus, SiLU) at any input size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import evolve, frozen

from .dual import Dual, Pair
from .hermite import MAX_POWERS
from .smooth import Regularised

# Largest variance at which a Hermite expansion converges to rounding error: 1, the variance of inputs of norm √d, which
# rounding must not turn into a larger one.
WIDEST = 1.0 + 1e-6
STEP = 0.12  # step of the trapezoidal rule in log k, small enough for an error at the level of rounding
RANGE = (-2.2, 1.4)  # range of log k; outside it the density is below 1e-17
SERIES = 400  # terms of the density's series, more than enough for every k in the range


@frozen
class LogisticMixture(Dual):
    """Dual of φ(u) = Σ_i p_i s_i^{−power} ψ(s_i u), a mixture over scales s of an activation ψ with a closed-form dual.

    The logistic distribution is a scale mixture of normal distributions: 1/(1 + e^{−u}) = ∫ Φ(u/2k) dF(k), where F is
    the distribution of Kolmogorov's statistic. Each activation based on the logistic function is therefore the same
    mixture of an activation with a closed-form dual, for inputs of any size. A Hermite expansion does not converge for
    large inputs, where φ saturates.

    Attributes:
        part: The dual of ψ.
        near: The dual of φ by Hermite expansion, cheaper and used for variances up to WIDEST.
        power: 0, or 1 if ψ grows linearly.

    Source: Andrews, Mallows 1974, "Scale mixtures of normal distributions"; Stefanski 1991, "A normal scale mixture
    representation of the logistic distribution".
    """

    part: Dual
    near: Dual
    power: int = 0
    exact = False

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""
        wide = tf.maximum(tf.reduce_max(v1), tf.reduce_max(v2)) > WIDEST
        return tf.cond(wide, lambda: self._mixture(v1, v2, c), lambda: self.near.moments(v1, v2, c))

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        if self.part.mean(v) is None:
            return None
        scales, weights = (tf.constant(each, v.dtype) for each in _scales())
        mixed = tf.reduce_sum(weights * scales**-self.power * self.part.mean(scales**2 * v[..., None]), -1)
        return tf.where(v > WIDEST, mixed, self.near.mean(tf.minimum(v, WIDEST)))

    def refined(self) -> Dual:
        """Return the same dual with twice the accuracy at small variances."""
        return evolve(self, near=self.near.refined())

    def _mixture(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return both moments of the mixture; outside a graph, they and their derivatives are compiled sums over pairs.

        Differentiating the sum instead keeps the intermediate values of every pair: ten times the memory. Inside a
        graph it is done all the same, because TensorFlow cannot use this gradient, a loop, in a loop or a condition.
        """
        if not tf.executing_eagerly():
            return self._sum(v1, v2, c)
        sum_of, derivatives_of = _compiled(self)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def mixed(*given: tf.Tensor) -> Any:
            # TensorFlow would trace derivatives of the sum as well if its arguments were not constants.
            return sum_of(*map(tf.stop_gradient, given)), lambda *upstream: derivatives_of(*given, *upstream)

        value, slope = mixed(v1, v2, c)
        return value, slope

    def _sum(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return both moments."""
        zero = tf.zeros_like(v1 + v2 + c)
        value, slope = _over_pairs(self._of_pair, [zero, zero], v1, v2, c)
        return value, slope

    def _derivatives(self, *given: tf.Tensor) -> list[tf.Tensor]:
        """Return the derivatives in v1, v2 and c, given these and the derivatives in both moments."""

        def of_pair(s1: tf.Tensor, s2: tf.Tensor, weight: tf.Tensor, *given: tf.Tensor) -> list[tf.Tensor]:
            at = [tf.identity(each) for each in given[:3]]  # one tensor may be two of them
            with tf.GradientTape() as tape:
                tape.watch(at)
                found = self._of_pair(s1, s2, weight, *at)
            return tape.gradient(found, at, list(given[3:]), unconnected_gradients=tf.UnconnectedGradients.ZERO)

        return _over_pairs(of_pair, [tf.zeros_like(each) for each in given[:3]], *given)

    def _of_pair(self, s1: tf.Tensor, s2: tf.Tensor, weight: tf.Tensor, *given: tf.Tensor) -> Pair:
        """Return both moments of ψ(s1 u) and ψ(s2 u'), times the weight of the pair in the mixture."""
        value, slope = self.part.moments(s1**2 * given[0], s2**2 * given[1], s1 * s2 * given[2])
        weight *= (s1 * s2) ** -self.power
        return weight * value, weight * (s1 * s2) * slope


@cache
def _compiled(dual: LogisticMixture) -> tuple[Any, Any]:
    """Return the sums of a mixture as graphs for all kernels: operation by operation they would cost 30 times more."""
    return tuple(tf.function(f, autograph=False, reduce_retracing=True) for f in (dual._sum, dual._derivatives))


def _over_pairs(
    of_pair: Callable[..., Sequence[tf.Tensor]], zeros: Sequence[tf.Tensor], *given: tf.Tensor
) -> list[tf.Tensor]:
    """Return the sums of of_pair(s1, s2, weight, *given) over all pairs of scales, which have the shapes of `zeros`."""
    scales, weights = (tf.constant(each, zeros[0].dtype) for each in _scales())
    n = scales.shape[0]

    def of(k: Any, *given: tf.Tensor) -> Sequence[tf.Tensor]:
        i, j = k // n, k % n
        weight = tf.gather(weights, i) * tf.gather(weights, j)
        return of_pair(tf.gather(scales, i), tf.gather(scales, j), weight, *given)

    shapes = [each.shape for each in (*zeros, *given)]
    if all(shape.is_fully_defined() and shape.num_elements() * n * n <= MAX_POWERS for shape in shapes):
        return [tf.reduce_sum(each, -1) for each in of(np.arange(n * n), *(each[..., None] for each in given))]

    def add(k: tf.Tensor, *sums: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return k + 1, *(total + more for total, more in zip(sums, of(k, *given), strict=True))

    _, *sums = tf.while_loop(lambda k, *_: k < n * n, add, (0, *zeros), maximum_iterations=n * n)
    return sums


@frozen
class SmoothedRelu(Dual):
    """Dual of ψ(u) = u Φ(u) + Φ'(u) = E[relu(u + ε)] with ε ~ N(0, 1), that is, relu's dual at larger variances."""

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[ψ(u) ψ(u')] and E[ψ'(u) ψ'(u')]."""
        g = Regularised.of(v1, v2, c)
        both_positive = 0.25 + tf.atan2(g.sine, g.cosine) / (2 * math.pi)
        return c * both_positive + g.cosine / g.root / (2 * math.pi), both_positive

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[ψ(u)]."""
        return tf.sqrt((1 + v) / (2 * math.pi))


@cache
def _scales() -> tuple[np.ndarray, np.ndarray]:
    """Return scales s = 1/2k and their weights: the trapezoidal rule in log k for Kolmogorov's density."""
    k = np.exp(np.arange(RANGE[0], RANGE[1] + STEP / 2, STEP))
    j, odd = np.arange(1, SERIES)[:, None], 2 * np.arange(1, SERIES)[:, None] - 1
    large = 8 * np.sum((-1.0) ** (j + 1) * j**2 * k * np.exp(-2 * j**2 * k**2), 0)
    # For small k, use the other series of the same theta function.
    terms = np.exp(-((odd * np.pi / k) ** 2) / 8) * ((odd * np.pi) ** 2 / (4 * k**4) - 1 / k**2)
    small = np.sqrt(2 * np.pi) * np.sum(terms, 0)
    return 1 / (2 * k), np.where(k < 0.9, small, large) * k * STEP

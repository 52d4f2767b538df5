"""The dual of activations with one slope on each side of 0: relu, leaky relu, abs, the identity."""

from __future__ import annotations

import math

import tensorflow as tf
from attrs import frozen

from .dual import Dual, Pair, safe_sqrt


@frozen
class Piecewise(Dual):
    """φ(u) = negative · u for u < 0, positive · u otherwise.

    With φ = α u + β |u|: E[φφ'] = α² c + β² (2/π) (s + c ψ) and E[φ'φ'] = α² + β² (2/π) ψ, where s = √(v1 v2 − c²) and
    ψ = arctan(c / s). The mixed terms are odd.

    Source: Cho, Saul 2009, "Kernel methods for deep learning"; Tsuchida et al. 2018 (arXiv 1711.09090) for two slopes.
    """

    negative: float = 0.0
    positive: float = 1.0

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""
        straight, bent = self._weights()
        if not bent:
            return straight * c, straight * tf.ones_like(c)
        product = v1 * v2
        # Parallel inputs differ from |c|² = v1 v2 by rounding, of which a square root would make much more.
        s = safe_sqrt(product - c * c, PARALLEL * EPS[c.dtype] * product)
        angle = _angle(c, s)
        scale = bent * 2 / math.pi
        return straight * c + scale * (s + c * angle), straight + scale * angle

    def second(self, v: tf.Tensor) -> tf.Tensor:
        """Return E[φ(u)²]."""
        return (self.negative**2 + self.positive**2) / 2 * v

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        slope = (self.positive - self.negative) / 2
        return slope * math.sqrt(2 / math.pi) * safe_sqrt(v) if slope else None

    def _weights(self) -> tuple[float, float]:
        return ((self.positive + self.negative) / 2) ** 2, ((self.positive - self.negative) / 2) ** 2


EPS = {tf.float32: 2.0**-23, tf.float64: 2.0**-52}
PARALLEL = 32  # units of roundoff below which 1 − ρ² is rounding


def _angle(c: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
    """Return arctan(c / s) in [−π/2, π/2], 0 at c = s = 0, with gradient 0 at s = 0."""
    apart = s > 0
    parallel = tf.sign(c) * tf.constant(math.pi / 2, c.dtype)
    return tf.where(apart, tf.atan2(tf.where(apart, c, tf.ones_like(c)), tf.where(apart, s, tf.ones_like(s))), parallel)

"""Dual of activations with one slope on each side of 0: ReLU, leaky ReLU, the absolute value and the identity."""

from __future__ import annotations

import math

import tensorflow as tf
from attrs import frozen

from .dual import Dual, Pair, correlation, decorrelation, safe_sqrt


@frozen
class Piecewise(Dual):
    """Dual of φ(u) = negative · u for u < 0 and positive · u otherwise.

    With φ = α u + β |u|: E[φφ'] = α² c + β² (2/π) (√(v1 v2) cos ψ + c ψ) and E[φ'φ'] = α² + β² (2/π) ψ, where ψ is the
    arcsine of the correlation. The mixed terms are odd and vanish.

    Source: Cho, Saul 2009, "Kernel methods for deep learning"; Tsuchida et al. 2018 (arXiv 1711.09090) for two slopes.
    """

    negative: float = 0.0
    positive: float = 1.0
    homogeneous = True

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""
        linear, absolute = self._weights()
        if not absolute:
            return linear * c, linear * tf.ones_like(c)
        cosine = safe_sqrt(decorrelation(v1, v2, c))
        angle = _angle(correlation(v1, v2, c), cosine)
        scale = absolute * 2 / math.pi
        # Avoids the product of variances, which in float32 overflows for inputs of 1e10 and underflows for 1e-10.
        return linear * c + scale * (safe_sqrt(v1) * safe_sqrt(v2) * cosine + c * angle), linear + scale * angle

    def second(self, v: tf.Tensor) -> tf.Tensor:
        """Return E[φ(u)²]."""
        return (self.negative**2 + self.positive**2) / 2 * v

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        slope = (self.positive - self.negative) / 2
        return slope * math.sqrt(2 / math.pi) * safe_sqrt(v) if slope else None

    def _weights(self) -> tuple[float, float]:
        """Return α² and β² of φ = α u + β |u|."""
        return ((self.positive + self.negative) / 2) ** 2, ((self.positive - self.negative) / 2) ** 2


def _angle(sine: tf.Tensor, cosine: tf.Tensor) -> tf.Tensor:
    """Return the angle in [−π/2, π/2] with the given sine, with gradient 0 where the cosine is 0."""
    apart = cosine > 0
    angle = tf.atan2(tf.where(apart, sine, tf.ones_like(sine)), tf.where(apart, cosine, tf.ones_like(cosine)))
    return tf.where(apart, angle, tf.sign(sine) * tf.constant(math.pi / 2, sine.dtype))

"""Closed-form duals of smooth activations: erf, sinusoids, the Gaussian and GELU."""

from __future__ import annotations

import math

import tensorflow as tf
from attrs import frozen

from .dual import EPS, Dual, Pair, decorrelation

EQUAL_WITHIN = 8  # units of roundoff within which c and the mean of the variances are treated as equal


@frozen
class Erf(Dual):
    """Dual of φ(u) = a · erf(b u) + shift.

    Source: Williams 1997, "Computing with infinite networks", equation 11. The dual of the derivative is the derivative
    in c (Price's theorem).
    """

    a: float = 1.0
    b: float = 1.0
    shift: float = 0.0

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""
        twice = 2 * self.b**2
        g = Regularised.of(twice * v1, twice * v2, twice * c)
        scale = self.a**2 * 2 / math.pi
        return scale * tf.atan2(g.sine, g.cosine) + self.shift**2, twice * scale * g.root / g.cosine

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        return self.shift * tf.ones_like(v) if self.shift else None


@frozen
class Sinusoid(Dual):
    """Dual of φ(u) = a · sin(b u + phase); the cosine has phase π/2.

    E[φφ'] = a²/2 (e^A − cos(2 phase) e^B) with A = −b² E(u−u')²/2 and B = −b² E(u+u')²/2, from the product formula of
    sines. For small inputs A and B are nearly equal, so the difference is computed with expm1.
    """

    a: float = 1.0
    b: float = 1.0
    phase: float = 0.0

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""
        square = self.b**2
        middle = (v1 + v2) / 2
        size = tf.where(c >= 0, c, -c)
        nearer, farther = tf.exp(square * _not_above(size, middle)), tf.exp(-square * (size + middle))
        difference = tf.where(c >= 0, nearer, -nearer) * -tf.math.expm1(-2 * square * size)  # e^A − e^B
        second = tf.where(c >= 0, farther, nearer)  # e^B
        scale = self.a**2 / 2
        value = difference + 2 * math.sin(self.phase) ** 2 * second
        return scale * value, scale * square * (difference + 2 * math.cos(self.phase) ** 2 * second)

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        sine = math.sin(self.phase)
        return self.a * sine * tf.exp(-(self.b**2) * v / 2) if sine else None


@frozen
class Gaussian(Dual):
    """Dual of φ(u) = a · e^{−b u²}, b > 0: E[φφ'] = a² / √det(I + 2bΣ), where Σ is the covariance matrix."""

    a: float = 1.0
    b: float = 1.0

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""
        twice = 2 * self.b
        g = Regularised.of(twice * v1, twice * v2, twice * c)
        value = self.a**2 * g.root / g.cosine
        return value, twice * value * g.sine * g.root / g.cosine**2

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        return self.a * tf.math.rsqrt(1 + 2 * self.b * v)


@frozen
class Gelu(Dual):
    """Dual of φ(u) = u Φ(u), where Φ is the standard normal distribution function.

    Source: Tsuchida et al. 2021 (arXiv 2002.08517); derived here from Stein's lemma and the derivative in c.
    """

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""
        g = Regularised.of(v1, v2, c)
        both_positive = tf.atan2(g.cosine, -g.sine) / (2 * math.pi)
        density = 1 / (2 * math.pi * g.cosine)
        total, product = g.p1 + g.p2, g.p1 * g.p2
        bracket = (v1 * tf.sqrt(g.p1)) * (v2 * tf.sqrt(g.p2)) * g.decorrelated + c * g.sine * total
        slope = g.sine * density * (total + product / g.cosine**2)
        return c * both_positive + density * bracket, both_positive + slope

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        return v * tf.math.rsqrt(2 * math.pi * (1 + v))


@frozen
class Regularised:
    """The covariance matrix I + Σ of u and u' with added noise of variance 1 each.

    Its determinant is (cosine / root)². The cosine is computed as a sum of positive terms: the determinant itself
    overflows or underflows, and cancels completely for large parallel inputs.

    Attributes:
        p1: 1 / (1 + v1).
        p2: 1 / (1 + v2).
        root: √(p1 p2).
        sine: Correlation of I + Σ.
        cosine: √(1 − sine²).
        decorrelated: 1 − ρ² for the correlation ρ of u and u' themselves.
    """

    p1: tf.Tensor
    p2: tf.Tensor
    root: tf.Tensor
    sine: tf.Tensor
    cosine: tf.Tensor
    decorrelated: tf.Tensor

    @classmethod
    def of(cls, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Regularised:
        """Return the matrix for variances v1 and v2 and covariance c of u and u'."""
        p1, p2 = 1 / (1 + v1), 1 / (1 + v2)
        root, decorrelated = tf.sqrt(p1) * tf.sqrt(p2), decorrelation(v1, v2, c)
        cosine = tf.sqrt(p1 + p2 - p1 * p2 + (v1 * p1) * (v2 * p2) * decorrelated)
        return cls(p1, p2, root, c * root, cosine, decorrelated)


def _not_above(c: tf.Tensor, middle: tf.Tensor) -> tf.Tensor:
    """Return c − middle (at most 0), set to 0 where it is pure rounding. Gradients are those of c − middle."""
    found = c - middle
    kept = tf.where(found < -EQUAL_WITHIN * EPS[c.dtype] * middle, found, tf.zeros_like(found))
    return found + tf.stop_gradient(kept - found)

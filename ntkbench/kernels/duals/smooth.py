"""The duals in closed form of smooth activations: erf, sinusoids, the Gaussian, GELU."""

from __future__ import annotations

import math

import tensorflow as tf
from attrs import frozen

from .dual import Dual, Pair


@frozen
class Erf(Dual):
    """φ(u) = a · erf(b u) + shift.

    Source: Williams 1997, "Computing with infinite networks", equation 11; the derivative's dual follows by Price's
    theorem: it is the derivative in c.
    """

    a: float = 1.0
    b: float = 1.0
    shift: float = 0.0

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""
        square = self.b**2
        x = 2 * square * c
        root = tf.sqrt((1 + 2 * square * v1) * (1 + 2 * square * v2) - x * x)
        scale = self.a**2 * 2 / math.pi
        return scale * tf.atan2(x, root) + self.shift**2, 2 * square * scale / root

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        return self.shift * tf.ones_like(v) if self.shift else None


@frozen
class Sinusoid(Dual):
    """φ(u) = a · sin(b u + phase); the cosine has phase π/2.

    E[φφ'] = a²/2 (e^{−b² E(u−u')²/2} − cos(2 phase) e^{−b² E(u+u')²/2}), from the product formula of sines.
    """

    a: float = 1.0
    b: float = 1.0
    phase: float = 0.0

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""
        square = self.b**2
        middle = (v1 + v2) / 2
        difference, total = tf.exp(square * (c - middle)), math.cos(2 * self.phase) * tf.exp(-square * (c + middle))
        scale = self.a**2 / 2
        return scale * (difference - total), scale * square * (difference + total)

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        sine = math.sin(self.phase)
        return self.a * sine * tf.exp(-(self.b**2) * v / 2) if sine else None


@frozen
class Gaussian(Dual):
    """φ(u) = a · e^{−b u²}, b > 0: E[φφ'] = a² / √det(I + 2bΣ) of the covariance matrix Σ."""

    a: float = 1.0
    b: float = 1.0

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""
        x = 2 * self.b * c
        det = (1 + 2 * self.b * v1) * (1 + 2 * self.b * v2) - x * x
        value = self.a**2 * tf.math.rsqrt(det)
        return value, 2 * self.b * x * value / det

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        return self.a * tf.math.rsqrt(1 + 2 * self.b * v)


@frozen
class Gelu(Dual):
    """φ(u) = u Φ(u) with the normal distribution function Φ.

    Source: Tsuchida et al. 2021 (arXiv 2002.08517); here from Stein's lemma, and the derivative in c.
    """

    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""
        det = (1 + v1) * (1 + v2) - c * c
        root = tf.sqrt(det)
        both_positive = 0.25 + tf.atan2(c, root) / (2 * math.pi)
        density = 1 / (2 * math.pi * root)
        left = 1 - v1 / (1 + v1) - v2 / (1 + v2)
        bracket = v1 * v2 + c * c * left
        value = c * both_positive + density * bracket
        return value, both_positive + c * density * (1 + bracket / det + 2 * left)

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)]."""
        return v * tf.math.rsqrt(2 * math.pi * (1 + v))

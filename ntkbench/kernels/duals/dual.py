"""Base class of dual activations, and helpers that stay finite at the boundary."""

from __future__ import annotations

from abc import ABC, abstractmethod

import tensorflow as tf

Pair = tuple[tf.Tensor, tf.Tensor]

EPS = {tf.float32: 2.0**-23, tf.float64: 2.0**-52}
PARALLEL = 32  # units of roundoff below which 1 − ρ² is treated as 0


class Dual(ABC):
    """Moments of an activation φ of zero-mean Gaussians (u, u') with variances v1 and v2 and covariance c.

    Tensors broadcast against each other. Values, and gradients where they exist, are finite at c² = v1 v2 and at zero
    variances. Where a gradient does not exist (a cusp of the derivative's dual), it is 0.
    """

    exact = True
    """Whether the moments are exact up to rounding."""

    homogeneous = False
    """Whether φ(u) = u φ'(u)."""

    @abstractmethod
    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""

    def second(self, v: tf.Tensor) -> tf.Tensor:
        """Return E[φ(u)²]."""
        return self.moments(v, v, v)[0]

    @abstractmethod
    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)], or None if it is 0 for every variance."""

    def refined(self) -> Dual:
        """Return a more accurate version of this dual (twice as many terms); an exact dual returns itself."""
        return self


def safe_sqrt(x: tf.Tensor, floor: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Return √x, or 0 with gradient 0 where x does not exceed `floor`."""
    positive = x > floor
    return tf.where(positive, tf.sqrt(tf.where(positive, x, tf.ones_like(x))), tf.zeros_like(x))


def correlation(v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
    """Return ρ = c / √(v1 v2), or 0 where a variance is 0, evaluated without overflow or underflow."""
    inverse = [tf.where(v > 0, tf.math.rsqrt(tf.where(v > 0, v, tf.ones_like(v))), tf.zeros_like(v)) for v in (v1, v2)]
    return c * (inverse[0] * inverse[1])


def decorrelation(v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
    """Return 1 − ρ², set to 0 where it is pure rounding (parallel inputs). Gradients are those of 1 − ρ²."""
    rho = correlation(v1, v2, c)
    found = (1 - rho) * (1 + rho)
    kept = tf.where(found > PARALLEL * EPS[c.dtype], found, tf.zeros_like(found))
    return found + tf.stop_gradient(kept - found)

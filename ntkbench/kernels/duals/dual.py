"""What a dual activation is."""

from __future__ import annotations

from abc import ABC, abstractmethod

import tensorflow as tf

Pair = tuple[tf.Tensor, tf.Tensor]


class Dual(ABC):
    """The moments of an activation φ of Gaussians (u, u') of mean 0, variances v1 and v2, and covariance c.

    Tensors broadcast against each other. Values, and gradients where they exist, are finite at |c|² = v1 v2 and at
    variances of 0; where a gradient does not exist (a cusp of the derivative's dual), it is 0.
    """

    exact = True
    """Whether the formulas are exact up to rounding."""

    @abstractmethod
    def moments(self, v1: tf.Tensor, v2: tf.Tensor, c: tf.Tensor) -> Pair:
        """Return E[φ(u) φ(u')] and E[φ'(u) φ'(u')]."""

    def second(self, v: tf.Tensor) -> tf.Tensor:
        """Return E[φ(u)²]."""
        return self.moments(v, v, v)[0]

    @abstractmethod
    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return E[φ(u)], None where it is 0 for every variance."""

    def refined(self) -> Dual:
        """Return the same dual with twice the accuracy, itself where it is exact."""
        return self


def safe_sqrt(x: tf.Tensor, floor: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Return √x, and 0 with gradient 0 where x is not above `floor`."""
    positive = x > floor
    return tf.where(positive, tf.sqrt(tf.where(positive, x, tf.ones_like(x))), tf.zeros_like(x))

"""Optimizers as functions of flat weights: gradient descent with momentum, and Adam."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import tensorflow as tf
from attrs import frozen


class Optimizer(ABC):
    """An update rule of flat weights.

    Attributes:
        slots: Names of the vectors [P] that the rule keeps between steps.
    """

    slots: tuple[str, ...] = ()

    @abstractmethod
    def coefficients(self, step: int, rate: float) -> tuple[float, ...]:
        """Return the numbers that `update` needs at a step, counted from 0, with this learning rate."""

    @abstractmethod
    def update(
        self, w: tf.Tensor, slots: Sequence[tf.Tensor], gradient: tf.Tensor, coefficients: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        """Return the weights [P] and the slots after a step. For use inside a compiled function."""


@frozen
class GradientDescent(Optimizer):
    """w ← w − η ∇L."""

    def coefficients(self, step: int, rate: float) -> tuple[float, ...]:
        """Return η."""
        del step
        return (rate,)

    def update(
        self, w: tf.Tensor, slots: Sequence[tf.Tensor], gradient: tf.Tensor, coefficients: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        """Return the weights [P]."""
        del slots
        return w - coefficients[0] * gradient, ()


@frozen
class Momentum(Optimizer):
    """v ← μ v + ∇L, w ← w − η v. (Polyak 1964; η acts on the whole velocity, as in PyTorch.)"""

    momentum: float
    slots = ("velocity",)

    def coefficients(self, step: int, rate: float) -> tuple[float, ...]:
        """Return η and μ."""
        del step
        return rate, self.momentum

    def update(
        self, w: tf.Tensor, slots: Sequence[tf.Tensor], gradient: tf.Tensor, coefficients: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        """Return the weights [P] and the velocity [P]."""
        rate, momentum = coefficients
        velocity = momentum * slots[0] + gradient
        return w - rate * velocity, (velocity,)


@frozen
class Adam(Optimizer):
    """Adam with β₁ = 0.9, β₂ = 0.999 and ε = 10⁻⁸ (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1)."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    slots = ("first_moment", "second_moment")

    def coefficients(self, step: int, rate: float) -> tuple[float, ...]:
        """Return η and the corrections 1/(1 − βᵗ) of the moments at update t = step + 1."""
        return rate, 1 / (1 - self.beta1 ** (step + 1)), 1 / (1 - self.beta2 ** (step + 1))

    def update(
        self, w: tf.Tensor, slots: Sequence[tf.Tensor], gradient: tf.Tensor, coefficients: Sequence[tf.Tensor]
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        """Return the weights [P] and the moments [P]."""
        rate, first_correction, second_correction = coefficients
        first = self.beta1 * slots[0] + (1 - self.beta1) * gradient
        second = self.beta2 * slots[1] + (1 - self.beta2) * tf.square(gradient)
        step = first * first_correction / (tf.sqrt(second * second_correction) + self.epsilon)
        return w - rate * step, (first, second)


def optimizer_of(name: str, momentum: float) -> Optimizer:
    """Return the optimizer "sgd", with or without momentum, or "adam"."""
    if name == "adam":
        return Adam()
    return Momentum(momentum) if momentum else GradientDescent()

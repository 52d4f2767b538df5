"""Hessian norm of one sample over a ball of weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import frozen

from ..autodiff import dense_gradient, flat_hvp, second_derivative
from ..hessian import Eigenpair, curvature_gradient, factored_product, tied
from ..model import Network
from ..structure import Structure, structure_of
from .ascent import Maximum, ascend
from .vectors import Vector, vector

INNER_STEPS = 4  # Lanczos steps at a point of the ascent, started from the eigenvectors of the previous point
SECOND_WEIGHT = 0.1  # weight of the second eigenvector in that start, so that the two can change order
EVALUATIONS = (8, 5)  # evaluations from v0 and from −v0
SETTLED = 1e-4  # relative gain below which the ascents end early
RESTARTS = 15  # maximum number of Lanczos restarts at the best point


@frozen
class SampleCurvature:
    """Leading eigenpairs of ∇²f(w; x) for one input x: [1, ...], as a function of flat weights w: [P].

    Attributes:
        net: The network.
        x: The input.
        top: Leading eigenpair at the weights from which the search starts.
    """

    net: Network
    x: tf.Tensor
    top: Eigenpair

    def in_ball(self, origin: tf.Tensor, radius: float, tol: float) -> float:
        """Return the largest norm found within `radius` of `origin`, a lower bound of the supremum.

        `top` must be the eigenpair at `origin`. The search starts from ±v0, where v0 is the gradient of the norm at
        `origin`.
        """
        if self.top.value == 0.0:
            return 0.0
        structure = structure_of(self.net, self.x)
        at = _FactoredHessian(self.net, structure, self.x) if structure.complete else _FlatHessian(self.net, self.x)
        origin = vector(origin)
        first = at.start(origin, self.top.vector + SECOND_WEIGHT * self.top.second)
        _, v0, _ = at(origin, first)
        best, at_best = Maximum(abs(self.top.value), None), first
        for direction, evaluations in zip([v0, -v0], EVALUATIONS, strict=True):
            start, reached = first, 0.0

            def objective(v: Vector) -> tuple[float, Vector]:
                nonlocal start, reached
                value, gradient, following = at(origin + radius * v, start)
                if value > reached:
                    reached, start = value, following
                return value, gradient

            found = ascend(objective, direction, evaluations, SETTLED)
            if found.value > best.value:
                best, at_best = found, start
        if best.direction is None:
            return best.value
        start, value = at_best, 0.0
        for _ in range(RESTARTS):
            before = value
            value, _, start = at(origin + radius * best.direction, start)
            if value - before <= tol * value:
                break
        return max(best.value, value)


class _FactoredHessian:
    """The Hessian at x: [1, ...] in the coordinates of `FactoredProduct`, where a start is (constants, v: [1, D])."""

    def __init__(self, net: Network, structure: Structure, x: tf.Tensor):
        self.x = x
        self.product = product = factored_product(net, structure, x)
        self._assign = net.function("assign weights", lambda: net.assign, follows=())
        follows = structure.described(net)

        def compiled(name: str, build: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
            return net.function((name, x.shape), build, follows=follows)

        self._coordinates = compiled("coordinates", lambda: product.coordinates)
        self._transferred = compiled("transferred coordinates", lambda: product.transferred)
        self._gradient = compiled("curvature gradient", lambda: curvature_gradient(net, structure, product))

    def start(self, w: Vector, v: Vector) -> Any:
        """Return the start for a tangent v: [P] at the weights w: [P]."""
        self._assign(w)
        _, constants = self.product.hoisted.once(self.x)
        return constants, self._coordinates(constants, v[None])

    def __call__(self, w: Vector, start: Any) -> tuple[float, Vector, Any]:
        """Return |λ| at the weights w: [P], its gradient at fixed eigenvector [P], and the start for the next point."""
        self._assign(w)
        carried, constants = self.product.hoisted.once(self.x)

        def times(v: np.ndarray) -> np.ndarray:
            return np.asarray(self.product.hoisted.each(carried, tf.constant(v[None, None])))[0, 0]

        value, first, second = _leading(times, np.asarray(self._transferred(*start, constants))[0])
        gradient = vector(self._gradient(self.x, constants, first[None]))
        return abs(value), math.copysign(1, value) * gradient, (constants, (first + SECOND_WEIGHT * second)[None])


class _FlatHessian:
    """The Hessian at x: [1, ...] on vectors of all P weights, where a start is a tangent [P]; as `_FactoredHessian`."""

    def __init__(self, net: Network, x: tf.Tensor):
        self.net, self.x = net, x
        self._product = flat_hvp(net)
        self._gradient = net.function("curvature gradient", lambda: partial(_curvature_gradient, net))

    def start(self, w: Vector, v: Vector) -> Vector:
        """Return the start for a tangent v: [P]."""
        return v

    def __call__(self, w: Vector, start: Vector) -> tuple[float, Vector, Vector]:
        """Return |λ| at the weights w: [P], its gradient at fixed eigenvector [P], and the start for the next point."""
        self.net.assign(w)
        value, first, second = _leading(lambda v: np.asarray(self._product(self.x, v)), np.asarray(start))
        gradient = vector(self._gradient(self.x, first))
        return abs(value), math.copysign(1, value) * gradient, first + SECOND_WEIGHT * second


def _curvature_gradient(net: Network, x: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        curvature = second_derivative(net, x, net.unflatten(v))
    return net.flatten(dense_gradient(tape, curvature, net.variables))


def _leading(product: Callable[[np.ndarray], np.ndarray], start: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Run INNER_STEPS Lanczos steps from `start`: [D].

    Returns the Ritz value of largest magnitude, NaN if a product is not finite, its vector [D], and the vector of the
    second largest [D]. Both vectors are oriented along `start`.
    """
    rounding = 20 * np.finfo(start.dtype).eps
    basis = np.zeros((INNER_STEPS, len(start)), start.dtype)
    t = np.zeros((INNER_STEPS, INNER_STEPS))
    rest, norm = start, float(np.linalg.norm(start))
    for step in range(INNER_STEPS):
        if norm == 0:
            break
        basis[step] = rest / norm
        w = product(basis[step])
        known = basis[: step + 1]
        t[step, : step + 1] = along = known @ w
        rest = w - along @ known
        rest -= (known @ rest) @ known
        norm = float(np.linalg.norm(rest))
        if norm <= rounding * np.linalg.norm(w):
            break
    if not np.isfinite(t).all():
        return math.nan, basis[0], basis[1]
    values, vectors = np.linalg.eigh(t)  # reads the lower triangle only
    order = np.argsort(-np.abs(values), kind="stable")[:2]
    if tied(*values[order]):
        order = order[::-1]
    coefficients = vectors[:, order]
    coefficients = np.where(coefficients[:1] < 0, -coefficients, coefficients).astype(start.dtype)
    first, second = coefficients.T @ basis
    return float(values[order[0]]), first, second

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
from .ascent import FIRST_EVALUATIONS, Maximum, ascend
from .quasi_newton import climb
from .vectors import Vector, vector

INNER_STEPS = 4  # Lanczos steps at a point of the ascent, started from the eigenvectors of the previous point
SECOND_WEIGHT = 0.1  # weight of the second eigenvector in that start, so that the two can change order
EVALUATIONS = 6  # evaluations from the better one of v0 and −v0, after the first ones
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
        v0 = at.gradient(at.leading(origin, first))
        norms = [_NormInBall(at, origin, radius, first) for _ in range(2)]
        found = [ascend(norm, v, FIRST_EVALUATIONS) for norm, v in zip(norms, [v0, -v0], strict=True)]
        best, norm = max(zip(found, norms, strict=True), key=lambda each: each[0].value)
        best = climb(norm, best, EVALUATIONS)
        if best.direction is None or best.value <= abs(self.top.value):
            return abs(self.top.value)
        return norm.refined(best, tol)


class _NormInBall:
    """|λ| at origin + radius·v as an objective of one ascent, in which each point starts from the best one before it.

    Args:
        at: The Hessian.
        origin: Centre [P].
        radius: Radius.
        start: Start at the first point.
    """

    def __init__(self, at: _FactoredHessian | _FlatHessian, origin: Vector, radius: float, start: Any):
        self.at, self.origin, self.radius, self.start = at, origin, radius, start
        self._reached: float | None = None

    def __call__(self, v: Vector) -> tuple[float, Vector | None]:
        """Return |λ| and its gradient in v: [P], None if an earlier point was not below."""
        found = self.at.leading(self.origin + self.radius * v, self.start)
        if self._reached is not None and not found.value > self._reached:
            return found.value, None
        self._reached, self.start = found.value, found.following
        return found.value, self.radius * self.at.gradient(found)

    def refined(self, best: Maximum, tol: float) -> float:
        """Return |λ| at the best point, with more Lanczos steps until it grows by less than `tol`, relative."""
        v: Vector = best.direction
        value, start = best.value, self.start
        for _ in range(RESTARTS):
            found = self.at.leading(self.origin + self.radius * v, start)
            gain, value, start = found.value - value, max(value, found.value), found.following
            if gain <= tol * value:
                break
        return value


@frozen
class _LeadingPair:
    """The leading eigenpair at some weights.

    Attributes:
        eigenvalue: The eigenvalue of largest magnitude.
        vector: Its eigenvector, in the coordinates of the Hessian.
        following: The start at the next weights.
    """

    eigenvalue: float
    vector: np.ndarray
    following: Any

    @property
    def value(self) -> float:
        """The magnitude of the eigenvalue."""
        return abs(self.eigenvalue)

    @property
    def sign(self) -> float:
        """The sign of the eigenvalue."""
        return math.copysign(1, self.eigenvalue)


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

    def leading(self, w: Vector, start: Any) -> _LeadingPair:
        """Return the leading eigenpair at the weights w: [P]."""
        self._assign(w)
        carried, constants = self.product.hoisted.once(self.x)

        def times(v: np.ndarray) -> np.ndarray:
            return np.asarray(self.product.hoisted.each(carried, tf.constant(v[None, None])))[0, 0]

        value, first, second = _lanczos(times, np.asarray(self._transferred(*start, constants))[0])
        return _LeadingPair(value, first, (constants, (first + SECOND_WEIGHT * second)[None]))

    def gradient(self, of: _LeadingPair) -> Vector:
        """Return the gradient of the magnitude [P] at fixed eigenvector. The weights must be those of `of`."""
        constants, _ = of.following
        return of.sign * vector(self._gradient(self.x, constants, of.vector[None]))


class _FlatHessian:
    """The Hessian at x: [1, ...] on vectors of all P weights, where a start is a tangent [P]; as `_FactoredHessian`."""

    def __init__(self, net: Network, x: tf.Tensor):
        self.net, self.x = net, x
        self._product = flat_hvp(net)
        self._gradient = net.function("curvature gradient", lambda: partial(_curvature_gradient, net))

    def start(self, w: Vector, v: Vector) -> Vector:
        """Return the start for a tangent v: [P]."""
        return v

    def leading(self, w: Vector, start: Vector) -> _LeadingPair:
        """Return the leading eigenpair at the weights w: [P]."""
        self.net.assign(w)
        value, first, second = _lanczos(lambda v: np.asarray(self._product(self.x, v)), np.asarray(start))
        return _LeadingPair(value, first, first + SECOND_WEIGHT * second)

    def gradient(self, of: _LeadingPair) -> Vector:
        """Return the gradient of the magnitude [P] at fixed eigenvector. The weights must be those of `of`."""
        return of.sign * vector(self._gradient(self.x, of.vector))


def _curvature_gradient(net: Network, x: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        curvature = second_derivative(net, x, net.unflatten(v))
    return net.flatten(dense_gradient(tape, curvature, net.variables))


def _lanczos(product: Callable[[np.ndarray], np.ndarray], start: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
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

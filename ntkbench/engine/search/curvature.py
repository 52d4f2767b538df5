"""Hessian norm of one sample over a ball of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import frozen

from ..autodiff import dense_gradient, flat_hvp, second_derivative
from ..hessian import Eigenpair, FactoredProduct, tied
from ..model import Network
from ..structure import structure_of
from .ascent import Maximum, ascend

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
        evaluate = self.net.function(("curvature", self.x.shape), lambda: _evaluation(self.net, self.x))
        first = self.top.vector + SECOND_WEIGHT * self.top.second
        _, v0, _ = evaluate(origin, self.x, first)
        best, at_best = Maximum(abs(self.top.value), None), first
        for direction, evaluations in zip([v0, -v0], EVALUATIONS, strict=True):
            start, reached = first, 0.0

            def objective(v: tf.Tensor) -> tuple[float, tf.Tensor]:
                nonlocal start, reached
                value, gradient, following = evaluate(origin + radius * v, self.x, start)
                if value > reached:
                    reached, start = float(value), following
                return float(value), gradient

            found = ascend(objective, direction, evaluations, SETTLED)
            if found.value > best.value:
                best, at_best = found, start
        if best.direction is None:
            return best.value
        start, value = at_best, 0.0
        for _ in range(RESTARTS):
            before = value
            value, _, start = evaluate(origin + radius * best.direction, self.x, start)
            if value - before <= tol * value:
                break
        return max(best.value, float(value))


def _evaluation(net: Network, x: tf.Tensor) -> Callable[..., Any]:
    """Return the function (w, x, start) -> (|λ|, its gradient at fixed eigenvector [P], the next start vector [P]).

    The eigenvectors are computed in the coordinates of the factored Hessian if it is available.
    """
    structure = structure_of(net, x)
    factored = FactoredProduct(net, structure, tf.TensorSpec(x.shape, x.dtype)) if structure.complete else None
    product = flat_hvp(net)

    def evaluate(w: tf.Tensor, x: tf.Tensor, start: tf.Tensor) -> Any:
        net.assign(w)
        if factored is None:
            norm, sign, first, second = _lanczos(lambda v: product(x, v), start)
            top, following = net.unflatten(first), first + SECOND_WEIGHT * second
        else:
            carried, constants = factored.hoisted.once(x)
            start = factored.coordinates(constants, start[None])[0]
            norm, sign, first, second = _lanczos(lambda v: factored.hoisted.each(carried, v[None, None])[0, 0], start)
            top = [tangent[0] for tangent in factored.tangents(constants, first[None])]
            following = factored.flat(constants, (first + SECOND_WEIGHT * second)[None])[0]
        with tf.GradientTape() as tape:
            along = second_derivative(net, x, top)
        gradient = net.flatten(dense_gradient(tape, along, net.variables))
        return norm, sign * gradient, following

    return evaluate


def _lanczos(product: Callable[[tf.Tensor], tf.Tensor], start: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Run INNER_STEPS Lanczos steps from `start`: [D].

    Returns the largest magnitude of a Ritz value, the sign of that value, its vector [D] and the vector of the second
    largest [D]. Both vectors are oriented along `start`.
    """
    rounding = 20 * np.finfo(start.dtype.as_numpy_dtype).eps
    v = tf.math.divide_no_nan(start, tf.norm(start))
    basis: list[tf.Tensor] = []
    columns = []
    for _ in range(INNER_STEPS):
        basis.append(v)
        w = product(v)
        known = tf.stack(basis)
        column = tf.linalg.matvec(known, w)
        rest = w - tf.linalg.matvec(known, column, transpose_a=True)
        rest -= tf.linalg.matvec(known, tf.linalg.matvec(known, rest), transpose_a=True)
        norm = tf.norm(rest)
        v = tf.math.divide_no_nan(rest, tf.where(norm > rounding * tf.norm(w), norm, 0))
        columns.append(tf.pad(column, [[0, INNER_STEPS - len(basis)]]))
    values, vectors = tf.linalg.eigh(tf.stack(columns))  # reads the lower triangle only
    order = tf.argsort(-tf.abs(values))[:2]
    largest = tf.gather(values, order)
    order = tf.where(tied(largest[0], largest[1]), order[::-1], order)
    coefficients = tf.gather(vectors, order, axis=1)
    coefficients = tf.where(coefficients[:1] < 0, -coefficients, coefficients)
    pair = tf.matmul(coefficients, tf.stack(basis), transpose_a=True)
    return tf.abs(largest[0]), tf.sign(values[order[0]]), pair[0], pair[1]

"""The Hessian norm of one sample over a ball of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import frozen

from .ascent import Best, ascend
from .factored import FactoredProduct
from .gradient import dense_gradient
from .hessian import Eigenpair
from .hvp import double_backward, flat_hvp
from .network import Network
from .structure import structure_of

INNER_STEPS = 4  # Lanczos steps at a point of the ascent, from the eigenvectors of the point before
SECOND = 0.1  # of the second eigenvector added to that start, so that it can take over
BUDGET = (12, 8)  # evaluations from ±v0
RESTARTS = 15  # of the Lanczos steps at the best point, at most


@frozen
class SampleCurvature:
    """The top eigenpairs of ∇²f(w; x) for one input x: [1, ...], as a function of flat weights w: [P].

    top: at the weights that the search starts from.
    """

    net: Network
    x: tf.Tensor
    top: Eigenpair

    def in_ball(self, origin: tf.Tensor, radius: float, tol: float) -> float:
        """Return the largest norm found within `radius` of `origin`, where `top` is; a lower bound of the supremum.

        The search starts from ±v0, v0 the gradient of the norm at the origin.
        """
        if self.top.value == 0.0:
            return 0.0
        evaluate = self.net.function(("curvature", self.x.shape), lambda: _evaluation(self.net, self.x))
        first = (self.top.vector, self.top.second)
        pair = first

        def objective(v: tf.Tensor) -> tuple[float, tf.Tensor]:
            nonlocal pair
            value, gradient, *pair = evaluate(origin + radius * v, self.x, *pair)
            return float(value), gradient

        best, at_best = Best(abs(self.top.value), None), first
        _, v0, *_ = evaluate(origin, self.x, *first)
        for start, evaluations in zip([v0, -v0], BUDGET, strict=True):
            pair = first
            found = ascend(objective, [(start, evaluations)])
            if found.value > best.value:
                best, at_best = found, tuple(pair)
        if best.direction is None:
            return best.value
        pair, value = at_best, 0.0
        for _ in range(RESTARTS):
            before, (value, _) = value, objective(best.direction)
            if value - before <= tol * value:
                break
        return max(best.value, value)


def _evaluation(net: Network, x: tf.Tensor) -> Callable[..., Any]:
    """Return (w, x, start, start's second) -> (|λ|, its gradient in w at fixed eigenvector, the top two eigenvectors).

    All of them [P]. The eigenvectors are sought in the coordinates of the factored Hessian where it is known.
    """
    structure = structure_of(net, x)
    factored = FactoredProduct(net, structure, tf.TensorSpec(x.shape, x.dtype)) if structure.complete else None
    product = flat_hvp(net)

    def evaluate(w: tf.Tensor, x: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> Any:
        net.assign(w)
        start = first + SECOND * second
        if factored is None:
            value, pair = _lanczos(lambda v: product(x, v), start)
        else:
            carried, constants = factored.hoisted.once(x)
            start = factored.coordinates(constants, start[None])[0]
            value, coordinates = _lanczos(lambda v: factored.hoisted.each(carried, v[None])[0], start)
            pair = tf.concat([factored.flat(constants, coordinates[i : i + 1]) for i in (0, 1)], 0)
        with tf.GradientTape() as tape:
            along = tf.reduce_sum(double_backward(net, x, pair[0]) * pair[0])
        gradient = net.flatten(dense_gradient(tape, along, net.variables))
        return tf.abs(value), tf.sign(value) * gradient, pair[0], pair[1]

    return evaluate


def _lanczos(product: Callable[[tf.Tensor], tf.Tensor], start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the Ritz value of largest magnitude after INNER_STEPS from `start`: [D], and the vectors of the two
    largest: [2, D].
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
    values, vectors = tf.linalg.eigh(tf.stack(columns))  # which reads the lower triangle
    order = tf.argsort(-tf.abs(values))
    return values[order[0]], tf.matmul(tf.gather(vectors, order[:2], axis=1), tf.stack(basis), transpose_a=True)

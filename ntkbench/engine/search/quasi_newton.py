"""Search a ball of weights for its worst direction with an estimate of second derivatives."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from attrs import frozen

from .ascent import NOTHING, Maximum, Objective
from .vectors import Vector, inner, length, unit

MEMORY = 3  # steps that are remembered
LONGEST = 1.0  # longest step, before its end is normalised
SHORTER = 0.25  # factor of a step without a gain
SHORTEST = 1e-3  # share of a step below which no gain is expected
CURVED = 1e-10  # smallest curvature along a step that is remembered
SETTLED = 1e-2  # relative gain; two smaller gains in a row end the search


@frozen
class _Step:
    """A step s [P], the change y [P] of −∇log f along it, and their product, which is positive."""

    s: Vector
    y: Vector
    product: float


def climb(objective: Objective, start: Vector | Maximum, evaluations: int) -> Maximum:
    """Return the largest value found by L-BFGS on log f over the unit sphere: a lower bound of the supremum.

    It takes about two thirds of the evaluations of `ascend` to a larger value. The search ends early when its value has
    settled.

    Args:
        objective: v [P] of unit length -> (f, its gradient [P] in v).
        start: Direction [P], or the result of an earlier search, whose last point is not evaluated again if its
            gradient is known. A start of length zero finds nothing.
        evaluations: Maximum number of evaluations of the objective.

    Source: Nocedal, Wright 2006, algorithm 7.4.
    """
    best = start if isinstance(start, Maximum) else Maximum(0.0, unit(start))
    if best.gradient is None and best.direction is not None and evaluations > 0:
        value, gradient = objective(best.direction)
        best, evaluations = Maximum(value, best.direction, gradient), evaluations - 1
    if best.gradient is None or not best.value > 0:
        return NOTHING
    steps: deque[_Step] = deque(maxlen=MEMORY)
    slope, share, settled = _slope(best), 1.0, 0
    step = _step(slope, steps)
    for _ in range(evaluations):
        v = unit(best.direction + share * step)
        if v is None or settled == 2 or share < SHORTEST:
            break
        value, gradient = objective(v)
        if gradient is None or not value > best.value:
            share *= SHORTER
            continue
        settled = settled + 1 if value - best.value <= SETTLED * value else 0
        before, best = best, Maximum(value, v, gradient)
        previous, slope, share = slope, _slope(best), 1.0
        s, y = v - before.direction, previous - slope
        product = inner(s, y)
        if product > CURVED * inner(s, s):
            steps.append(_Step(s, y, product))
        step = _step(slope, steps)
    return best


def _slope(at: Maximum) -> Vector:
    """Return ∇log f [P] along the sphere."""
    v: Vector = at.direction
    gradient: Vector = at.gradient
    return (gradient - inner(gradient, v) * v) / at.value


def _step(slope: Vector, steps: Sequence[_Step]) -> Vector:
    """Return the next step [P], of length LONGEST at most: along the slope if the estimate leads down."""
    step = _newton(slope, steps)
    if steps and not inner(step, slope) > 0:
        step = slope
    size = length(step)
    return step * (LONGEST / size) if size > LONGEST else step


def _newton(slope: Vector, steps: Sequence[_Step]) -> Vector:
    """Return the estimate of the inverse Hessian of −log f times the slope [P], by the recursion of two loops."""
    step, shares = slope, []
    for of in reversed(steps):
        shares.append(inner(of.s, step) / of.product)
        step = step - shares[-1] * of.y
    if steps:
        step = step * (steps[-1].product / inner(steps[-1].y, steps[-1].y))
    for of, share in zip(steps, reversed(shares), strict=True):
        step = step + (share - inner(of.y, step) / of.product) * of.s
    return step

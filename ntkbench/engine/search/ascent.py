"""Search a ball of weights for its worst direction."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import evolve, frozen

from .vectors import Vector, unit

FIRST_EVALUATIONS = 2  # evaluations from every start before the best one is continued
SETTLED = 3e-3  # relative gain; two smaller gains in a row end an ascent
MIN_DAMPING = 2.0**-6  # damping below which no step was found to help

Objective = Callable[[Vector], tuple[float, Vector | None]]
"""v [P] of unit length -> (value, its gradient [P] in v up to a positive factor).

Without a gradient, the value must not be larger than all before it in the same ascent.
"""


@frozen
class Maximum:
    """The largest value found, and where.

    Attributes:
        value: The value.
        direction: Unit direction [P] of the value, or None if there is none.
        gradient: Gradient of the objective there [P], or None if it is unknown.
    """

    value: float
    direction: Vector | None
    gradient: Vector | None = None


NOTHING = Maximum(0.0, None)


Search = Callable[[Objective, Maximum, int], Maximum]
"""(objective, the result of an earlier search, maximum number of evaluations) -> result."""


def ascend(objective: Objective, start: Vector | Maximum, evaluations: int, settled_at: float = SETTLED) -> Maximum:
    """Return the largest value found by a damped ascent over the unit sphere: a lower bound of the supremum.

    The update is v ← normalise(v/‖v‖ + d·g/‖g‖) from the best point so far. The damping d starts at 1 and is halved
    whenever the value did not grow; without damping, the update oscillates between two points. The ascent ends early
    when its value has settled.

    Args:
        objective: The objective.
        start: Direction [P], or the result of an earlier ascent, whose last point is not evaluated again if its
            gradient is known. A start of length zero finds nothing.
        evaluations: Maximum number of evaluations of the objective.
        settled_at: Relative gain; two smaller gains in a row end the ascent.
    """
    known = start if isinstance(start, Maximum) else Maximum(0.0, unit(start))
    v, gradient, reached, settled = known.direction, known.gradient, None, 0
    for step in range(evaluations if v is not None else 0):
        value, gradient = objective(v) if step or gradient is None else (known.value, gradient)
        if gradient is not None and (reached is None or value > reached.value):
            gain = value - (reached.value if reached else 0.0)
            settled = settled + 1 if gain <= settled_at * value else 0
            reached = _Reached(value, v, gradient, unit(gradient), reached.damping if reached else 1.0)
        elif reached is not None:
            reached = evolve(reached, damping=reached.damping / 2)
        if reached is None or settled == 2 or reached.ascent is None or reached.damping < MIN_DAMPING:
            break
        v = unit(reached.v + reached.damping * reached.ascent)
        if v is None:
            break
    return Maximum(reached.value, reached.v, reached.gradient) if reached and reached.value > 0 else NOTHING


def ascend_best(objective: Objective, starts: Iterable[Vector], evaluations: int, search: Search = ascend) -> Maximum:
    """Return the result of `search` from the start with the highest value after FIRST_EVALUATIONS of `ascend`."""
    first = largest(ascend(objective, start, FIRST_EVALUATIONS) for start in starts)
    if first.direction is None:
        return first
    return largest([first, search(objective, first, evaluations)])


def largest(found: Iterable[Maximum]) -> Maximum:
    """Return the first of the largest maxima, or NOTHING if there are none."""
    return max(found, key=lambda maximum: maximum.value, default=NOTHING)


@frozen
class _Reached:
    """State of an ascent: the value, the point, the gradient there, its direction (or None) and the damping."""

    value: float
    v: Vector
    gradient: Vector
    ascent: Vector | None
    damping: float

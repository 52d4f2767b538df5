"""Searching the ball of weights for its worst direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf
from attrs import evolve, frozen

SETTLED = 1e-4  # relative: two gains in a row that are smaller end an ascent
LEAST = 2.0**-6  # damping, below which no step has found more

Objective = Callable[[tf.Tensor], tuple[float, tf.Tensor]]


@frozen
class Best:
    """The largest value found and the unit direction [P] it was found at."""

    value: float
    direction: tf.Tensor | None


def ascend(objective: Objective, starts: Sequence[tuple[tf.Tensor, int]]) -> Best:
    """Return the best of several damped ascents over the unit sphere: a lower bound of the supremum.

    v ← normalise(v/‖v‖ + d·g/‖g‖) from the best point so far, where the damping d starts at 1 and is halved whenever
    the value did not grow; undamped, the update oscillates between two points. An ascent ends early when its value has
    settled.

    Args:
        objective: v [P] of unit length -> (value, gradient [P] in v, up to a positive factor).
        starts: (direction [P], most evaluations); a start of length zero is skipped.
    """
    best = Best(0.0, None)
    for start, evaluations in starts:
        v, reached, settled = unit(start), None, 0
        for _ in range(evaluations if v is not None else 0):
            value, gradient = objective(v)
            if value > best.value:
                best = Best(value, v)
            if reached is None or value > reached.value:
                gain = value - (reached.value if reached else 0.0)
                settled = settled + 1 if gain <= SETTLED * value else 0
                reached = _Reached(value, v, unit(gradient), reached.damping if reached else 1.0)
            else:
                reached = evolve(reached, damping=reached.damping / 2)
            if settled == 2 or reached.ascent is None or reached.damping < LEAST:
                break
            v = unit(reached.v + reached.damping * reached.ascent)
            if v is None:
                break
    return best


@frozen
class _Reached:
    """Where an ascent stands: the value, the point, the unit gradient there (None where there is none), the damping."""

    value: float
    v: tf.Tensor
    ascent: tf.Tensor | None
    damping: float


def unit(v: tf.Tensor) -> tf.Tensor | None:
    """Return v of length one, or None when it is zero or not finite."""
    norm = float(tf.norm(v))
    return v / norm if 0 < norm < float("inf") else None

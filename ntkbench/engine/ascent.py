"""Searching the ball of weights for its worst direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf
from attrs import frozen

SETTLED = 1e-5  # relative: two changes of the value in a row that are smaller end an ascent

Objective = Callable[[tf.Tensor], tuple[float, tf.Tensor]]


@frozen
class Best:
    """The largest value found and the unit direction [P] it was found at."""

    value: float
    direction: tf.Tensor | None


def ascend(objective: Objective, starts: Sequence[tuple[tf.Tensor, int]]) -> Best:
    """Return the best of several damped fixed-point ascents over the unit sphere: a lower bound of the supremum.

    v ← normalise(v/‖v‖ + g/‖g‖), keeping the best value; the undamped update oscillates on bottlenecks. An ascent ends
    early when its value has settled.

    Args:
        objective: v [P] of unit length -> (value, gradient [P] in v, up to a positive factor).
        starts: (direction [P], most evaluations); a start of length zero is skipped.
    """
    best = Best(0.0, None)
    for start, evaluations in starts:
        v, before, settled = unit(start), 0.0, 0
        for _ in range(evaluations if v is not None else 0):
            value, gradient = objective(v)
            if value > best.value:
                best = Best(value, v)
            settled = settled + 1 if abs(value - before) <= SETTLED * value else 0
            if settled == 2:
                break
            before = value
            step = unit(gradient)
            v = None if step is None else unit(v + step)
            if v is None:
                break
    return best


def unit(v: tf.Tensor) -> tf.Tensor | None:
    """Return v of length one, or None when it is zero or not finite."""
    norm = float(tf.norm(v))
    return v / norm if 0 < norm < float("inf") else None

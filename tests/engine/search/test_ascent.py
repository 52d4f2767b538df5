"""The damped ascent over the unit sphere."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from ntkbench.engine.search.ascent import FIRST_EVALUATIONS, ascend, ascend_best, largest
from ntkbench.engine.search.vectors import unit


class Objective:
    """|vᵀ A v|, or what `gradient` makes of its gradient; remembers its values."""

    def __init__(self, seed, gradient=lambda g: g):
        a = np.random.default_rng(seed).standard_normal((6, 6))
        self.a, self.change, self.values = tf.constant(a + a.T), gradient, []

    def __call__(self, v):
        product = tf.linalg.matvec(self.a, v)
        value = float(tf.reduce_sum(v * product))
        self.values.append(abs(value))
        return abs(value), self.change(np.sign(value) * product)


@pytest.mark.parametrize("gradient", [lambda g: g, lambda g: -g, lambda g: 0 * g, lambda g: g * np.nan])
def test_never_less_than_the_first_evaluation(gradient):
    for seed in range(20):
        objective = Objective(seed, gradient)
        start = tf.constant(np.random.default_rng(seed).standard_normal(6))
        best = largest([ascend(objective, start, 8), ascend(objective, -start, 4)])
        assert best.value == max(objective.values) >= objective.values[0]
        assert np.isclose(float(tf.norm(best.direction)), 1)
        assert np.isclose(objective(best.direction)[0], best.value, rtol=1e-12)


def test_finds_the_top_of_a_quadratic_form():
    for seed in range(5):
        objective = Objective(seed)
        start = tf.constant(np.random.default_rng(seed).standard_normal(6))
        best = ascend(objective, start, 200, 1e-4)
        spectrum = np.linalg.eigvalsh(objective.a)
        # a fixed point of the ascent is an eigenvector; from one start it may be the end of the other sign
        assert min(abs(best.value / abs(e) - 1) for e in (spectrum[0], spectrum[-1])) <= 1e-4, "where it settles"


def test_a_settled_ascent_ends_early_where_a_longer_one_would_find_no_more():
    for seed in range(20):
        objective = Objective(seed)
        start = tf.constant(np.random.default_rng(seed).standard_normal(6))
        best = ascend(objective, start, 2000, 1e-4)
        assert len(objective.values) < 2000
        v = best.direction
        for _ in range(200):
            v = unit(v + unit(objective(v)[1]))
        assert objective(v)[0] <= best.value * (1 + 1e-3)


def test_evaluations_are_counted_and_nothing_is_found_from_a_start_of_length_zero():
    objective = Objective(0)
    assert ascend(objective, tf.zeros([6], tf.float64), 5).direction is None and not objective.values
    assert ascend(objective, tf.ones([6], tf.float64), 3).direction is not None
    assert len(objective.values) == 3


def test_the_start_that_leads_highest_is_followed():
    objective = Objective(0)
    values, vectors = np.linalg.eigh(objective.a)
    order = np.argsort(np.abs(values))
    starts = [tf.constant(vectors[:, i]) for i in order[[0, -1, 1]]]
    best = ascend_best(objective, starts, 50)
    assert np.isclose(best.value, np.abs(values).max(), rtol=1e-6)
    assert len(objective.values) < 3 * FIRST_EVALUATIONS + 50
    assert ascend_best(objective, [tf.zeros([6], tf.float64)], 50).direction is None

"""L-BFGS over the unit sphere."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings, strategies as st

from ntkbench.engine.search.ascent import FIRST_EVALUATIONS, Maximum, ascend, ascend_best
from ntkbench.engine.search.quasi_newton import climb


class QuadraticForm:
    """vᵀ A v for a positive definite A of D rows, plus `shift`; remembers its values."""

    def __init__(self, seed, size=6, shift=0.0):
        rng = np.random.default_rng(seed)
        q, _ = np.linalg.qr(rng.standard_normal((size, size)))
        self.spectrum = np.sort(rng.uniform(0.1, 1, size))
        self.a, self.shift, self.values = q * self.spectrum @ q.T, shift, []

    def __call__(self, v):
        product = self.a @ v
        self.values.append(float(v @ product) + self.shift)
        return self.values[-1], 2 * product


def start(seed, size=6):
    return np.random.default_rng([seed, 1]).standard_normal(size)


@given(seed=st.integers(0, 10**6), shift=st.floats(0, 10), evaluations=st.integers(1, 40))
@settings(deadline=None)
def test_the_largest_evaluation_is_returned_with_its_point(seed, shift, evaluations):
    form = QuadraticForm(seed, shift=shift)
    found = climb(form, start(seed), evaluations)
    assert found.value == max(form.values)
    assert 1 <= len(form.values) <= evaluations
    np.testing.assert_allclose(np.linalg.norm(found.direction), 1)
    value, gradient = form(found.direction)
    np.testing.assert_allclose([value, *found.gradient], [found.value, *gradient], rtol=1e-12)


def test_it_gets_higher_than_the_ascent_with_half_of_its_evaluations():
    needed = {climb: 0, ascend: 0}
    for seed in range(20):
        reached = {}
        for search in needed:
            form = QuadraticForm(seed, size=300)
            reached[search] = search(form, start(seed, 300), 200).value
            needed[search] += len(form.values)
        assert reached[ascend] < reached[climb] <= form.spectrum[-1] * (1 + 1e-12)
    assert needed[climb] < 0.5 * needed[ascend]


@pytest.mark.parametrize("bad", [np.nan, -np.inf, 0.0])
def test_points_without_a_value_are_left_out(bad):
    form = QuadraticForm(0)
    first = start(0)

    def holed(v):
        value, gradient = form(v)
        return (value, gradient) if len(form.values) == 1 or len(form.values) > 3 else (bad, gradient * np.nan)

    found = climb(holed, first, 40)
    assert found.value == max(form.values[0], *form.values[3:])
    assert found.value > form.values[0]


def test_nothing_is_found_from_nowhere():
    for value, gradient in [(np.nan, np.ones(6)), (0.0, np.zeros(6)), (-1.0, np.ones(6))]:
        assert climb(lambda v, value=value, gradient=gradient: (value, gradient), start(0), 9).direction is None
    form = QuadraticForm(0)
    assert climb(form, np.zeros(6), 9).direction is None
    assert climb(form, start(0), 0).direction is None
    assert not form.values
    stuck = climb(lambda v: (1.0, np.full(6, np.nan)), start(0), 9)
    assert stuck.value == 1.0, "a point whose gradient is no number is a lower bound too"


def test_a_known_point_is_not_evaluated_again():
    form = QuadraticForm(3)
    first = ascend(form, start(3), FIRST_EVALUATIONS)
    known = len(form.values)
    found = climb(form, first, 5)
    assert known == FIRST_EVALUATIONS
    assert known < len(form.values) <= known + 5
    assert found.value > first.value
    assert first.value not in form.values[known:]
    again = climb(form, Maximum(first.value, first.direction), 1)
    assert again.value == form.values[-1] == pytest.approx(first.value)


def test_the_better_start_is_continued_by_the_given_search():
    form = QuadraticForm(4, shift=1.0)
    _, vectors = np.linalg.eigh(form.a)
    best = ascend_best(form, [vectors[:, 0], vectors[:, -1]], 50, climb)
    np.testing.assert_allclose(best.value, 1 + form.spectrum[-1])


def test_tensors_are_searched_as_arrays_are():
    """As on devices other than CPUs."""
    arrays, tensors = QuadraticForm(5, size=50), QuadraticForm(5, size=50)
    tensors.a = tf.constant(tensors.a)

    def on_tensors(v):
        product = tf.linalg.matvec(tensors.a, v)
        tensors.values.append(float(tf.tensordot(v, product, 1)))
        return tensors.values[-1], 2 * product

    found = climb(arrays, start(5, 50), 30)
    v = tf.constant(start(5, 50))
    v /= tf.norm(v)
    value, gradient = on_tensors(v)
    moved = climb(on_tensors, Maximum(value, v, gradient), 29)
    np.testing.assert_allclose(moved.value, found.value, rtol=1e-9)
    np.testing.assert_allclose(tensors.values, arrays.values, rtol=1e-9)

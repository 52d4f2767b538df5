"""Distances between kernels: their bounds, symmetries and limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

import ntkbench as nb

KERNELS = arrays(np.float64, (3, 3), elements=st.floats(-1e3, 1e3).map(lambda v: 0.0 if abs(v) < 1e-3 else v))
FACTORS = st.floats(1e-3, 1e3)


@given(KERNELS, KERNELS, FACTORS)
@settings(deadline=None, max_examples=50)
def test_kernel_distance(a, b, factor):
    distance = nb.kernel_distance(a, b)
    assert 0 <= distance <= 2 + 1e-12
    assert nb.kernel_distance(b, a) == pytest.approx(distance, abs=1e-14)
    assert nb.kernel_distance(factor * a, b) == pytest.approx(distance, abs=1e-12)
    assert nb.kernel_distance(a, a) == 0
    if a.any() and b.any():
        cosine = np.sum(a * b) / (np.linalg.norm(a) * np.linalg.norm(b))
        assert distance == pytest.approx(1 - cosine, abs=1e-12)


@given(KERNELS, KERNELS, FACTORS)
@settings(deadline=None, max_examples=50)
def test_relative_change(a, b, factor):
    if not b.any():
        assert nb.relative_change(a, b) == (np.inf if a.any() else 0)
        return
    change = nb.relative_change(a, b)
    assert change >= 0 and nb.relative_change(b, b) == 0
    assert nb.relative_change(factor * a, factor * b) == pytest.approx(change, rel=1e-9, abs=1e-12)
    assert nb.relative_change(b + a, b) == pytest.approx(np.linalg.norm(a) / np.linalg.norm(b), rel=1e-6, abs=1e-9)


def test_small_distances_keep_their_digits():
    a, b = np.eye(2), np.diag([1.0, 1 + 2e-9])
    assert nb.kernel_distance(a, b) == pytest.approx(0.5e-18, rel=1e-3)


@pytest.mark.parametrize("factor", [1e160, 1e-200, 2.0**-1060, 1.7e308])
def test_no_scale_of_the_kernels_changes_their_distance(factor):
    a, b = np.array([[1.0, 0.25], [0.25, 0.5]]), np.array([[0.5, -1.0], [-1.0, 0.75]])
    few_bits = 1e-3 if factor < 1e-300 else 1e-12  # numbers near the smallest have few digits
    assert nb.kernel_distance(factor * a, factor * b) == pytest.approx(nb.kernel_distance(a, b), rel=few_bits)
    assert nb.kernel_distance(factor * a, b) == pytest.approx(nb.kernel_distance(a, b), rel=few_bits)
    assert nb.relative_change(factor * a, factor * b) == pytest.approx(nb.relative_change(a, b), rel=few_bits)
    assert nb.relative_change(b, b + 0 * a) == 0


def test_ordinary_kernels_have_the_norms_of_numpy():
    a, b = np.random.default_rng(0).normal(size=(2, 9, 9))
    assert nb.relative_change(a, b) == np.linalg.norm(a - b) / np.linalg.norm(b)
    assert nb.relative_change(1e200 * a, b) == pytest.approx(1e200 * np.linalg.norm(a) / np.linalg.norm(b))
    assert nb.relative_change(1e300 * a, 1e-300 * b) == np.inf


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_kernels_that_are_not_finite_have_no_distance(bad):
    broken = np.array([[bad, 0.0], [0.0, 1.0]])
    with np.errstate(invalid="ignore"):
        assert np.isnan(nb.kernel_distance(broken, np.eye(2))) and np.isnan(
            nb.kernel_distance(1e200 * np.eye(2), broken)
        )
        assert np.isnan(nb.relative_change(np.eye(2), broken))
        assert not np.isfinite(nb.relative_change(broken, 1e200 * np.eye(2)))


@pytest.mark.parametrize("distance", [nb.kernel_distance, nb.relative_change])
def test_shapes_must_agree(distance):
    with pytest.raises(nb.NtkbenchError, match=r"\(2, 2\) and \(3, 3\)"):
        distance(np.eye(2), np.eye(3))

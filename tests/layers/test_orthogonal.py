"""Orthogonal draws: exact identities for any shape, the Haar measure by its moments, both schemes of convolutions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from ntkbench import layers
from ntkbench.layers import draws

SIZES = st.integers(1, 12)
TAPS = st.integers(1, 4)
SEEDS = st.integers(0, 2**63 - 1)


def gram(w):
    """Return w wᵀ or wᵀ w, whichever is smaller."""
    return w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w


def assert_semi_orthogonal(w):
    """w is semi-orthogonal times √(its larger side), so its mean squared entry is 1."""
    np.testing.assert_allclose(gram(w), max(w.shape) * np.eye(min(w.shape)), atol=1e-12)
    assert np.mean(w**2) == pytest.approx(1, rel=1e-12)


@given(SIZES, SIZES, SEEDS)
def test_any_matrix(rows, columns, seed):
    w = draws.draw("orthogonal", (rows, columns), seed)
    assert w.shape == (rows, columns) and w.dtype == np.float64
    assert_semi_orthogonal(w)
    np.testing.assert_array_equal(w, draws.draw("orthogonal", (rows, columns), seed))


@given(TAPS, TAPS, SIZES, SIZES, SEEDS)
def test_any_block_orthogonal_kernel(height, width, rows, columns, seed):
    w = draws.draw("orthogonal", (height, width, rows, columns), seed)
    taps = w.reshape(-1, rows, columns)
    for tap in taps:
        assert_semi_orthogonal(tap)
    if rows * columns > 1:  # a tap of one entry is ±1
        assert len({tap.tobytes() for tap in taps}) == len(taps)


@given(TAPS, TAPS, SIZES, SIZES, SEEDS)
def test_any_delta_orthogonal_kernel(height, width, rows, columns, seed):
    w = draws.draw("delta-orthogonal", (height, width, rows, columns), seed)
    assert np.mean(w**2) == pytest.approx(1, rel=1e-12)
    centre = (height - 1) // 2, (width - 1) // 2
    assert_semi_orthogonal(w[centre] / math.sqrt(height * width))
    w[centre] = 0
    assert not w.any()


def circular(kernel, x):
    """Return the circular convolution of one picture x [h, w, a] with a kernel [kh, kw, a, b]: [h, w, b]."""
    height, width = kernel.shape[:2]
    z = 0
    for i in range(height):
        for j in range(width):
            moved = np.roll(x, ((height - 1) // 2 - i, (width - 1) // 2 - j), axis=(0, 1))
            z = z + moved @ kernel[i, j]
    return z / math.sqrt(math.prod(kernel.shape[:3]))


@given(TAPS, TAPS, st.integers(1, 6), st.integers(0, 6), SEEDS)
def test_delta_orthogonal_is_an_isometry_of_space(height, width, rows, more, seed):
    """Every position's norm is kept, times √(c_out/c_in): the norm of a unit is."""
    kernel = draws.draw("delta-orthogonal", (height, width, rows, rows + more), seed)
    x = np.random.default_rng(seed).standard_normal((5, 4, rows))
    grown = math.sqrt((rows + more) / rows)
    norms = [np.linalg.norm(each, axis=-1) for each in (circular(kernel, x), x)]
    np.testing.assert_allclose(norms[0], grown * norms[1], rtol=1e-11)


def test_block_orthogonal_is_no_isometry_but_keeps_norms_on_average():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 6, 8))
    ratios = [
        np.sum(circular(draws.draw("orthogonal", (3, 3, 8, 8), seed), x) ** 2) / np.sum(x**2) for seed in range(200)
    ]
    assert np.mean(ratios) == pytest.approx(1, abs=5 * np.std(ratios) / math.sqrt(200))
    assert np.std(ratios) > 0.01


@pytest.fixture(scope="module")
def haar():
    """4,000 Haar matrices of O(5)."""
    rng = np.random.default_rng(5)
    return np.array([draws.semi_orthogonal(5, 5, rng) for _ in range(4000)]) / math.sqrt(5)


def within(values, expected):
    """The mean is within five standard errors."""
    return abs(np.mean(values) - expected) < 5 * np.std(values) / math.sqrt(len(values))


def test_haar_moments(haar):
    """Of entries (Weingarten, n = 5): q² → 1/n, q⁴ → 3/(n(n+2)), two of a row 1/(n(n+2)), a square of four 0 …"""
    n = 5
    a, b, c, d = haar[:, 0, 0], haar[:, 0, 1], haar[:, 1, 0], haar[:, 1, 1]
    assert within(a, 0) and within(a**2, 1 / n) and within(a**4, 3 / (n * (n + 2)))
    assert within(a**2 * b**2, 1 / (n * (n + 2))) and within(a**2 * c**2, 1 / (n * (n + 2)))
    assert within(a**2 * d**2, (n + 1) / ((n - 1) * n * (n + 2)))
    assert within(a * b * c * d, -1 / ((n - 1) * n * (n + 2)))


def test_haar_traces_and_determinants(haar):
    """Traces of powers (Diaconis, Shahshahani 1994): mean 0 for odd, 1 for even powers, E tr² = 1.

    QR without the sign fix fails at the first: its traces are one-sided.
    """
    traces = np.trace(haar, axis1=1, axis2=2)
    assert within(traces, 0) and within(traces**2, 1)
    assert within(np.trace(haar @ haar, axis1=1, axis2=2), 1)
    assert within(np.linalg.det(haar), 0)
    unfixed = np.linalg.qr(np.random.default_rng(5).standard_normal((4000, 5, 5)))[0]
    assert not within(np.trace(unfixed, axis1=1, axis2=2), 0)


def test_haar_is_invariant(haar):
    """U Q V has the law of Q, for fixed rotations: one coordinate's distribution in equal parts."""
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(1)
    u, v = (np.linalg.qr(rng.standard_normal((5, 5)))[0] for _ in range(2))
    turned = u @ haar[2000:] @ v
    for place in ((0, 0), (2, 3)):
        assert ks_2samp(haar[:2000, *place], turned[:, *place]).pvalue > 1e-3


def test_a_corner_of_a_large_matrix_is_gaussian():
    rng = np.random.default_rng(0)
    corner = np.array([draws.semi_orthogonal(64, 64, rng)[0, 0] for _ in range(1500)])
    assert within(corner**2, 1) and np.mean(corner**4) == pytest.approx(3 * 64 / 66, abs=0.6)


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 40), SEEDS)
def test_float32_layers_hold_the_float64_draw(rows, columns, seed):
    """Orthogonal to the rounding of float32: the draw is made in float64 and rounded once."""
    layer = layers.Dense(columns, init="orthogonal", seed=seed % 2**31)
    layer.build((None, rows))
    w = np.asarray(layer.kernel, np.float64)
    np.testing.assert_allclose(gram(w), max(w.shape) * np.eye(min(w.shape)), atol=2e-7 * max(w.shape))


def test_the_standard_parameterisation_is_the_same_function():
    x = np.random.default_rng(0).standard_normal((3, 7))
    ntk, standard = (
        layers.Dense(9, init="orthogonal", parameterization=each, weight_std=1.5, seed=2, dtype="float64")
        for each in ("ntk", "standard")
    )
    np.testing.assert_allclose(ntk(x), standard(x), rtol=1e-12)
    w = np.asarray(standard.kernel)
    np.testing.assert_allclose(w @ w.T, 1.5**2 * 9 / 7 * np.eye(7), atol=1e-12)

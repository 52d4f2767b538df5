"""Duals of activations for inputs of any size: no overflow, no underflow, no cancellation."""

from __future__ import annotations

import math
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.integrate import quad

import ntkbench as nb
from ntkbench.kernels.duals import dual_of
from ntkbench.kernels.duals.piecewise import Piecewise
from ntkbench.kernels.duals.smooth import Erf, Gaussian, Gelu, Sinusoid

SIZES = (1e-10, 1e-6, 1e-3, 0.1, 1.0, 10.0, 1e3, 1e6, 1e10)
CORRELATIONS = (-1.0, -0.9, -0.3, 0.0, 0.5, 0.99, 1.0)
HOMOGENEOUS = {"relu": Piecewise(), "leaky relu": Piecewise(0.2, 1.0), "abs": Piecewise(-1.0, 1.0)}
SMOOTH = {"erf": Erf(), "sin": Sinusoid(), "cos": Sinusoid(phase=math.pi / 2), "gelu": Gelu(), "gaussian": Gaussian()}


def moments(dual, size, rho, dtype):
    """Return E[φ(u)φ(v)] and E[φ'(u)φ'(v)] for standard deviations of `size`."""
    variance = np.dtype(dtype).type(size) ** 2
    given = (tf.constant(value, dtype) for value in (variance, variance, rho * variance))
    return [float(each) for each in dual.moments(*given)]


@pytest.mark.parametrize("name", HOMOGENEOUS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kinked_activations_are_homogeneous(name, size, dtype):
    for rho in CORRELATIONS:
        value, slope = moments(HOMOGENEOUS[name], size, rho, dtype)
        unit, unit_slope = moments(HOMOGENEOUS[name], 1.0, rho, "float64")
        scale = moments(HOMOGENEOUS[name], 1.0, 1.0, "float64")[0]
        eps = float(np.finfo(dtype).eps)
        assert value / size**2 == pytest.approx(unit, rel=100 * eps, abs=100 * eps * scale)
        assert slope == pytest.approx(unit_slope, abs=2e3 * math.sqrt(eps) if abs(rho) > 0.98 else 100 * eps)


def test_relu_is_the_arc_cosine_kernel():
    for rho in CORRELATIONS:
        angle = math.acos(rho)
        value, slope = moments(Piecewise(), 1.0, rho, "float64")
        assert value == pytest.approx((math.sin(angle) + (math.pi - angle) * rho) / (2 * math.pi), abs=1e-12)
        assert slope == pytest.approx((math.pi - angle) / (2 * math.pi), abs=1e-7)


@pytest.mark.parametrize("size", [1e-10, 1e-7, 1e-4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_small_inputs_see_the_first_derivative(size, dtype):
    """E[φ(u)φ(v)] = φ'(0)²·ρσ² + O(σ⁴) where φ(0) = 0."""
    for dual, slope in ((Sinusoid(), 1.0), (Erf(), 2 / math.sqrt(math.pi)), (Gelu(), 0.5)):
        for rho in (-0.9, 0.3, 1.0):
            value, derivative = moments(dual, size, rho, dtype)
            assert value / size**2 == pytest.approx(slope**2 * rho, rel=1e-4, abs=1e-6)
            assert derivative == pytest.approx(slope**2, rel=1e-4)


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("size", SIZES)
def test_float32_agrees_with_float64(name, size):
    for rho in CORRELATIONS:
        single, double = (moments(SMOOTH[name], size, rho, dtype) for dtype in ("float32", "float64"))
        largest = moments(SMOOTH[name], size, 1.0, "float64")
        assert np.isfinite(single).all()
        for one, other, scale in zip(single, double, largest, strict=True):
            assert one == pytest.approx(other, rel=1e-4, abs=1e-5 * scale)


def panels(width):
    """Return nodes and weights on [−9.5, 9.5] for the standard normal density, ever closer to 0 down to `width`."""
    edges = [0.0]
    step = min(0.5, 0.5 * width)
    while step < 9.5:
        edges.append(step)
        step *= 1.6
    edges = np.array([*(-np.array(edges[:0:-1])), *edges, 9.5])
    edges = np.unique([-9.5, *edges])
    x, w = np.polynomial.legendre.leggauss(14)
    middle, half = (edges[:-1, None] + edges[1:, None]) / 2, (edges[1:, None] - edges[:-1, None]) / 2
    z = (middle + half * x).ravel()
    return z, (half * w).ravel() * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def logistic(u):
    return 0.5 * (1 + np.tanh(u / 2))


LOGISTIC = {
    "tanh": (np.tanh, lambda u: 4 * logistic(2 * u) * logistic(-2 * u)),
    "sigmoid": (logistic, lambda u: logistic(u) * logistic(-u)),
    "softplus": (lambda u: np.logaddexp(0, u), logistic),
    "silu": (lambda u: u * logistic(u), lambda u: logistic(u) * (1 + u * logistic(-u))),
}


@pytest.mark.parametrize("name", LOGISTIC)
@pytest.mark.parametrize("size", [*SIZES, 30.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_saturating_activations_at_any_size(name, size, dtype):
    """Parallel, opposite and independent inputs, and one input's mean: integrals over one Gaussian each."""
    z, w = panels(min(1.0, 1 / size))
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    dual = dual_of(name)
    for which, function in enumerate(LOGISTIC[name]):
        same, opposite, mean = (
            w @ (function(size * z) * other) for other in (function(size * z), function(-size * z), 1)
        )
        for rho, expected in ((1.0, same), (-1.0, opposite), (0.0, mean**2)):
            found = moments(dual, size, rho, dtype)[which]
            assert found == pytest.approx(expected, rel=tolerance, abs=tolerance * same), (which, rho)
    found = dual.mean(tf.constant(size, dtype) ** 2)
    mean = w @ LOGISTIC[name][0](size * z)
    assert (found is None and abs(mean) < 1e-12) or float(found) == pytest.approx(mean, rel=tolerance)


@pytest.mark.parametrize("name", LOGISTIC)
@pytest.mark.parametrize("sizes", [(0.9, 1.1), (3.0, 0.01), (40.0, 7.0)])
@pytest.mark.parametrize("rho", [-0.9, 0.6, 0.99])
def test_saturating_activations_of_correlated_inputs(name, sizes, rho):
    """The double integral over u and what of u' is independent of it, by the trapezoidal rule."""

    def rule(width):
        z = np.arange(-8.5, 8.5, step := 0.25 * min(1.0, width))
        return z, np.exp(-z * z / 2) * step / math.sqrt(2 * math.pi)

    (first, second), rest = sizes, math.sqrt(1 - rho * rho)
    (z, w), (t, g) = rule(1 / max(sizes)), rule(1 / (second * rest))
    v1, v2, c = (tf.constant(each, tf.float64) for each in (first**2, second**2, rho * first * second))
    found = dual_of(name).moments(v1, v2, c)
    for value, function in zip(found, LOGISTIC[name], strict=True):
        inner = function(second * (rho * z[:, None] + rest * t)) @ g
        assert float(value) == pytest.approx((w * function(first * z)) @ inner, rel=1e-8)


@pytest.mark.parametrize("size", [1e-3, 0.1, 1.0, 10.0, 100.0, 1e3])
def test_quadrature_resolves_activations_at_any_scale(size):
    """E[elu(u)²] and E[elu'(u)²], whose halves for u > 0 are σ²/2 and 1/2, by scipy."""
    s = size

    def density(z):
        return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    def left(function):
        points = [0, *(-np.geomspace(1e-3, 30, 12) / s)]
        inside = sorted(p for p in points if p > -12)
        return sum(quad(function, a, b, epsabs=1e-14)[0] for a, b in pairwise([-12.0, *inside]))

    value, slope = moments(dual_of(keras.activations.elu), size, 1.0, "float64")
    assert value == pytest.approx(s * s / 2 + left(lambda z: math.expm1(s * z) ** 2 * density(z)), rel=1e-8)
    assert slope == pytest.approx(0.5 + left(lambda z: math.exp(2 * s * z) * density(z)), rel=1e-6)


def test_inputs_at_which_quadrature_does_not_converge_are_refused():
    def narrow(u):
        return tf.sin(u)

    kernel = nb.kernels.InfiniteWidth([nb.kernels.Dense(), nb.kernels.Activation(narrow), nb.kernels.Dense()])
    x = np.array([[1.0, 0.0], [0.99, 0.1]])
    exact = nb.kernels.InfiniteWidth([nb.kernels.Dense(), nb.kernels.Activation("sin"), nb.kernels.Dense()])
    np.testing.assert_allclose(kernel.matrix(x), exact.matrix(x), rtol=1e-9)
    with pytest.raises(nb.NtkbenchError, match="duals of narrow have no closed form.*Scale the inputs down"):
        kernel.matrix(300 * x)


def test_a_mixture_outside_a_graph_is_the_same_sum_compiled():
    dual = dual_of("tanh")
    v1, v2, c = (tf.constant(each, tf.float64) for each in ([4.0, 900.0], [2.0, 1.0], [1.5, -20.0]))
    for found, summed in zip(dual.moments(v1, v2, c), dual._sum(v1, v2, c), strict=True):
        np.testing.assert_allclose(found, summed, rtol=1e-13)
    with tf.GradientTape() as tape:
        tape.watch(c)
        value = tf.reduce_sum(dual.moments(v1, v2, c)[0])
    step = 1e-5
    ends = [tf.reduce_sum(dual._sum(v1, v2, c + sign * step)[0]) for sign in (1, -1)]
    np.testing.assert_allclose(tf.reduce_sum(tape.gradient(value, c)), (ends[0] - ends[1]) / (2 * step), rtol=1e-7)


@pytest.mark.parametrize("name", ["tanh", "softplus"])
@pytest.mark.parametrize("rows", [2, 40], ids=["all pairs of scales at once", "one pair after another"])
def test_derivatives_of_a_mixture_outside_a_graph_are_the_differences(name, rows):
    """For covariances [rows, 5] of variances [rows, 1] and [5], in both moments."""
    dual = dual_of(name)
    rng = np.random.default_rng(rows)
    v1, v2 = rng.uniform(1, 50, (rows, 1)), rng.uniform(1, 5, 5)
    at = [tf.constant(each) for each in (v1, v2, 0.7 * np.sqrt(v1 * v2))]
    upstream = [tf.constant(rng.standard_normal((rows, 5))) for _ in range(2)]
    with tf.GradientTape() as tape:
        tape.watch(at)
        moments = dual.moments(*at)
    assert [gradient.shape for gradient in tape.gradient(moments, at, upstream)] == [each.shape for each in at]

    def total(t, moves):
        found = dual.moments(*(each + t * move for each, move in zip(at, moves, strict=True)))
        return sum(tf.reduce_sum(weight * moment) for weight, moment in zip(upstream, found, strict=True))

    step = 1e-5
    for place in range(3):
        moves = [tf.constant(rng.standard_normal(each.shape) * (i == place)) for i, each in enumerate(at)]
        t = tf.Variable(0.0, dtype=tf.float64)
        with tf.GradientTape() as tape:
            value = total(t, moves)
        differences = (total(step, moves) - total(-step, moves)) / (2 * step)
        np.testing.assert_allclose(tape.gradient(value, t), differences, rtol=1e-6, atol=1e-8)


def test_second_derivatives_of_a_mixture_outside_a_graph_are_the_differences():
    dual, v = dual_of("tanh"), tf.constant(2.0, tf.float64)
    with tf.GradientTape() as outer:
        outer.watch(v)
        with tf.GradientTape() as inner:
            inner.watch(v)
            second = dual.second(v)
        slope = inner.gradient(second, v)
    ends = [dual.second(v + sign * 1e-4) for sign in (-1, 0, 1)]
    np.testing.assert_allclose(slope, (ends[2] - ends[0]) / 2e-4, rtol=1e-6)
    np.testing.assert_allclose(outer.gradient(slope, v), (ends[2] - 2 * ends[1] + ends[0]) / 1e-8, rtol=1e-4)

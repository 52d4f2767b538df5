"""Dual activations against integration, and kernels against closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from scipy.integrate import dblquad
from scipy.special import erf, expit, roots_hermitenorm

import ntkbench as nb
from ntkbench import kernels as k
from ntkbench.kernels.duals import dual_of
from ntkbench.kernels.duals.hermite import Polynomial, Quadrature
from ntkbench.kernels.duals.table import TENSORFLOW

FUNCTIONS = {
    "linear": (lambda u: u, np.ones_like),
    "relu": (lambda u: np.maximum(u, 0), lambda u: 1.0 * (u > 0)),
    "abs": (np.abs, np.sign),
    "leaky_relu": (lambda u: np.where(u > 0, u, 0.2 * u), lambda u: np.where(u > 0, 1, 0.2)),
    "erf": (erf, lambda u: 2 / math.sqrt(math.pi) * np.exp(-(u**2))),
    "sin": (np.sin, np.cos),
    "cos": (np.cos, lambda u: -np.sin(u)),
    "gaussian": (lambda u: np.exp(-(u**2)), lambda u: -2 * u * np.exp(-(u**2))),
    "gelu": (
        lambda u: u * (1 + erf(u / math.sqrt(2))) / 2,
        lambda u: (1 + erf(u / math.sqrt(2))) / 2 + u * np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi),
    ),
    "quadratic": (lambda u: u**2 / 2, lambda u: u),
    "tanh": (np.tanh, lambda u: np.cosh(u) ** -2.0),
    "sigmoid": (expit, lambda u: expit(u) * expit(-u)),
    "softplus": (lambda u: np.logaddexp(0, u), expit),
    "silu": (lambda u: u * expit(u), lambda u: expit(u) + u * expit(u) * expit(-u)),
}
KINKED = ("relu", "abs", "leaky_relu")
SMOOTH = [name for name in FUNCTIONS if name not in KINKED]
V1, V2, C = 1.3, 0.7, 0.4
Z, WEIGHT = roots_hermitenorm(150)
WEIGHT = WEIGHT / WEIGHT.sum()


def f64(*values):
    return [tf.constant(value, tf.float64) for value in values]


def _by_nodes(function):
    u = math.sqrt(V1) * Z
    v = C / math.sqrt(V1) * Z[:, None] + math.sqrt(V2 - C**2 / V1) * Z
    return np.einsum("i,j,i,ij", WEIGHT, WEIGHT, function(u), function(v))


def _by_polar(function):
    """Integrate over quadrants between the lines where u or u' changes its sign: kinks stay at the borders."""
    root, low = math.sqrt(V1), C / math.sqrt(V1)
    high = math.sqrt(V2 - low**2)
    kinks = sorted(
        np.mod([math.pi / 2, 3 * math.pi / 2, math.atan2(-low, high), math.atan2(-low, high) + math.pi], 2 * math.pi)
    )
    edges = [kinks[-1] - 2 * math.pi, *kinks]

    def integrand(r, angle):
        u, v = root * r * math.cos(angle), r * (low * math.cos(angle) + high * math.sin(angle))
        return float(function(np.float64(u)) * function(np.float64(v))) * r * math.exp(-r * r / 2) / (2 * math.pi)

    parts = itertools.pairwise(edges)
    return sum(dblquad(integrand, a, b, 0, 12, epsabs=1e-9, epsrel=1e-9)[0] for a, b in parts)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_moments_are_the_integrals(name):
    value, slope = dual_of(name).moments(*f64(V1, V2, C))
    integrate = _by_polar if name in KINKED else _by_nodes
    for found, function in zip((value, slope), FUNCTIONS[name], strict=True):
        np.testing.assert_allclose(found, integrate(function), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", SMOOTH)
def test_means_and_variances_are_the_integrals(name):
    dual, (function, _) = dual_of(name), FUNCTIONS[name]
    u = math.sqrt(V1) * Z
    mean = dual.mean(*f64(V1))
    np.testing.assert_allclose(0.0 if mean is None else mean, WEIGHT @ function(u), atol=1e-9)
    np.testing.assert_allclose(dual.second(*f64(V1)), WEIGHT @ function(u) ** 2, rtol=1e-8)


def test_means_of_kinked_ones():
    half = math.sqrt(V1 / (2 * math.pi))
    for name, expected in (("relu", half), ("abs", 2 * half), ("leaky_relu", 0.8 * half)):
        np.testing.assert_allclose(dual_of(name).mean(*f64(V1)), expected, rtol=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_slope_is_the_derivative_in_the_covariance(name):
    """Price's theorem, by central differences."""
    dual, step = dual_of(name), 1e-5
    up, down = (dual.moments(*f64(V1, V2, C + h))[0] for h in (step, -step))
    np.testing.assert_allclose(dual.moments(*f64(V1, V2, C))[1], (up - down) / (2 * step), rtol=1e-6, atol=1e-9)


def test_polynomials_are_exact():
    """E[u² u'²] = v1 v2 + 2 c², E[u³ u'³] = 9 c v1 v2 + 6 c³."""
    np.testing.assert_allclose(Polynomial((0, 0, 1)).moments(*f64(V1, V2, C))[0], V1 * V2 + 2 * C**2, rtol=1e-13)
    np.testing.assert_allclose(
        Polynomial((0, 0, 0, 1)).moments(*f64(V1, V2, C))[0], 9 * C * V1 * V2 + 6 * C**3, rtol=1e-13
    )


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_bias_free_relu_has_its_closed_form(depth):
    """κ0 and κ1 of Cho and Saul 2009 in the recursion Θ_h = Θ_{h−1} κ0(S_{h−1}) + S_h, at ‖x‖ = 1 and He scale."""
    a = np.array([-1, -0.5, 0, 0.5, 1.0])
    s = theta = a
    for _ in range(depth):
        slope = 1 - np.arccos(np.clip(s, -1, 1)) / np.pi
        s = (np.sqrt(np.clip(1 - s * s, 0, 1)) + s * (np.pi - np.arccos(np.clip(s, -1, 1)))) / np.pi
        theta = theta * slope + s
    he = math.sqrt(2)
    net = [k.Dense(he), *[k.Activation("relu"), k.Dense(he)] * depth]
    x = np.stack([a, np.sqrt(1 - a * a)], 1)
    np.testing.assert_allclose(k.InfiniteWidth(net).matrix([[1.0, 0.0]], x.astype("float32"))[0], theta, atol=2e-6)
    exact = k.InfiniteWidth(net).matrix(np.array([[1.0, 0.0]]), x)[0]
    np.testing.assert_allclose(exact, theta, rtol=1e-6, atol=1e-9)
    golden = {1: [0, -0.057669, 0.318310, 0.942331, 2], 2: [0.318310, 0.343862, 0.685709, 1.351480, 3],
              3: [0.685709, 0.742249, 1.060388, 1.737845, 4]}  # fmt: skip
    np.testing.assert_allclose(exact, golden[depth], atol=1e-6)


@pytest.mark.parametrize("name", ["tanh", "softplus", "silu"])
@pytest.mark.parametrize("scale", [0.5, 4.0, pytest.param(1.5, marks=pytest.mark.slow)])
def test_quadrature_is_within_its_error(name, scale):
    """Inputs up to a standard deviation of 4, where 64 terms of tanh no longer suffice: the error says so."""
    x = np.random.default_rng(0).normal(size=(5, 3))
    by_quadrature = dual_of(name).near  # of which the name itself takes another route at large variances
    net = [k.Dense(scale), k.Activation(by_quadrature), k.Dense(scale), k.Activation(by_quadrature), k.Dense()]
    finest = [k.Activation(Quadrature(layer.function.function, 224)) if isinstance(layer, k.Activation) else layer
              for layer in net]  # fmt: skip
    kernel = k.InfiniteWidth(net)
    found, exact = kernel.matrix(x), k.InfiniteWidth(finest).matrix(x)
    error = kernel.error(x)
    assert np.all(np.abs(found - exact) <= error)
    assert name == "tanh" or np.all(error <= 1e-8 * np.abs(exact)) or scale == 4.0


@pytest.mark.parametrize("function", TENSORFLOW, ids=TENSORFLOW.get)
def test_functions_of_tensorflow_have_the_dual_of_their_name(function):
    found, expected = dual_of(function), dual_of(TENSORFLOW[function])
    assert found == expected
    # TensorFlow holds some constants in float32.
    for mine, theirs in zip(found.moments(*f64(V1, V2, C)), Quadrature(function).moments(*f64(V1, V2, C)), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-6)


def test_names_and_functions_find_their_duals():
    import keras

    from ntkbench.layers import activations

    assert dual_of(activations.TABLE["gelu"]) == dual_of("gelu") == dual_of(keras.activations.gelu)
    assert dual_of(keras.activations.relu) == dual_of("relu")
    assert isinstance(dual_of(keras.ops.gelu), Quadrature)
    assert isinstance(dual_of(lambda u: tf.sin(u)), Quadrature)
    with pytest.raises(nb.NtkbenchError, match="tanh"):
        dual_of("tahn")
    with pytest.raises(nb.NtkbenchError, match="mixes units"):
        dual_of("softmax")
    with pytest.raises(nb.NtkbenchError, match="must be elementwise"):
        dual_of(lambda u: tf.reduce_sum(u, -1)).moments(*f64([1.0], [1.0], [0.5]))

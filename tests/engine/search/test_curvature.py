"""The Hessian norm over a ball, the choice between tied eigenvalues, and the derivatives that searches climb by."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from nets import Oracle, sequential

from ntkbench.engine.autodiff.hvp import second_derivative
from ntkbench.engine.hessian.norm import norms_and_pairs
from ntkbench.engine.linearize import LinearModel
from ntkbench.engine.model.network import network
from ntkbench.engine.search import curvature
from ntkbench.engine.search.curvature import SampleCurvature

L = keras.layers
X = np.random.default_rng(0).standard_normal((3, 4))


def smooth():
    return sequential((4,), lambda: L.Dense(5, "tanh"), lambda: L.Dense(1, "softplus"))


def curvatures(model, seed=0, method="auto"):
    net = network(model)
    x = net.inputs(X)
    _, pairs = norms_and_pairs(net, x, method=method, tol=1e-8, seed=seed, pairs=len(X))
    return [SampleCurvature(net, x[n : n + 1], pair) for n, pair in enumerate(pairs)]


@pytest.mark.parametrize("method", ["factored", "hvp"])
@pytest.mark.parametrize("seed", range(4))
def test_of_tied_eigenvalues_the_positive_one_is_taken(seed, method):
    """f = v·(w·x) has the eigenvalues ±‖x‖ with eigenvectors (x/‖x‖, ±1)/√2, whatever the weights and the starts."""
    model = sequential((4,), lambda: L.Dense(1, use_bias=False), lambda: L.Dense(1, use_bias=False))
    for x, found in zip(X, curvatures(model, seed, method), strict=True):
        norm = np.linalg.norm(x)
        np.testing.assert_allclose(found.top.value, norm, rtol=1e-9)
        expected = np.append(x / norm, 1) / np.sqrt(2)
        np.testing.assert_allclose(abs(expected @ found.top.vector.numpy()), 1, rtol=1e-9)
        np.testing.assert_allclose(found.in_ball(found.net.theta(), 1.0, 1e-6), norm, rtol=1e-6)


@pytest.fixture(params=["factored", "flat"])
def route(request, monkeypatch):
    """Both routes of the search in the ball."""
    if request.param == "flat":
        monkeypatch.setattr(curvature, "structure_of", lambda net, x: SimpleNamespace(complete=False))


@pytest.mark.parametrize("radius", [0.1, 1.0])
def test_the_ball_of_an_exponential(radius, route):
    """f = exp(w·x) has ‖H‖ = f·‖x‖², which is largest in the direction of x."""
    model = sequential((4,), lambda: L.Dense(1, "exponential", use_bias=False))
    w = model.get_weights()[0][:, 0]
    for x, found in zip(X, curvatures(model), strict=True):
        norm = np.linalg.norm(x)
        theta = found.net.theta()
        supremum = norm**2 * np.exp(w @ x + radius * norm)
        np.testing.assert_allclose(found.in_ball(theta, radius, 1e-6), supremum, rtol=1e-6)
        found.net.assign(theta)


def test_points_where_the_hessian_overflows_are_left_out(route):
    model = sequential((4,), lambda: L.Dense(1, "exponential", use_bias=False))
    for found in curvatures(model):
        theta = found.net.theta()
        reached = found.in_ball(theta, 1e4, 1e-3)
        assert np.isfinite(reached)
        assert reached >= abs(found.top.value)


def test_a_ball_is_never_below_its_centre_and_found_values_are_norms_of_hessians():
    model = smooth()
    oracle = Oracle(model)
    rng = np.random.default_rng(1)
    for n, found in enumerate(curvatures(model)):
        theta = found.net.theta()
        reached = found.in_ball(theta, 0.5, 1e-3)
        at_random = []
        for _ in range(10):
            v = rng.standard_normal(len(oracle.theta))
            oracle.assign(theta.numpy() + 0.5 * v / np.linalg.norm(v))
            at_random.append(np.abs(np.linalg.eigvalsh(oracle.hessian(X[n : n + 1]))).max())
        found.net.assign(theta)
        assert reached >= max(abs(found.top.value), *at_random)


def test_second_derivative_against_the_oracle():
    model = smooth()
    oracle, net = Oracle(model), network(model)
    v = np.random.default_rng(2).standard_normal(net.size)
    h = sum(oracle.hessian(X[n : n + 1]) for n in range(len(X)))
    along = tf.function(lambda x, v: second_derivative(net, x, net.unflatten(v)), autograph=False)
    np.testing.assert_allclose(along(net.inputs(X), tf.constant(v)), v @ h @ v, rtol=1e-8)


def test_gradient_of_the_linearization_error_against_differences():
    net = network(smooth())
    model = LinearModel(net, net.inputs(X), net.theta())
    rng = np.random.default_rng(3)
    delta, v = rng.standard_normal((2, net.size))

    def residual(step):
        return model.residual(tf.constant(delta + step * v))

    r, gradient = model.residual_and_gradient(tf.constant(delta))
    np.testing.assert_allclose(r, residual(0.0), rtol=1e-9)
    step = 1e-5
    rise = (np.sum(residual(step) ** 2) - np.sum(residual(-step) ** 2)) / (4 * step)
    np.testing.assert_allclose(gradient.numpy() @ v, rise, rtol=1e-7)


def test_a_linear_model_has_no_residual():
    net = network(sequential((4,), lambda: L.Dense(1)))
    model = LinearModel(net, net.inputs(X), net.theta())
    r, gradient = model.residual_and_gradient(tf.ones([net.size], net.dtype))
    np.testing.assert_allclose(r, 0, atol=1e-12)
    np.testing.assert_allclose(gradient, 0, atol=1e-12)

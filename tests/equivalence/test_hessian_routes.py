"""Hessian norms and eigenvalues by every route against `eigh` of differences of the gradient, in float64."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from checking import functional, normal
from nets import Oracle, build, probes, sequential

import ntkbench as nb
from ntkbench.engine.hessian import extreme, factored

L = keras.layers


def exact(model, x, output=0):
    """Return all eigenvalues of each sample's Hessian, largest magnitude first: [N, P]."""
    oracle = Oracle(model, output)
    values = np.array([np.linalg.eigvalsh(oracle.hessian(x[n : n + 1])) for n in range(len(x))])
    return np.take_along_axis(values, np.argsort(-np.abs(values), 1), 1)


def check_norms(model, x, methods, output=0):
    expected = np.abs(exact(model, x, output)[:, 0])
    for method in methods:
        found = nb.hessian_norm(model, x, method=method, tol=1e-6, output=output)
        assert found.method == method
        assert found.value.dtype == np.float64 and found.value.shape == found.error.shape == (len(x),)
        assert found.converged.all()
        # the error bounds what Lanczos left; the differences themselves err by 1e-9
        assert (np.abs(found.value - expected) <= found.error + 1e-8 * expected).all(), method


@pytest.mark.parametrize(
    ("name", "width", "methods"),
    [
        ("fc", 4, ("factored", "hvp", "dense")),
        ("fc-bottleneck", 4, ("factored",)),
        ("cnn", 2, ("factored", "dense")),
        ("rnn", 3, ("factored",)),
        ("dag", 2, ("factored",)),
    ],
)
def test_our_architectures(name, width, methods):
    check_norms(build(name, width), probes(name, 2), methods)


def test_rows_and_cotangents_that_are_zero():
    """Zeros have no rows in the first layer; where all rectified units are off, layers before have no cotangents."""
    model = sequential(
        (3,), lambda: L.Dense(4, "softplus", use_bias=False), lambda: L.Dense(4, "relu"), lambda: L.Dense(1)
    )
    kernel, into, bias, *rest = model.get_weights()
    model.set_weights([np.abs(kernel), np.abs(into), np.full_like(bias, -0.1), *rest])
    x = np.stack([np.zeros(3), np.full(3, -50.0), normal(3)])
    values = exact(model, x)[:, 0]
    assert abs(values[0]) > 0.1 and values[1] == 0
    check_norms(model, x, ["factored", "dense"])


@pytest.mark.parametrize("rows", [1, 3])
def test_settled_inputs_are_dropped(rows, monkeypatch):
    """Where products are large, they go on with the inputs whose norms have not settled."""
    hidden = [lambda: L.Conv1D(20, 1, activation="softplus") for _ in range(2)]
    model = sequential((rows, 3), *hidden, L.Flatten, lambda: L.Dense(1))
    x = normal(48, rows, 3) * np.geomspace(0.1, 5, 48)[:, None, None]
    whole = nb.hessian_norm(model, x)
    monkeypatch.setattr(factored, "WORTH_NARROWING", 0)
    monkeypatch.setattr(extreme, "NARROWER", 2)
    sizes, built = [], factored.FactoredHessian.__init__

    def noted(self, net, structure, inputs, copies=1):
        sizes.append(len(inputs))
        built(self, net, structure, inputs, copies)

    monkeypatch.setattr(factored.FactoredHessian, "__init__", noted)
    found = nb.hessian_norm(model, x)
    assert (24 in sizes) == (rows == 1), "a basis of several rows depends on rounding"
    np.testing.assert_allclose(found.value, whole.value, rtol=1e-9)
    assert (np.abs(found.value - nb.hessian_norm(model, x, method="hvp", tol=1e-6).value) <= found.error).all()


def test_second_output_unit():
    model = sequential((3,), lambda: L.Dense(3, "tanh"), lambda: L.Dense(3, "softmax"))
    check_norms(model, normal(2, 3), ("factored", "hvp"), output=2)


class Bilinear(tf.Module):
    """f = (x·a)(x·b)², which no layer rule knows."""

    def __init__(self):
        super().__init__()
        self.a = tf.Variable([0.3, -1.2, 0.4], dtype=tf.float64)
        self.b = tf.Variable([1.1, 0.2, -0.5], dtype=tf.float64)

    def __call__(self, x):
        return tf.linalg.matvec(x, self.a)[:, None] * tf.linalg.matvec(x, self.b)[:, None] ** 2


def test_a_module():
    check_norms(Bilinear(), normal(3, 3), ("hvp", "dense"))


@pytest.mark.parametrize("normalised", [False, True])
def test_eigenpairs(normalised):
    def call(x):
        h = L.Dense(3, "tanh")(x)
        return L.Dense(1, "tanh")(L.LayerNormalization()(h) if normalised else h)

    model, x, k = functional((3,), call), normal(2, 3), 4
    values, vectors = nb.hessian_eigs(model, x, k, vectors=True, tol=1e-7)
    np.testing.assert_allclose(values, exact(model, x)[:, :k], rtol=1e-6)
    oracle = Oracle(model)
    for n in range(len(x)):
        h = oracle.hessian(x[n : n + 1])
        np.testing.assert_allclose(vectors[n] @ vectors[n].T, np.eye(k), atol=1e-8)
        residual = h @ vectors[n].T - vectors[n].T * values[n]
        assert np.abs(residual).max() <= 1e-6 * abs(values[n, 0])


def test_eigenvalues_that_are_not_there_are_zero():
    model = sequential((2,), lambda: L.Dense(1, "exponential", use_bias=False))
    x = np.array([[3.0, 4.0]])
    w = model.get_weights()[0][:, 0]
    # f = exp(w·x): rank one, with eigenvalue f·‖x‖²
    np.testing.assert_allclose(nb.hessian_eigs(model, x, 2), [[25 * np.exp(x[0] @ w), 0]], rtol=1e-9, atol=1e-9)


def test_linear_model_against_differences():
    layers = (lambda: L.Dense(4, "tanh"), lambda: L.GroupNormalization(2), lambda: L.Dense(1))
    model, x = sequential((3,), *layers), normal(2, 3)
    oracle = Oracle(model)
    linear = nb.linearize(model)
    v = normal(len(oracle.theta))
    rise = oracle.jacobian(x)[:, 0] @ v
    f0 = oracle.f(x)
    oracle.assign(oracle.theta + v)  # the linear model keeps the weights it was made at
    np.testing.assert_allclose(linear(x, oracle.split(v))[:, 0], f0 + rise, rtol=1e-9)
    np.testing.assert_array_equal(oracle.now(), oracle.theta + v)
    sides = []
    for sign in (1, -1):
        oracle.assign(oracle.theta + sign * 1e-5 * v)
        sides.append(oracle.f(x))
    np.testing.assert_allclose((sides[0] - sides[1]) / 2e-5, rise, rtol=1e-6, atol=1e-8)

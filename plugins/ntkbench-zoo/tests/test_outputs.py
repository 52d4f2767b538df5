"""Networks that differ in what comes out are their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from formulas import Weights, dense

from ntkbench import NtkbenchError
from ntkbench_zoo import outputs as zoo


def same(model, x, expected, weights, rtol=1e-10):
    np.testing.assert_allclose(model(x), expected, rtol=rtol, atol=1e-12)
    assert weights.used


def test_autoencoder(x):
    model, x = zoo.build_autoencoder(8, input_shape=(5,), seed=1, k=2), x(5)
    w = Weights(model)
    code, inner = w(), w()
    h = dense(np.tanh(dense(x, inner)), code)
    same(model, x, dense(np.tanh(dense(h, w())), w()), w)


@pytest.mark.parametrize("layers", [1, 3])
def test_coupling(layers, x):
    model, x = zoo.build_coupling(8, input_shape=(5,), seed=1, layers=layers), x(5)
    w = Weights(model)
    state = {"a": x[:, :2], "b": x[:, 2:]}
    for number in range(layers):
        read, changed = ("a", "b") if number % 2 == 0 else ("b", "a")
        outer, inner = w(), w()
        state[changed] = state[changed] + dense(np.tanh(dense(state[read], inner)), outer)
    same(model, x, state[changed][:, :1], w)
    with pytest.raises(NtkbenchError, match="at most 2 outputs, but 3 are needed"):
        zoo.build_coupling(8, input_shape=(5,), seed=1, outputs=3)


@pytest.mark.parametrize("residual", ["burgers", "linear", "gradient"])
def test_pinn_differentiates_along_a_direction(residual, x):
    model, x = zoo.build_pinn(8, input_shape=(5,), seed=1, residual=residual), x(5)
    w = Weights(model)
    first, second, last = w(), w(), w()

    def u(t):
        h = x + t / math.sqrt(5)
        return dense(np.tanh(dense(np.tanh(dense(h, first)), second)), last)

    step = 1e-3
    du = (8 * (u(step) - u(-step)) - (u(2 * step) - u(-2 * step))) / (12 * step)
    ddu = (16 * (u(step) + u(-step)) - (u(2 * step) + u(-2 * step)) - 30 * u(0)) / (12 * step**2)
    expected = {"burgers": u(0) * du - 0.1 * ddu, "linear": du - 0.1 * ddu, "gradient": du}
    same(model, x, expected[residual], w, rtol=1e-7)


def features(x, w):
    outer, inner = w(), w()
    return np.tanh(dense(np.tanh(dense(x, inner)), outer))


def test_vae_decoder(x):
    model, x = zoo.build_vae_decoder(8, input_shape=(5,), seed=1, k=2), x(5)
    w = Weights(model)
    h = features(x[:, :2], w)
    same(model, x, dense(h, w()), w)


@pytest.mark.parametrize(("temperature", "trained"), [("fixed", 3), ("trained", 4)])
def test_cosine(temperature, trained, x):
    model, x = zoo.build_cosine(8, input_shape=(5,), seed=1, temperature=temperature), x(5)
    assert len(model.trainable_variables) == trained
    w = Weights(model)
    h, v, gain = features(x, w), w("WeightNormDense"), w("WeightNormDense", "gain")
    assert gain == 1
    expected = math.sqrt(8) * (h @ v) / np.linalg.norm(v) / np.linalg.norm(h, axis=1, keepdims=True)
    same(model, x, expected, w)


def test_product(x):
    model, x = zoo.build_product(8, input_shape=(5,), seed=1), x(5)
    w, f = Weights(model), []
    for _ in range(2):
        h = features(x, w)
        f.append(dense(h, w()))
    same(model, x, f[0] * f[1], w)


def test_unit_norm(x):
    model, x = zoo.build_unit_norm(8, input_shape=(5,), seed=1), x(5)
    w = Weights(model)
    h = features(x, w)
    f, g = dense(h, w()), dense(h, w())
    same(model, x, f / np.hypot(f, g), w)

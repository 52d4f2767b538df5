"""Dense networks are their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from formulas import Weights, dense, flat, sigmoid

from ntkbench import NtkbenchError
from ntkbench_zoo import dense as zoo


def same(model, x, expected, weights):
    np.testing.assert_allclose(model(x), expected, rtol=1e-10, atol=1e-12)
    assert weights.used


def test_sparse(x):
    model, x = zoo.build_sparse(8, input_shape=(5,), seed=1, degree=3), x(5)
    w, rng = Weights(model), np.random.default_rng(1)
    h = np.tanh(dense(x, w()))
    for _ in range(2):
        read, kernel = rng.integers(8, size=24).reshape(8, 3), w("BlockDense")
        h = np.tanh(np.stack([h[:, read[i]] @ kernel[i, :, 0] for i in range(8)], 1) / math.sqrt(3))
    same(model, x, dense(h, w()), w)


def test_deep(x):
    model, x = zoo.build_deep(24, input_shape=(5,), seed=1), x(5)
    w = Weights(model)
    h = x
    for _ in range(3):
        h = np.maximum(dense(h, w()), 0) * math.sqrt(2)
    same(model, x, dense(h, w()), w)
    with pytest.raises(NtkbenchError, match="Width 20 does not fit: depth is width/8; use a multiple of 8"):
        zoo.build_deep(20, input_shape=(5,), seed=1)


def test_deep_residual(x):
    model, x = zoo.build_deep_residual(24, input_shape=(5,), seed=1), x(5)
    w = Weights(model)
    h = np.tanh(dense(x, w()))
    for _ in range(3):
        h = h + np.tanh(dense(h, w())) / math.sqrt(3)
    same(model, x, dense(h, w()), w)


@pytest.mark.parametrize(("build", "gains"), [(zoo.build_rezero, 1), (zoo.build_layerscale, 8)])
def test_gained_branches(build, gains, x):
    model, x = build(8, input_shape=(5,), seed=1), x(5)
    for layer in model.layers:
        if hasattr(layer, "gain"):
            np.testing.assert_array_equal(layer.gain, np.ones(gains))
            layer.gain.assign(np.linspace(0.5, 2, gains))
    w = Weights(model)
    h = np.tanh(dense(x, w()))
    for _ in range(2):
        h = h + w("Gain", "gain") * np.tanh(dense(h, w()))
    same(model, x, dense(h, w()), w)


@pytest.mark.parametrize(("rank", "size"), [(4, 4), ("grow", 2)])
def test_lora(rank, size, x):
    model, x = zoo.build_lora(16, input_shape=(5,), seed=1, rank=rank), x(5)
    assert len(model.trainable_variables) == 4 and len(model.non_trainable_variables) == 3
    rng = np.random.default_rng(2)
    up = [v for v in model.trainable_variables if v.shape == (size, 16)]
    assert len(up) == 2
    for variable in up:
        np.testing.assert_array_equal(variable, 0)
        variable.assign(rng.standard_normal(variable.shape))
    w, h = Weights(model), x
    for _ in range(2):
        b, a, frozen = w(), w(), w()
        assert a.shape == (h.shape[1], size)
        h = np.tanh(dense(h, frozen) + dense(h, a) @ b / math.sqrt(size))
    same(model, x, dense(h, w()), w)


def test_soft_trees(x):
    model, x = zoo.build_soft_trees(4, input_shape=(5,), seed=1), x(5)
    w = Weights(model)
    left, total = sigmoid(dense(x, w())), 0
    leaves = w().reshape(4, 4)
    for tree in range(4):
        root, first, second = left[:, 3 * tree : 3 * tree + 3].T
        reached = [root * first, root * (1 - first), (1 - root) * second, (1 - root) * (1 - second)]
        np.testing.assert_allclose(sum(reached), 1)
        total = total + sum(p * leaf for p, leaf in zip(reached, leaves[tree], strict=True))
    same(model, x, flat(total / 2), w)


def test_maxout(x):
    model, x = zoo.build_maxout(8, input_shape=(5,), seed=1, pieces=3), x(5)
    w, h = Weights(model), x
    for _ in range(2):
        kernel = w()
        h = np.max([dense(h, kernel[:, piece::3]) for piece in range(3)], axis=0)
    same(model, x, dense(h, w()), w)


@pytest.mark.parametrize(("primary", "units"), [(3, 3), ("grow", 8)])
def test_hyper(primary, units, x):
    model, x = zoo.build_hyper(8, input_shape=(5,), seed=1, primary=primary), x(5)
    w = Weights(model)
    outer, inner = w(), w()
    h = np.tanh(dense(np.tanh(dense(x[:, :2], inner)), outer))
    first, last = dense(h, w()).reshape(3, units, 3), dense(h, w()).reshape(3, units)
    expected = [last[n] @ np.tanh(first[n] @ x[n, 2:] / math.sqrt(3)) / math.sqrt(units) for n in range(3)]
    same(model, x, np.array(expected)[:, None], w)


def test_kan(x):
    model, x = zoo.build_kan(8, input_shape=(5,), seed=1), x(5)
    w, h = Weights(model), x
    for _ in range(3):
        kernel = w()
        c = kernel.reshape(h.shape[1], 6, -1)
        basis = [np.exp(-((h - t) ** 2) / 0.8) for t in (-2, -1.2, -0.4, 0.4, 1.2, 2)]
        h = sum(b @ c[:, g] for g, b in enumerate(basis)) / math.sqrt(6 * h.shape[1])
    same(model, x, h, w)


def test_siren(x):
    model, x = zoo.build_siren(8, input_shape=(5,), seed=1), x(5)
    w = Weights(model)
    outer, inner = w(), w()
    same(model, x, dense(np.sin(dense(np.sin(30 * dense(x, inner)), outer)), w()), w)


def test_equilibrium(x):
    model, x = zoo.build_equilibrium(8, input_shape=(5,), seed=1), x(5)
    w = Weights(model)
    given, recurrent, h = w(), w(), np.zeros((3, 8))
    for _ in range(12):
        h = np.tanh(0.5 * dense(h, recurrent) + dense(x, given))
    same(model, x, dense(h, w()), w)


@pytest.mark.parametrize(("state", "size"), [("grow", 16), (4, 4)])
def test_neural_ode(state, size, x):
    model, x = zoo.build_neural_ode(16, input_shape=(5,), seed=1, state=state), x(5)
    w = Weights(model)
    h, up, down = dense(x, w()), w(), w()
    assert up.shape == (size, 16) and down.shape == (16, size)
    for _ in range(8):
        h = h + dense(np.tanh(dense(h, up)), down) / 8
    same(model, x, dense(h, w()), w)


@pytest.mark.parametrize("output", ["plain", "normalised"])
def test_weight_norm(output, x):
    model, x = zoo.build_weight_norm(8, input_shape=(5,), seed=1, output=output), x(5)
    for number, layer in enumerate(layer for layer in model.layers if hasattr(layer, "gain")):
        layer.gain.assign(np.linspace(1, 2, layer.units) + number)
    w = Weights(model)

    def normalised(h, v, g):
        return g * (h @ v) / np.linalg.norm(v, axis=0)

    kind = "WeightNormDense"
    (outer, inner), (gain, first) = ((w(kind, name), w(kind, name)) for name in ("kernel", "gain"))
    h = np.tanh(normalised(np.tanh(normalised(x, inner, first)), outer, gain))
    last = normalised(h, w(kind), w(kind, "gain")) if output == "normalised" else dense(h, w())
    same(model, x, last, w)


def test_block_diagonal(x):
    model, x = zoo.build_block_diagonal(8, input_shape=(5,), seed=1, block=4), x(5)
    w = Weights(model)
    h = np.tanh(dense(x, w()))
    for _ in range(2):
        first, second = w("BlockDense")
        h = np.tanh(np.concatenate([dense(h[:, :4], first), dense(h[:, 4:], second)], 1))
    same(model, x, dense(h, w()), w)


@pytest.mark.parametrize(("slope", "size"), [("shared", 1), ("own", 8)])
def test_prelu(slope, size, x):
    model, x = zoo.build_prelu(8, input_shape=(5,), seed=1, slope=slope), x(5)
    for layer in model.layers:
        if hasattr(layer, "gain"):
            np.testing.assert_array_equal(layer.gain, np.full(size, 0.25))
            layer.gain.assign(np.linspace(0.1, 0.9, size))
    w, h = Weights(model), x
    for _ in range(2):
        z = dense(h, w())
        h = np.log1p(np.exp(z)) - w("Gain", "gain") * np.log1p(np.exp(-z))
    same(model, x, dense(h, w()), w)


@pytest.mark.parametrize(("k", "size"), [("grow", 8), (3, 3)])
def test_film(k, size, x):
    model, x = zoo.build_film(8, input_shape=(5,), seed=1, k=k), x(5)
    w = Weights(model)
    s, h = np.tanh(dense(x[:, :2], w())), x[:, 2:]
    assert s.shape == (3, size)
    for _ in range(2):
        h = np.tanh(dense(h, w()) * (1 + dense(s, w())) + dense(s, w()))
    same(model, x, dense(h, w()), w)


def test_ensemble(x):
    model, x = zoo.build_ensemble(3, input_shape=(5,), seed=1), x(5)
    w = Weights(model)
    # Keras numbers layers by type, and the first dense layer is the input's.
    first, blocks, last = w(), w("BlockDense"), w()
    total = 0
    for member in range(3):
        part = slice(4 * member, 4 * member + 4)
        total = total + dense(np.tanh(dense(np.tanh(dense(x, first[:, part])), blocks[member])), last[part])
    same(model, x, total / math.sqrt(3), w)


def test_albert(x):
    model, x = zoo.build_albert(8, input_shape=(5,), seed=1), x(5)
    w = Weights(model)
    h, shared = np.tanh(dense(x, w())), w()
    for _ in range(3):
        h = np.tanh(dense(h, shared))
    same(model, x, dense(h, w()), w)


@pytest.mark.parametrize("outputs", [1, 2])
def test_icnn(outputs, x):
    model, x = zoo.build_icnn(8, input_shape=(5,), outputs=outputs, seed=1), x(5)
    softplus = lambda z: np.log1p(np.exp(z))  # noqa: E731
    w = Weights(model)
    first, direct = w(), w()
    inner, outer = (softplus(w("Gain", "gain")).reshape(-1, 8) / 8 for _ in range(2))
    h = softplus(softplus(dense(x, first)) @ inner.T + dense(x, direct))
    same(model, x, h @ outer.T, w)


def test_icnn_is_convex(x):
    model, (a, b, _) = zoo.build_icnn(8, input_shape=(5,), seed=1), x(5)
    f = np.ravel(model(a + np.linspace(-3, 3, 13)[:, None] * b))
    assert np.all(np.diff(f, 2) > 0)

"""Recurrent networks and state-space models are their recursions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from formulas import Weights, dense, flat, gelu, norm, sigmoid

from ntkbench import NtkbenchError
from ntkbench_zoo import recurrent as zoo

T, A = 5, 3


def same(model, x, expected, weights):
    np.testing.assert_allclose(model(x), expected, rtol=1e-10, atol=1e-12)
    assert weights.used


def mlp(w, h):
    outer, inner = w(), w()
    return h + dense(gelu(dense(norm(h), inner)), outer)


def spread(model):
    """Move all gains away from their initial values."""
    rng = np.random.default_rng(5)
    for layer in model.layers:
        if hasattr(layer, "gain"):
            layer.gain.assign(layer.gain * np.exp(0.3 * rng.standard_normal(layer.gain.shape)))


def test_echo_state(x):
    model, x = zoo.build_echo_state(8, input_shape=(T, A), seed=1), x(T, A)
    assert [v.shape for v in model.trainable_variables] == [(8, 1)]
    w = Weights(model)
    inputs, recurrent, h = w(), w(), np.zeros((3, 8))
    for t in range(T):
        h = np.tanh(dense(h, recurrent) + dense(x[:, t], inputs))
    same(model, x, dense(h, w()), w)


def test_s4d(x):
    model, x = zoo.build_s4d(8, input_shape=(T, A), seed=1), x(T, A)
    starts = [np.asarray(layer.gain).reshape(8, 4) for layer in model.layers if hasattr(layer, "gain")]
    assert any(np.allclose(start, 0.5) for start in starts)
    assert any(np.allclose(start, math.pi * np.arange(1, 5) / T) for start in starts)
    spread(model)
    w = Weights(model)
    u = dense(x, w())
    a, b, c = (w("Gain", "gain").reshape(8, 4) for _ in range(3))
    time = np.arange(T)[:, None, None]
    kernel = np.sum(c * np.exp(-a * time) * np.cos(b * time), -1) / 2  # [T, m]
    normal = norm(u)
    y = np.stack([sum(kernel[t - s] * normal[:, s] for s in range(t + 1)) for t in range(T)], 1)
    h = mlp(w, u + dense(y, w()))
    same(model, x, dense(flat(h), w()), w)


@pytest.mark.parametrize(
    ("heads", "number", "state", "size"), [(1, 1, 4, 4), (4, 4, 3, 3), ("grow", 2, 4, 4), (1, 1, "grow", 2)]
)
def test_mamba_is_a_selective_recursion(heads, number, state, size, x):
    model, x = zoo.build_mamba(16, input_shape=(T, A), seed=1, heads=heads, state=state), x(T, A)
    spread(model)
    w = Weights(model)
    h = dense(x, w())
    normal = norm(h)
    u, gate = dense(normal, w()), dense(normal, w())
    gate, delta = gate * sigmoid(gate), np.log1p(np.exp(dense(normal, w())))
    b, c = (dense(normal, w()).reshape(3, T, number, size).repeat(16 // number, 2) for _ in range(2))
    a = w("Gain", "gain").reshape(16, size)
    s, y = np.zeros((3, 16, size)), []
    for t in range(T):
        s = np.exp(-a * delta[:, t, :, None]) * s + (u * delta)[:, t, :, None] * b[:, t]
        y.append(np.sum(c[:, t] * s, -1) / math.sqrt(size))
    h = mlp(w, h + np.stack(y, 1) * gate)
    same(model, x, dense(flat(h), w()), w)


def test_rwkv(x):
    model, x = zoo.build_rwkv(8, input_shape=(T, A), seed=1), x(T, A)
    spread(model)
    w = Weights(model)
    h = dense(x, w())
    normal = norm(h)
    k, v, r = (dense(normal, w()) for _ in range(3))
    rate = w("Gain", "gain")
    top = bottom = np.zeros((3, 8))
    y = []
    for t in range(T):
        top, bottom = (np.exp(-rate) * old + np.exp(k[:, t]) * new for old, new in ((top, v[:, t]), (bottom, 1)))
        y.append(top / bottom)
    h = mlp(w, h + dense(sigmoid(r) * np.stack(y, 1), w()))
    same(model, x, dense(flat(h), w()), w)


def test_tcn(x):
    model, x = zoo.build_tcn(8, input_shape=(T, A), seed=1), x(T, A)
    w, h = Weights(model), x
    for lag in (1, 2):
        now, before = w(), w()
        out = h @ now
        out[:, lag:] += h[:, :-lag] @ before
        h = np.tanh(out / math.sqrt(2 * h.shape[2]))
    same(model, x, dense(flat(h), w()), w)


def test_lru_is_a_complex_recursion(x):
    model, x = zoo.build_lru(8, input_shape=(T, A), seed=1), x(T, A)
    w = Weights(model)
    u = dense(x, w())
    a, b = w("Gain", "gain"), w("Gain", "gain")
    assert np.all((a >= 0.05) & (a <= 0.5)) and np.all((b >= 0) & (b <= math.pi))
    given, h, y = dense(norm(u), w()), np.zeros((3, 8), complex), []
    for t in range(T):
        h = np.exp(-a + 1j * b) * h + given[:, t]
        y.append(h.real)
    same(model, x, dense(flat(u + dense(np.stack(y, 1), w())), w()), w)


def test_birnn(x):
    model, x = zoo.build_birnn(8, input_shape=(T, A), seed=1), x(T, A)
    w, ends = Weights(model), []
    for order in (1, -1):
        inputs, recurrent, h = w(), w(), np.zeros((3, 8))
        for t in range(T)[::order]:
            h = np.tanh(dense(h, recurrent) + dense(x[:, t], inputs))
        ends.append(h)
    same(model, x, dense(flat(np.stack(ends, 1)), w()), w)


@pytest.mark.parametrize(("heads", "number"), [(4, 4), ("grow", 2)])
def test_mlstm_is_a_recursion_of_matrices(heads, number, x):
    model, x = zoo.build_mlstm(16, input_shape=(T, A), seed=1, heads=heads), x(T, A)
    w, d = Weights(model), 16 // number
    h = dense(x, w())
    normal = norm(h)
    q, k, v = (dense(normal, w()).reshape(3, T, number, d) for _ in range(3))
    enter, forget = np.exp(dense(normal, w()) / 2), sigmoid(dense(normal, w()) / 2)
    out, gate = w(), w()
    memory, total, y = np.zeros((3, number, d, d)), np.zeros((3, number, d)), []
    for t in range(T):
        i, f, key = enter[:, t, :, None], forget[:, t, :, None], k[:, t] / math.sqrt(d)
        memory = f[..., None] * memory + i[..., None] * v[:, t, :, :, None] * key[:, :, None, :]
        total = f * total + i * key
        size = np.sqrt(1 + np.sum(total * q[:, t], -1, keepdims=True) ** 2)
        y.append((memory @ q[:, t, :, :, None])[..., 0] / size)
    read = np.stack(y, 1).reshape(3, T, 16)
    same(model, x, dense(flat(h + dense(sigmoid(dense(normal, gate)) * read, out)), w()), w)


def test_slstm_is_a_recursion(x):
    model, x = zoo.build_slstm(16, input_shape=(T, A), seed=1), x(T, A)
    w = Weights(model)
    u = dense(x, w())
    inputs, recurrent = [w() for _ in range(4)], [w("BlockDense") for _ in range(4)]
    c = n = y = np.zeros((3, 16))
    read = []
    for t in range(T):
        z, i, f, o = (
            dense(norm(u)[:, t], now) + np.concatenate([dense(y[:, :8], before[0]), dense(y[:, 8:], before[1])], 1)
            for now, before in zip(inputs, recurrent, strict=True)
        )
        c, n = (sigmoid(f) * old + np.exp(i) * new for old, new in ((c, np.tanh(z)), (n, 1)))
        y = sigmoid(o) * c / n
        read.append(y)
    same(model, x, dense(flat(u + dense(np.stack(read, 1), w())), w()), w)
    with pytest.raises(NtkbenchError, match="Width 12 does not fit: heads have 8 channels; use a multiple of 8"):
        zoo.build_slstm(12, input_shape=(T, A), seed=1)

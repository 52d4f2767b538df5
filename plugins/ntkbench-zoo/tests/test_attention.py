"""Networks that mix tokens are their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from formulas import Weights, dense, flat, gelu, norm, softmax

from ntkbench import NtkbenchError
from ntkbench_zoo import attention as zoo

T, A = 5, 3


def same(model, x, expected, weights):
    np.testing.assert_allclose(model(x), expected, rtol=1e-10, atol=1e-12)
    assert weights.used


def mlp(w, h):
    outer, inner = w(), w()
    return h + dense(gelu(dense(norm(h), inner)), outer)


def heads_of(z, heads):
    return np.split(z, heads, axis=-1)


def attended(w, h, heads, weigh):
    q, k, v = (heads_of(dense(h, w()), heads) for _ in range(3))
    d = q[0].shape[-1]
    mixed = [weigh(a @ b.transpose(0, 2, 1) / math.sqrt(d)) @ c for a, b, c in zip(q, k, v, strict=True)]
    return np.concatenate(mixed, -1)


@pytest.mark.parametrize(("heads", "number"), [(4, 4), ("grow", 2)])
def test_linear_attention(heads, number, x):
    model, x = zoo.build_linear_attention(16, input_shape=(T, A), seed=1, heads=heads), x(T, A)
    w = Weights(model)
    h = dense(x, w())
    mixed = attended(w, norm(h), number, lambda scores: scores / T)
    same(model, x, dense(flat(h + dense(mixed, w())), w()), w)


def attention(w, h, heads, weigh):
    q, k, v = (w() for _ in range(3))
    out, parts = w(), iter((q, k, v))
    return dense(attended(lambda: next(parts), norm(h), heads, weigh), out)


def causal(scores):
    return softmax(np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf))


def test_decoder():
    model = zoo.build_decoder(16, input_shape=(T,), seed=1, vocabulary=7)
    tokens = np.random.default_rng(0).integers(7, size=(3, T))
    w = Weights(model)
    embedding, positions = w(), w()
    h = embedding[tokens] + positions
    h = h + attention(w, h, 4, causal)
    same(model, tokens, dense(mlp(w, h)[:, -1], w()), w)


def test_decoder_reads_the_last_valid_token():
    shapes = {"token_ids": (T,), "padding_mask": (T,)}
    padded = zoo.build_decoder(16, input_shape=shapes, seed=1, vocabulary=7)
    tokens = np.random.default_rng(0).integers(7, size=(3, T))
    mask = np.arange(T) < np.array([[T], [2], [1]])
    found = padded({"token_ids": np.where(mask, tokens, 0), "padding_mask": mask})
    # Positions are trained for T steps, so the shorter sequences are read off longer ones that end alike.
    plain = zoo.build_decoder(16, input_shape=(T,), seed=1, vocabulary=7)
    plain.set_weights(padded.get_weights())
    w = Weights(plain)
    embedding, positions = w(), w()
    h = embedding[tokens] + positions
    h = mlp(w, h + attention(w, h, 4, causal))
    last = h[np.arange(3), mask.sum(1) - 1]
    np.testing.assert_allclose(found, dense(last, w()), rtol=1e-10)


def test_vit(x):
    model, x = zoo.build_vit(16, input_shape=(4, 6, 2), seed=1), x(4, 6, 2)
    w = Weights(model)
    patches = [x[:, i : i + 2, j : j + 2].reshape(3, -1) for i in (0, 2) for j in (0, 2, 4)]
    embedded = dense(np.stack(patches, 1), w())
    first, positions = w(), w()
    h = np.concatenate([np.broadcast_to(first, (3, 1, 16)), embedded], 1) + positions
    h = h + attention(w, h, 4, softmax)
    same(model, x, dense(mlp(w, h)[:, 0], w()), w)
    with pytest.raises(NtkbenchError, match="the image is cut into patches; use a multiple of 2"):
        zoo.build_vit(16, input_shape=(5, 4, 1), seed=1)


def test_fnet(x):
    model, x = zoo.build_fnet(8, input_shape=(T, A), seed=1), x(T, A)
    w = Weights(model)
    u = dense(x, w())
    h = mlp(w, u + np.fft.fft2(u, axes=(1, 2), norm="ortho").real)
    same(model, x, dense(flat(h), w()), w)


def test_heads_that_do_not_fit():
    with pytest.raises(NtkbenchError, match="Width 12 does not fit: heads=grow takes 8 channels each"):
        zoo.build_linear_attention(12, input_shape=(T, A), seed=1, heads="grow")
    with pytest.raises(NtkbenchError, match="Width 9 does not fit: 4 heads share the channels evenly"):
        zoo.build_linear_attention(9, input_shape=(T, A), seed=1)


def over_steps(h, w):
    return np.einsum("ts,ntc->nsc", w, h) / math.sqrt(T)


def test_gmlp(x):
    model, x = zoo.build_gmlp(8, input_shape=(T, A), seed=1), x(T, A)
    w = Weights(model)
    h = dense(x, w())
    u, v = gelu(dense(norm(h), w())), gelu(dense(norm(h), w()))
    outer, mixing = w(), w()
    h = h + dense(u * (over_steps(norm(v), mixing) + 1), outer)
    same(model, x, dense(flat(h), w()), w)


def test_token_mix(x):
    model, x = zoo.build_token_mix(8, input_shape=(T, A), seed=1), x(T, A)
    w = Weights(model)
    u = dense(x, w())
    h = mlp(w, u + over_steps(norm(u), w()))
    same(model, x, dense(flat(h), w()), w)


def test_perceiver(x):
    model, x = zoo.build_perceiver(16, input_shape=(T, A), seed=1, latents=3), x(T, A)
    w = Weights(model)
    u = norm(dense(x, w()))
    latents = w()
    q, k, v = (dense(each, w()) for each in (norm(latents), u, u))
    parts = []
    for head in range(4):
        c = slice(4 * head, 4 * head + 4)
        parts.append(softmax(np.einsum("lc,nsc->nls", q[:, c], k[..., c]) / 2) @ v[..., c])
    h = mlp(w, latents + dense(np.concatenate(parts, -1), w()))
    same(model, x, dense(flat(h), w()), w)


@pytest.mark.parametrize(("heads", "number"), [(4, 4), ("grow", 2)])
def test_retnet(heads, number, x):
    model, x = zoo.build_retnet(16, input_shape=(T, A), seed=1, heads=heads), x(T, A)
    w = Weights(model)
    h = dense(x, w())
    head = iter(range(number))
    lag = np.arange(T)[:, None] - np.arange(T)

    def decayed(scores):
        return scores * np.where(lag >= 0, (1 - 2.0 ** (-5 - next(head))) ** np.maximum(lag, 0), 0)

    q, k, v, out = (w() for _ in range(4))
    parts = iter((q, k, v))
    h = h + dense(attended(lambda: next(parts), norm(h), number, decayed), out)
    same(model, x, dense(flat(mlp(w, h)), w()), w)


def test_attention_bias(x):
    model, x = zoo.build_attention_bias(16, input_shape=(T, A), seed=1), x(T, A)
    w = Weights(model)
    h = dense(x, w())
    q, k, v, bias, out = (w() for _ in range(5))
    assert bias.shape == (T, T)
    parts = iter((q, k, v))
    # `attended` divides by √d = 2, and the network by d.
    h = h + dense(attended(lambda: next(parts), norm(h), 4, lambda scores: softmax(scores / 2 + bias)), out)
    same(model, x, dense(flat(mlp(w, h)), w()), w)


@pytest.mark.parametrize("pool", ["attention", "mean"])
def test_attention_pool(pool, x):
    model, x = zoo.build_attention_pool(8, input_shape=(T, A), seed=1, pool=pool), x(T, A)
    w = Weights(model)
    h = np.tanh(dense(x, w()))
    shares = softmax(dense(h, w())[..., 0]) if pool == "attention" else np.full((3, T), 1 / T)
    same(model, x, dense(np.einsum("nt,ntc->nc", shares, h), w()), w)


def test_bert(x):
    model, x = zoo.build_bert(16, input_shape=(T, A), seed=1), x(T, A)
    w = Weights(model)
    h = dense(x, w())
    q, k, v, out = (w() for _ in range(4))
    parts = iter((q, k, v))
    h = norm(h + dense(attended(lambda: next(parts), h, 4, softmax), out))
    outer, inner = w(), w()
    h = norm(h + dense(gelu(dense(h, inner)), outer))
    same(model, x, dense(flat(h), w()), w)


def test_tied_embedding():
    model = zoo.build_tied_embedding(8, input_shape=(T,), seed=1, vocabulary=7)
    tokens = np.random.default_rng(0).integers(7, size=(3, T))
    w = Weights(model)
    embedding, hidden = w(), w()
    e = embedding[tokens]
    h = np.tanh(dense(e, hidden))
    expected = sum(np.sum(h[:, t] * e[:, t + 1], -1) for t in range(T - 1)) / math.sqrt(8) / math.sqrt(T - 1)
    same(model, tokens, expected[:, None], w)
    shapes = {"token_ids": (T,), "padding_mask": (T,)}
    padded = zoo.build_tied_embedding(8, input_shape=shapes, seed=1, vocabulary=7)
    mask = np.arange(T) < np.array([[T], [2], [1]])
    found = padded({"token_ids": np.where(mask, tokens, 0), "padding_mask": mask})
    np.testing.assert_allclose(found[1, 0], np.sum(h[1, 0] * e[1, 1]) / math.sqrt(8), rtol=1e-10)
    np.testing.assert_array_equal(found[2], 0)


def test_set_transformer(x):
    model, x = zoo.build_set_transformer(16, input_shape=(T, A), seed=1, points=3), x(T, A)
    w = Weights(model)

    def read(h, of):
        q, k, v, out = (w() for _ in range(4))
        q, k, v = h @ q / 4, of @ k / 4, of @ v / 4
        parts = []
        for head in range(4):
            c = slice(4 * head, 4 * head + 4)
            parts.append(softmax(q[..., c] @ k[..., c].transpose(0, 2, 1) / 2) @ v[..., c])
        return dense(np.concatenate(parts, -1), out)

    h = dense(x, w())
    points = np.broadcast_to(w(), (3, 3, 16))
    points = points + read(norm(points), norm(h))
    h = h + read(norm(h), norm(points))
    inner = w()
    same(model, x, dense(gelu(dense(norm(h), inner)).mean(1), w()), w)

"""Graph networks are their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from formulas import Weights, dense, flat, softmax

from ntkbench_zoo import graphs as zoo

SHAPES = {"nodes": (4, 3), "adjacency": (4, 4)}


def drawn():
    rng = np.random.default_rng(0)
    upper = np.triu(rng.random((3, 4, 4)) < 0.5, 1)
    return {"nodes": rng.standard_normal((3, 4, 3)), "adjacency": (upper | upper.transpose(0, 2, 1)).astype(float)}


def neighbours(adjacency):
    looped = adjacency + np.eye(4)
    root = np.sqrt(looped.sum(2))
    return looped / root[:, :, None] / root[:, None]


def test_gcn():
    model, x = zoo.build_gcn(8, input_shape=SHAPES, seed=1), drawn()
    w, h = Weights(model), x["nodes"]
    for _ in range(2):
        h = np.tanh(dense(neighbours(x["adjacency"]) @ h, w()))
    np.testing.assert_allclose(model(x), dense(flat(h), w()), rtol=1e-10)
    assert w.used


def test_gin():
    model, x = zoo.build_gin(8, input_shape=SHAPES, seed=1), drawn()
    for layer in model.layers:
        if hasattr(layer, "gain"):
            np.testing.assert_array_equal(layer.gain, [0])
            layer.gain.assign([0.3])
    w, h = Weights(model), x["nodes"]
    for _ in range(2):
        h = (1 + w("Gain", "gain")) * h + neighbours(x["adjacency"]) @ h
        outer, inner = w(), w()
        h = np.tanh(dense(np.tanh(dense(h, inner)), outer))
    np.testing.assert_allclose(model(x), dense(flat(h), w()), rtol=1e-10)
    assert w.used


@pytest.mark.parametrize(("heads", "number"), [(4, 4), ("grow", 2)])
def test_gat(heads, number):
    model, x = zoo.build_gat(16, input_shape=SHAPES, seed=1, heads=heads), drawn()
    w, h, d = Weights(model), x["nodes"], 16 // number
    allowed = x["adjacency"] + np.eye(4) > 0
    for _ in range(2):
        v, source, target = dense(h, w()), w("BlockDense"), w("BlockDense")
        heads_out = []
        for head in range(number):
            part = v[..., d * head : d * head + d]
            logits = dense(part, source[head]) + dense(part, target[head]).transpose(0, 2, 1)
            logits = 0.2 * logits + 0.8 * np.log1p(np.exp(logits))
            heads_out.append(softmax(np.where(allowed, logits, -np.inf)) @ part)
        h = np.tanh(np.concatenate(heads_out, -1))
    np.testing.assert_allclose(model(x), dense(flat(h), w()), rtol=1e-10)
    assert w.used


def test_deepsets(x):
    model, x = zoo.build_deepsets(8, input_shape=(4, 3), seed=1), x(4, 3)
    w = Weights(model)
    mean = np.tanh(dense(x, w())).mean(1)
    np.testing.assert_allclose(model(x), dense(np.tanh(dense(mean, w())), w()), rtol=1e-10)
    assert w.used

"""Graph networks are their formulas."""

from __future__ import annotations

import numpy as np
from formulas import Weights, dense, flat

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

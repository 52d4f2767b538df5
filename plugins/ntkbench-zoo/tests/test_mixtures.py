"""Mixtures of experts are their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from formulas import Weights, dense, softmax

from ntkbench_zoo import mixtures as zoo


@pytest.mark.parametrize(("experts", "number", "hidden"), [(3, 3, 16), ("grow", 16, 8)])
def test_mixture(experts, number, hidden, x):
    model, x = zoo.build_mixture(16, input_shape=(5,), seed=1, experts=experts, outputs=2), x(5)
    w = Weights(model)
    shares = softmax(dense(x, w()) / 2)
    features, out = np.tanh(dense(x, w())), w("BlockDense")
    assert out.shape == (number, hidden, 2)
    parts = np.split(features, number, axis=-1)
    total = sum(shares[:, e : e + 1] * number * parts[e] @ out[e] / math.sqrt(hidden) for e in range(number))
    np.testing.assert_allclose(model(x), total / math.sqrt(number), rtol=1e-10)
    assert w.used


@pytest.mark.parametrize("route", ["top", "hash"])
def test_one_expert_for_each_input(route, x):
    model, x = zoo.build_mixture(8, input_shape=(5,), seed=1, experts=3, route=route), x(5)
    w = Weights(model)
    if route == "top":
        p = softmax(dense(x, w()) / 2)
        chosen, factor = p.argmax(-1), p.max(-1)
    else:
        chosen, factor = (x @ np.random.default_rng(1).standard_normal((5, 3))).argmax(-1), np.ones(3)
    features, out = np.tanh(dense(x, w())), w("BlockDense")
    expected = [factor[n] * features[n, 8 * e : 8 * e + 8] @ out[e] / math.sqrt(8) for n, e in enumerate(chosen)]
    np.testing.assert_allclose(model(x), expected, rtol=1e-10)
    assert w.used

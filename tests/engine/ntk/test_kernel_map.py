"""The map w -> K(w): its derivatives are checked once, not at every weight that a search visits."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from checking import normal
from keras import ops

from ntkbench.engine.checks import guard
from ntkbench.engine.model import network
from ntkbench.engine.ntk import KernelMap
from ntkbench.engine.search import WeightedOutput


class Leaky(keras.layers.Layer):
    """Written so that two kinks meet at 0, which is looked at wherever derivatives are taken."""

    def call(self, h):
        return ops.maximum(h, 0.0) - 0.1 * ops.maximum(-h, 0.0)


@pytest.fixture
def looked(monkeypatch):
    """How often kinks that meet are looked for, by order."""
    orders = []
    original = guard.meeting_kinks
    monkeypatch.setattr(
        guard, "meeting_kinks", lambda chain, x, order: orders.append(order) or original(chain, x, order)
    )
    return orders


@pytest.mark.parametrize("made", [KernelMap, WeightedOutput])
def test_second_derivatives_are_checked_once(made, looked):
    net = network(keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), Leaky(), keras.layers.Dense(1)]))
    x, w, rng = net.inputs(normal(3, 5)), net.theta(), np.random.default_rng(0)
    subject = made(net, x)
    seen = []
    for _ in range(4):
        at = w + 0.01 * rng.standard_normal(net.size).astype("float32")
        if made is KernelMap:
            subject.kernel_and_gradient(at, np.eye(3))
        else:
            subject.gradient_and_product(at, np.ones(3), w)
        seen.append(looked.count(2))
    assert seen[0] > 0 and seen == [seen[0]] * 4


def test_change_is_the_difference_of_gradients_on_both_sides():
    net = network(keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)]))
    output, w = WeightedOutput(net, net.inputs(normal(3, 5))), net.theta().numpy()
    c, deviation, seed = np.array([1.0, -2.0, 0.5]), 0.3 * np.ones_like(w), np.array([3, 4])
    found = output.change(w, c, deviation, seed, 2.0)
    at = w + deviation * tf.random.stateless_normal(w.shape, seed).numpy()
    u = output.gradient(at, c).numpy()
    u *= 2 / np.linalg.norm(u)
    expected = output.gradient(at + u, c).numpy() - output.gradient(at - u, c).numpy()
    assert np.linalg.norm(expected) > 0 and np.allclose(found, expected, atol=1e-6 * np.abs(expected).max())

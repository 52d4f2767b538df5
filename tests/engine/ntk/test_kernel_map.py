"""The map w -> K(w): what it compiles, and that its derivatives are checked once, not at every weight of a search."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from checking import normal
from keras import ops
from nets import Oracle, build, probes, sequential

from ntkbench.cache_folder import CacheFolder
from ntkbench.engine.checks import guard
from ntkbench.engine.model import network
from ntkbench.engine.ntk import KernelMap
from ntkbench.engine.ops import Saved
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


@pytest.mark.parametrize("name", ["fc", "cnn", "attention", "rnn"])
def test_the_kernel_is_part_of_the_trace_of_its_gradient(name):
    alone, with_gradient = (
        KernelMap(net, net.inputs(probes(name, 5)), with_gradient)
        for net, with_gradient in ((network(build(name, 8)), False), (network(build(name, 8)), True))
    )
    w = alone.net.theta() + 0.1 * normal(alone.net.size)
    expected = alone.kernel(w)
    np.testing.assert_allclose(with_gradient.kernel(w), expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_array_equal(with_gradient.net.theta(), w)  # the weights are set, as by a trace of its own
    assert all(isinstance(run, str) for run in with_gradient._kernel.runs)  # a definition without a graph in Python
    np.testing.assert_allclose(with_gradient.kernel(0 * w), alone.kernel(0 * w), atol=1e-12)


def test_a_part_of_a_trace_is_saved(tmp_path):
    def maps():
        net = network(build("fc", 6))
        net.saved = Saved(CacheFolder(tmp_path), "name", tuple(net.variables))
        return KernelMap(net, net.inputs(probes("fc", 5)), with_gradient=True)

    first, later = maps(), maps()
    w = first.net.theta()
    expected = first.kernel(w)
    np.testing.assert_array_equal(later.kernel(w), expected)
    assert not later._kernel_and_gradient.runs  # nothing was traced again


@tf.custom_gradient
def _once_only(x):
    @tf.custom_gradient
    def slope(g):
        def refused(u):
            raise LookupError("No gradient defined for operation 'Slope'.")

        return g / (1 + x**2), refused

    return tf.atan(x), slope


def test_a_model_without_second_derivatives_has_a_kernel():
    x = normal(4, 3)
    model = sequential((3,), lambda: keras.layers.Dense(5, _once_only), lambda: keras.layers.Dense(1))
    net = network(model)
    found, j = KernelMap(net, net.inputs(x), with_gradient=True), Oracle(model).jacobian(x)[:, 0]
    np.testing.assert_allclose(found.kernel(net.theta()), j @ j.T, rtol=1e-8)
    with pytest.raises(Exception, match="Slope|second"):
        found.kernel_and_gradient(net.theta(), np.zeros([4, 4]))

"""The Jacobian at fixed weights from the factors of its layers, against double backward differentiation."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from checking import normal
from nets import build, probes, sequential

from ntkbench.engine import at_origin
from ntkbench.engine.linearize import LinearModel
from ntkbench.engine.model import network

L = keras.layers


def shared():
    """A dense layer that is used twice, a frozen one, and a grouped convolution."""
    x = keras.Input((6, 4))
    twice = L.Dense(4, "tanh")
    h = twice(twice(x))
    h = L.Dense(4, trainable=False)(h)
    h = L.Conv1D(8, 3, groups=2, activation="tanh")(h)
    return keras.Model(x, L.Dense(1)(L.Flatten()(h)))


CASES = {
    "fc": (lambda: build("fc", 5), lambda: probes("fc", 4)),
    "cnn": (lambda: build("cnn", 3), lambda: probes("cnn", 3)),
    "rnn": (lambda: build("rnn", 3), lambda: probes("rnn", 3)),
    "attention": (lambda: build("attention", 4), lambda: probes("attention", 3)),
    "dag": (lambda: build("dag", 3), lambda: probes("dag", 3)),
    "shared": (shared, lambda: normal(3, 6, 4)),
    "embedding": (
        lambda: sequential((5,), lambda: L.Embedding(7, 3), L.Flatten, lambda: L.Dense(4, "tanh"), lambda: L.Dense(1)),
        lambda: np.random.default_rng(0).integers(0, 7, (4, 5)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_residual_and_gradient_are_those_of_double_backward_differentiation(name, monkeypatch):
    make, inputs = CASES[name]
    net = network(make())
    x = net.inputs(inputs())
    origin = net.theta()
    for seed in (0, 1):  # the second time, the compiled function is called with other factors
        delta = tf.constant(0.3 * np.random.default_rng(seed).standard_normal(net.size), net.dtype)
        fast = LinearModel(net, x, origin)
        assert fast._jacobian is not None
        r, gradient = fast.residual_and_gradient(delta)
        with monkeypatch.context() as patch:
            patch.setattr(at_origin, "LARGEST", 0)
            slow = LinearModel(net, x, origin)
            assert slow._jacobian is None
            expected, expected_gradient = slow.residual_and_gradient(delta)
            parts = slow.expansion(delta)
        tolerance = 200 * np.finfo(net.dtype.as_numpy_dtype).eps
        scale = np.abs(parts[1]).max()
        np.testing.assert_allclose(fast.expansion(delta), parts, atol=tolerance * scale)
        np.testing.assert_allclose(r, expected, atol=tolerance * scale)
        np.testing.assert_allclose(gradient, expected_gradient, atol=tolerance * np.abs(expected_gradient).max())
        origin = origin + delta

"""Networks with kinks, and smooth ones beside them, as build functions of a test's own."""

from __future__ import annotations

import keras
from keras import ops

from ntkbench.layers import Dense


def hard_tanh(x):
    return ops.clip(x, -1.0, 1.0)


def leaky_relu(x):
    return ops.leaky_relu(x, negative_slope=0.1)


def absolute(x):
    return ops.abs(x)


def relu6(x):
    return ops.relu6(x)


def hard_sigmoid(x):
    return ops.hard_sigmoid(x)


REACHED = ("relu", leaky_relu, absolute, hard_tanh, relu6)
KINKED = (*REACHED, hard_sigmoid)  # whose kinks at ±3 the small pre-activations of deep layers never reach


def dense(activation, depth=1):
    """Return the build function of a fully connected network with a linear readout."""

    def build(width, *, input_shape, seed):
        hidden = [Dense(width, activation, seed=seed + i) for i in range(depth)]
        return keras.Sequential([keras.Input(input_shape), *hidden, Dense(1, seed=seed + depth)])

    return build


def random_features(activation):
    """Return the build function of a nonlinear output on fixed features: one kink at most, whatever the width."""

    def build(width, *, input_shape, seed):
        features = Dense(width, "tanh", seed=seed, trainable=False)
        return keras.Sequential([keras.Input(input_shape), features, Dense(1, activation, seed=seed + 1)])

    return build


def wide_with_output(activation):
    """Return the build function of a tanh network, trained throughout, with a nonlinear output."""

    def build(width, *, input_shape, seed):
        layers = [Dense(width, "tanh", seed=seed), Dense(1, activation, seed=seed + 1)]
        return keras.Sequential([keras.Input(input_shape), *layers])

    return build


def larger_of_two(width, *, input_shape, seed):
    """Return the larger of the outputs of two tanh networks."""
    x = keras.Input(input_shape)
    outputs = [Dense(1, seed=seed + 2 + i)(Dense(width, "tanh", seed=seed + i)(x)) for i in range(2)]
    return keras.Model(x, keras.layers.Maximum()(outputs))


class Router(keras.layers.Layer):
    """The output of the expert with the largest logit: logits [N, e], outputs [N, e] → [N, 1]."""

    def call(self, logits, outputs):
        chosen = ops.one_hot(ops.argmax(logits, axis=-1), outputs.shape[-1], dtype=outputs.dtype)
        return ops.sum(chosen * outputs, axis=-1, keepdims=True)


def routed(width, *, input_shape, seed):
    """Return a network of two tanh experts, of which the logits of a third network choose one."""
    x = keras.Input(input_shape)
    experts = [Dense(1, seed=seed + 4 + i)(Dense(width, "tanh", seed=seed + i)(x)) for i in range(2)]
    logits = Dense(2, seed=seed + 6)(Dense(width, "tanh", seed=seed + 3)(x))
    return keras.Model(x, Router()(logits, keras.layers.Concatenate()(experts)))

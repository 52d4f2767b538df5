"""Networks whose verdict is known by an argument: small functions of a width, as a user would write them."""

from __future__ import annotations

import math

import keras
from keras import ops

from ntkbench import layers


def dense(units, seed, activation=None, **options):
    """A dense layer in the NTK parameterisation: weights N(0, 1) times 1/√fan-in."""
    return layers.Dense(units, activation, seed=seed, **options)


def inputs(shape):
    return keras.Input(shape, dtype=keras.config.dtype_policy().compute_dtype)


def stack(x, widths, seed, activation="tanh"):
    h = x
    for number, units in enumerate(widths):
        h = dense(units, seed + number, activation)(h)
    return dense(1, seed + len(widths))(h)


# -- kinked outputs and routing: φ(f) with f ~ N(0, 1) at every width; training moves f across the kink --------------


def relu_output(width, *, input_shape, seed):
    x = inputs(input_shape)
    return keras.Model(x, ops.relu(stack(x, (width, width), seed)))


def leaky_output(width, *, input_shape, seed):
    x = inputs(input_shape)
    return keras.Model(x, keras.layers.LeakyReLU(0.1)(stack(x, (width, width), seed)))


def absolute_output(width, *, input_shape, seed):
    x = inputs(input_shape)
    return keras.Model(x, ops.abs(stack(x, (width, width), seed)))


def larger_of_two(width, *, input_shape, seed):
    x = inputs(input_shape)
    return keras.Model(x, ops.maximum(stack(x, (width, width), seed), stack(x, (width, width), seed + 50)))


def hard_routing(width, *, input_shape, seed):
    """Two wide experts, the one with the larger of two wide scores answers."""
    x = inputs(input_shape)
    scores = [stack(x, (width,), seed + 20 * i) for i in range(2)]
    experts = [stack(x, (width,), seed + 100 + 20 * i) for i in range(2)]
    first = ops.cast(scores[0] > scores[1], x.dtype)
    gate = ops.maximum(scores[0], scores[1])
    return keras.Model(x, gate * (first * experts[0] + (1 - first) * experts[1]))


# -- floors: a part of fixed width bends as much at every width ------------------------------------------------------


def _wide_and_narrow(width, input_shape, seed, c):
    x = inputs(input_shape)
    wide, narrow = stack(x, (width, width), seed), stack(x, (8, 8), seed + 50)
    return keras.Model(x, wide + c * narrow)


def wide_and_narrow(width, *, input_shape, seed):
    return _wide_and_narrow(width, input_shape, seed, 1.0)


def wide_and_a_third_narrow(width, *, input_shape, seed):
    return _wide_and_narrow(width, input_shape, seed, 0.35)


def neck(width, *, input_shape, seed, k=4):
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width, k, width), seed))


# -- bends that decay slowly: a neck of √m units has the curvature of its own width ----------------------------------


def root_neck(width, *, input_shape, seed):
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width, round(math.sqrt(width)), width), seed))


def two_thirds_neck(width, *, input_shape, seed):
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width, round(width ** (2 / 3)), width), seed))


def root_experts(width, *, input_shape, seed):
    """√m experts of eight units each, averaged: m^(-1/4) from the √m independent parts."""
    x = inputs(input_shape)
    count = round(math.sqrt(width))
    parts = [stack(x, (8,), seed + 10 * i) for i in range(count)]
    return keras.Model(x, ops.sum(ops.stack(parts), 0) / math.sqrt(count))


# -- pure powers with corrections: wide, smooth, linear output -------------------------------------------------------


def gelu_net(width, *, input_shape, seed):
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width, width), seed, "gelu"))


def sine_net(width, *, input_shape, seed):
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width, width), seed, "sin"))


def one_hidden(width, *, input_shape, seed):
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width,), seed))


# -- tied weights: one matrix used a fixed number of times: the same powers, larger constants ------------------------


def tied_in_depth(width, *, input_shape, seed):
    x = inputs(input_shape)
    shared = dense(width, seed + 1, "tanh")
    return keras.Model(x, dense(1, seed + 2)(shared(shared(shared(dense(width, seed, "tanh")(x))))))


def siamese(width, *, input_shape, seed):
    x = inputs(input_shape)
    hidden, out = dense(width, seed, "tanh"), dense(1, seed + 1)
    return keras.Model(x, (out(hidden(x)) + out(hidden(ops.flip(x, -1)))) / math.sqrt(2))


def tied_residual(width, *, input_shape, seed):
    x = inputs(input_shape)
    h, shared = dense(width, seed, "tanh")(x), dense(width, seed + 1, "tanh")
    return keras.Model(x, dense(1, seed + 2)(h + shared(h) + shared(shared(h))))


# -- deep stacks: a fixed depth changes the constants ----------------------------------------------------------------


def deep_linear(width, *, input_shape, seed):
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width,) * 8, seed, "linear"))


def deep_tanh(width, *, input_shape, seed):
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width,) * 6, seed))


def deep_residual(width, *, input_shape, seed):
    x = inputs(input_shape)
    h = dense(width, seed)(x)
    for number in range(4):
        h = h + dense(width, seed + 1 + number, "tanh")(h) / 2
    return keras.Model(x, dense(1, seed + 9)(h))


# -- parameterisations -----------------------------------------------------------------------------------------------


def plain_keras(width, *, input_shape, seed):
    """Keras's own layers: the standard parameterisation."""
    x = inputs(input_shape)
    init = [keras.initializers.LecunNormal(seed + i) for i in range(3)]
    h = keras.layers.Dense(width, "tanh", kernel_initializer=init[0])(x)
    h = keras.layers.Dense(width, "tanh", kernel_initializer=init[1])(h)
    return keras.Model(x, keras.layers.Dense(1, kernel_initializer=init[2])(h))


def plain_keras_shallow(width, *, input_shape, seed):
    """Keras's own layers, one hidden layer."""
    x = inputs(input_shape)
    init = [keras.initializers.LecunNormal(seed + i) for i in range(2)]
    h = keras.layers.Dense(width, "tanh", kernel_initializer=init[0])(x)
    return keras.Model(x, keras.layers.Dense(1, kernel_initializer=init[1])(h))


def mean_field(width, *, input_shape, seed):
    """f/√m: gradient descent on it learns features, so that its kernel moves at every width."""
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width, width), seed) / math.sqrt(width))


def scaled(width, *, input_shape, seed):
    """3 f: the relative change of the kernel in a ball does not notice."""
    x = inputs(input_shape)
    return keras.Model(x, 3.0 * stack(x, (width, width), seed))

"""The closed derivatives of GELU are those of its formula, in every order and mode of differentiation."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from ntkbench.engine.model.graph import graph_of
from ntkbench.engine.model.network import Network
from ntkbench.layers.activations import gelu

POINTS = np.concatenate([np.linspace(-7, 7, 41), [0.0, -0.0, np.sqrt(2), 2.0, 1e-8, 30.0, -30.0]])


def formula(x):
    return x * (0.5 + 0.5 * tf.math.erf(x * np.sqrt(0.5)))


def derivatives(function, x, order):
    """Return the derivatives of orders 0 to `order`."""
    if order == 0:
        return [function(x)]
    with tf.GradientTape() as tape:
        tape.watch(x)
        lower = derivatives(function, x, order - 1)
    return [*lower, tape.gradient(lower[-1], x)]


@pytest.mark.parametrize("compiled", [False, True])
def test_derivatives_are_those_of_the_formula(compiled):
    run = tf.function(derivatives) if compiled else derivatives
    x = tf.constant(POINTS)
    for order, (own, of) in enumerate(zip(run(gelu, x, 5), run(formula, x, 5), strict=True)):
        np.testing.assert_allclose(own, of, rtol=1e-12, atol=1e-14, err_msg=str(order))


def test_derivatives_are_the_differences():
    x, step = tf.constant(POINTS), 1e-5
    for order in range(4):
        above, below = (derivatives(gelu, x + move, order)[-1] for move in (step, -step))
        found = derivatives(gelu, x, order + 1)[-1]
        np.testing.assert_allclose(found, (above - below) / (2 * step), atol=1e-9)


def test_forward_over_backward():
    @tf.function
    def product(function, x, v):
        with tf.autodiff.ForwardAccumulator(x, v) as accumulator:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.reduce_sum(tf.sin(function(x)))
            gradient = tape.gradient(y, x)
        return accumulator.jvp(gradient)

    x, v = tf.constant(POINTS), tf.constant(np.random.default_rng(0).standard_normal(POINTS.shape))
    np.testing.assert_allclose(product(gelu, x, v), product(formula, x, v), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_large_inputs_have_finite_derivatives(dtype):
    largest = float(tf.as_dtype(dtype).max)
    x = tf.constant(np.array([largest, -largest, np.sqrt(largest) * 2, -np.sqrt(largest) * 2]), tf.float64)
    x = tf.cast(x, dtype)
    value, first, second, third = derivatives(gelu, x, 3)
    assert {value.dtype, first.dtype, second.dtype, third.dtype} == {x.dtype}
    np.testing.assert_array_equal(tf.cast(first, "float64"), [1, 0, 1, 0])
    for zero in (second, third):
        np.testing.assert_array_equal(tf.cast(zero, "float64"), 0)


def test_vectorised_and_symbolic():
    x = tf.constant(POINTS.reshape(12, 4))
    np.testing.assert_array_equal(tf.vectorized_map(gelu, x), gelu(x))
    inputs = keras.Input((4,), dtype="float64")
    np.testing.assert_allclose(keras.Model(inputs, gelu(inputs))(x), formula(x), rtol=1e-6)
    np.testing.assert_allclose(gelu(POINTS), formula(POINTS), rtol=1e-12)


def test_a_model_of_unknown_code_is_known_to_be_right():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = keras.layers.Dense(3, gelu), keras.layers.Dense(1)

        def call(self, x):
            return self.last(self.first(x))

    x = tf.constant(POINTS.reshape(12, 4), tf.float32)
    model = Own()
    model(x)
    assert graph_of(Network(model), x).doubtful == ()

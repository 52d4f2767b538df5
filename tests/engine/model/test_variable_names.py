"""Names of variables: the same for the same model, whatever was built before."""

from __future__ import annotations

import keras
import tensorflow as tf

from ntkbench.engine.model.network import Network
from ntkbench.engine.model.variable_names import variable_names


class Pair(keras.layers.Layer):
    """Two dense layers that nobody named."""

    def __init__(self, units):
        super().__init__()
        self.first, self.second = keras.layers.Dense(units), keras.layers.Dense(units)

    def build(self, input_shape):
        self.first.build(input_shape)
        self.second.build(self.first.compute_output_shape(input_shape))

    def call(self, x):
        return self.second(self.first(x))


def names(build):
    return variable_names(Network(build()))


def unnamed(units=3):
    return keras.Sequential([keras.Input((4,)), Pair(units), Pair(units), keras.layers.Dense(1, use_bias=False)])


def test_layers_without_a_name_are_numbered_within_the_model():
    first = names(unnamed)
    for _ in range(3):
        keras.layers.Dense(1), Pair(2)
    assert names(lambda: unnamed(5)) == first
    assert [name for name in first if name.endswith("kernel")] == [
        "pair_1/dense_1/kernel", "pair_1/dense_2/kernel", "pair_2/dense_3/kernel", "pair_2/dense_4/kernel",
        "dense_5/kernel",
    ]  # fmt: skip


def test_a_users_names_stay():
    def build():
        x = keras.Input((4,))
        h = keras.layers.Dense(3, name="hidden_7", use_bias=False)(x)
        return keras.Model(x, keras.layers.Dense(1, name="out>\u202eput", use_bias=False)(h))

    assert names(build) == ["hidden_7/kernel", "out__put/kernel"]


def test_modules_that_name_nothing_get_distinct_names():
    class Plain(tf.Module):
        def __init__(self):
            self.w, self.v, self.b = tf.Variable([[1.0]]), tf.Variable([[2.0]]), tf.Variable([0.0], name="bias")

        def __call__(self, x):
            return x @ self.w @ self.v + self.b

    found = variable_names(Network(Plain()))
    assert sorted(found) == ["Variable", "Variable_1", "bias"]

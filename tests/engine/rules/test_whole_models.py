"""Layers inside models: several of them together, shared, frozen, nested, subclassed, and what has no rule."""

from __future__ import annotations

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from checking import check, check_factors, check_kernel, functional, is_complete, normal, tokens
from nets import Oracle, scrambled

import ntkbench as nb
from ntkbench.engine.model.casting import dtype_policy
from ntkbench.engine.model.network import network
from ntkbench.engine.structure.structure import structure_of

L = keras.layers


def test_a_convolutional_model():
    def call(x):
        h = L.BatchNormalization()(L.Conv2D(2, 2, use_bias=False)(x))
        h = L.GroupNormalization(2)(L.SeparableConv2D(2, 2, padding="same", activation="swish")(h))
        h = L.Add()([h, L.Conv2D(2, 1, groups=2, activation="tanh")(h)])
        h = L.PReLU(shared_axes=[1, 2])(L.DepthwiseConv2D(2, strides=2, padding="same", activation="tanh")(h))
        h = L.GlobalAveragePooling2D()(L.Conv2DTranspose(2, 2, strides=2)(h))
        return L.Dense(2, "tanh")(h)

    check(functional((4, 4, 1), call), normal(3, 4, 4, 1), samples=1, float32=True)


@pytest.mark.slow
def test_a_recurrent_model():
    def call(x):
        h = L.Embedding(4, 2, mask_zero=True)(x)
        h = L.SimpleRNN(1, return_sequences=True, unroll=True)(L.GRU(1, return_sequences=True, unroll=True)(h))
        return L.Dense(1, "tanh")(L.LSTM(1, unroll=True)(L.LayerNormalization()(L.Dense(2)(h))))

    check(functional((2,), call, dtype="int32"), tokens(3, 2, below=4), samples=1, float32=True)


def test_a_transformer():
    def call(x):
        h = L.Embedding(4, 2)(x)
        a = L.LayerNormalization()(h)
        h = L.Add()([h, L.MultiHeadAttention(1, 2)(a, a)])
        f = L.Dense(2)(L.Dense(3, "tanh")(L.RMSNormalization()(h)))
        h = L.EinsumDense("abc,cd->abd", (None, 2), bias_axes="d", activation="tanh")(L.Add()([h, f]))
        return L.Dense(2)(L.GlobalAveragePooling1D()(h))

    check(functional((2,), call, dtype="int32"), tokens(3, 2, below=4), samples=1, float32=True)


def test_weight_tying():
    """One layer used three times; the kernel and the Hessian have cross terms between its uses."""

    def call(x):
        tied = L.Dense(3, "tanh")
        return L.Dense(2)(tied(tied(tied(x))))

    check(functional((3,), call), normal(3, 3), kernels=("full", "trace", 1))


def test_a_convolution_used_at_two_sizes():
    def call(x):
        tied = L.Conv2D(2, 2, padding="same", activation="tanh")
        h = tied(x)
        small = L.GlobalAveragePooling2D()(tied(L.AveragePooling2D(2)(h)))
        return L.Dense(1)(L.Add()([small, L.GlobalAveragePooling2D()(h)]))

    check_factors(functional((4, 4, 2), call), normal(3, 4, 4, 2))


@pytest.mark.parametrize("frozen", ["kernel", "bias", "first layer", "cell"])
def test_frozen_weights(frozen):
    def call(x):
        h = L.LayerNormalization(name="norm")(L.Dense(2, "tanh", name="first")(x))
        return L.Dense(2)(L.SimpleRNN(2, unroll=True, name="recurrent")(h))

    model = functional((2, 2), call)
    first = model.get_layer("first")
    if frozen == "first layer":
        first.trainable = False
    elif frozen == "cell":
        model.get_layer("recurrent").trainable = False
    else:
        getattr(first, frozen).trainable = False
        model.get_layer("norm").gamma.trainable = frozen == "bias"
        model.get_layer("norm").beta.trainable = frozen == "kernel"
    check(model, normal(3, 2, 2)) if frozen == "kernel" else check_factors(model, normal(3, 2, 2))


def test_weights_unfrozen_between_two_calls():
    model = functional((3,), lambda x: L.Dense(2)(L.Dense(3, "tanh", trainable=False)(x)))
    x = normal(3, 3)
    before = nb.empirical_ntk(model, x)
    model.layers[1].trainable = True
    check_kernel(model, x, Oracle(model).jacobian(x, (0, 1)), ("full",), "structured")
    assert (np.diag(nb.empirical_ntk(model, x)) > np.diag(before)).all()


def test_nested_models():
    def call(x):
        inner = keras.Sequential([L.Conv1D(2, 2, activation="tanh"), keras.Sequential([L.LayerNormalization()])])
        return L.Dense(2)(L.Flatten()(L.Concatenate()([inner(x), inner(L.Rescaling(0.5)(x))])))

    check_factors(functional((3, 2), call), normal(3, 3, 2))


@keras.saving.register_keras_serializable("ntkbench-tests")
class Subclassed(keras.Model):
    """A residual block written out in `call`, one layer used twice, another given its input by name."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner, self.norm, self.outer = L.Dense(3, "tanh"), L.LayerNormalization(), L.Dense(1)

    def call(self, x):
        return self.outer(inputs=self.norm(self.inner(self.inner(x)) + keras.ops.tanh(x)))


def subclassed(kind, x, **options):
    with dtype_policy("float64"):
        model = kind(**options)
        model(x)
    return scrambled(model)


def test_a_subclassed_model():
    x = normal(3, 3)
    check(subclassed(Subclassed, x), x)


def test_time_distributed():
    def call(x):
        h = L.TimeDistributed(L.Conv1D(2, 2, activation="tanh"))(x)
        return L.Dense(2)(L.Flatten()(h))

    check(functional((2, 3, 2), call), normal(3, 2, 3, 2))


def test_a_lambda():
    check_factors(
        functional((3,), lambda x: L.Dense(1)(L.Lambda(lambda h: h * keras.ops.sin(h))(L.Dense(2)(x)))), normal(3, 3)
    )


class Twisted(L.Dense):
    """Not a dense layer, although it is derived from one."""

    def call(self, inputs, training=None):
        return super().call(inputs) + keras.ops.tanh(keras.ops.matmul(inputs**2, self.kernel))


def test_a_derived_layer_takes_the_generic_route(caplog):
    model = functional((3,), lambda x: L.Dense(2)(Twisted(3, "tanh", name="twisted")(x)))
    with caplog.at_level(logging.INFO, "ntkbench"):
        check(model, normal(3, 3), complete=False)
    assert "twisted (Twisted)" in caplog.text


class TiedToItsEmbedding(keras.Model):
    """The table of an embedding is the last projection as well."""

    def __init__(self, **options):
        super().__init__(**options)
        self.embedding, self.hidden = L.Embedding(4, 2), L.Dense(2, "tanh")

    def call(self, x):
        h = self.hidden(keras.ops.mean(self.embedding(x), axis=1))
        return keras.ops.matmul(h, keras.ops.transpose(self.embedding.embeddings))


def test_a_table_that_is_a_projection_too():
    x = tokens(3, 2, below=4)
    model = subclassed(TiedToItsEmbedding, x)
    structure = structure_of(network(model), network(model).inputs(x))
    assert [id(v) for v in structure.rest] == [id(model.embedding.embeddings.value)]
    check(model, x, complete=False)


class Gated(keras.Model):
    """The kernel of a layer is met again, behind a gate that is shut at small inputs."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner, self.outer = L.Dense(2, "tanh"), L.Dense(1)

    def call(self, x):
        h = self.outer(self.inner(x))
        again = keras.ops.matmul(x, self.inner.kernel)
        return h + keras.ops.relu(keras.ops.sum(x, axis=1, keepdims=True) - 3.0) * again[:, :1]


def test_a_use_that_the_first_inputs_do_not_show():
    """A comparison of gradients at the first inputs would not see it; the graph does."""
    x = np.concatenate([0.1 * normal(3, 2), [[2.0, 3.0]]])
    model = subclassed(Gated, x)
    assert not is_complete(model, x)
    check_kernel(model, x[1:], Oracle(model).jacobian(x[1:], (0,)), ("trace",), "auto")


class Folded(keras.Model):
    """Positions become samples and come back, so that rows and cotangents do not belong to the samples of x."""

    def __init__(self, mixing=False, **options):
        super().__init__(**options)
        self.mixing, self.inner, self.outer = mixing, L.Dense(2, "tanh"), L.Dense(1)

    def call(self, x):
        if self.mixing:  # as many rows as samples, but in another order
            return self.outer(self.inner(x[::-1]))[::-1]
        h = self.inner(keras.ops.reshape(x, (-1, x.shape[2])))
        return self.outer(keras.ops.mean(keras.ops.reshape(h, (-1, x.shape[1], 2)), axis=1))


@pytest.mark.parametrize("mixing", [False, True])
def test_positions_folded_into_the_batch_axis(mixing):
    x = normal(3, 2) if mixing else normal(3, 2, 2)
    model = subclassed(Folded, x, mixing=mixing)
    assert not is_complete(model, x)
    check(model, x, complete=False)


def test_concatenated_samples():
    """A stock layer that joins samples is no better known than somebody's own."""
    model = functional((3,), lambda x: L.Dense(1)(L.Concatenate(axis=0)([L.Dense(2)(x), L.Dense(2, "tanh")(x)])))
    assert not is_complete(model, normal(3, 3))


def test_a_variable_that_two_layers_share():
    with dtype_policy("float64"):
        first, second = L.Dense(2, "tanh"), L.Dense(2, "tanh")
        first.build((None, 2))
        second._kernel = first._kernel
        second.bias, second.built = None, True
        x = keras.Input((2,), dtype="float64")
        model = scrambled(keras.Model(x, L.Dense(1)(second(first(x)))))
    assert len(model.trainable_variables) == 4
    check(model, normal(3, 2), complete=False)


@keras.saving.register_keras_serializable("ntkbench-tests")
class Normalising(keras.Model):
    """Batch normalisation that is called as in training, whatever training= says."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner, self.norm, self.outer = L.Dense(2), L.BatchNormalization(), L.Dense(1)

    def call(self, x):
        return self.outer(self.norm(self.inner(x), training=True))


def test_batch_statistics_have_no_rule():
    x = normal(3, 2)
    model = subclassed(Normalising, x)
    assert not is_complete(model, x)


class Sorted(L.Layer):
    """A dense layer that is applied to the samples in another order."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = L.Dense(4, "tanh")

    def call(self, x):
        order = tf.argsort(x[:, 0])
        return tf.gather(self.dense(tf.gather(x, order)), tf.argsort(order))


class Experts(L.Layer):
    """Two dense layers, each applied to the samples on its side."""

    def __init__(self, **options):
        super().__init__(**options)
        self.experts = [L.Dense(4, "tanh"), L.Dense(4, "tanh")]

    def call(self, x):
        y = tf.zeros([tf.shape(x)[0], 4], x.dtype)
        for expert, mine in zip(self.experts, (x[:, 0] > 0, x[:, 0] <= 0), strict=True):
            at = tf.where(mine)
            y = tf.tensor_scatter_nd_update(y, at, expert(tf.gather_nd(x, at)))
        return y


class TimeMajor(L.Layer):
    """A dense layer that is applied with the axis of positions first."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = L.Dense(4, "tanh")

    def call(self, x):
        x = tf.reshape(x, [-1, 3, 1])
        return tf.reshape(tf.transpose(self.dense(tf.transpose(x, [1, 0, 2])), [1, 0, 2]), [-1, 12])


def after_a_head_of_zeros(layer):
    """A model of which derivatives were computed before the weights of its head became others than zeros."""
    with dtype_policy("float64"):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), layer(), L.Dense(1, kernel_initializer="zeros")])
    x = np.random.default_rng(0).standard_normal((4, 3))
    nb.empirical_ntk(model, x)
    model.layers[-1].kernel.assign(np.random.default_rng(1).standard_normal(model.layers[-1].kernel.shape))
    return model, x


@pytest.mark.parametrize("layer", [Sorted, Experts, TimeMajor])
def test_a_rule_does_not_pass_because_gradients_are_zero(layer):
    model, x = after_a_head_of_zeros(layer)
    expected = nb.empirical_ntk(model, x, method="jacobian")
    np.testing.assert_allclose(nb.empirical_ntk(model, x), expected, rtol=1e-9)


def test_nor_does_the_hessian_use_it():
    model, x = after_a_head_of_zeros(Sorted)
    exact = nb.hessian_norm(model, x, method="hvp").value
    np.testing.assert_allclose(nb.hessian_norm(model, x).value, exact, rtol=1e-2)


def test_a_rule_has_to_hold_for_every_output_unit():
    with dtype_policy("float64"):
        keras.utils.set_random_seed(0)
        x = keras.Input((3,))
        model = keras.Model(x, L.Concatenate()([L.Dense(1)(x), L.Dense(1)(Sorted()(x))]))
    given = np.random.default_rng(0).standard_normal((4, 3))
    expected = nb.empirical_ntk(model, given, outputs="full", method="jacobian")
    np.testing.assert_allclose(nb.empirical_ntk(model, given, outputs="full"), expected, rtol=1e-9)

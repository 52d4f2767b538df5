"""Every public call refuses a model whose derivatives are wrong, and none refuses a right one."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import ntkbench as nb
from ntkbench.engine.checks import bfloat16
from ntkbench.engine.model import dtype_policy

L = keras.layers
X = np.random.default_rng(0).standard_normal((3, 5)).astype("float32")


def around(function):
    keras.utils.set_random_seed(1)
    layer = type("Mine", (L.Layer,), {"call": lambda self, x: function(x)})()
    return keras.Sequential([keras.Input((5,)), L.Dense(4, "tanh"), layer, L.Dense(1)])


def calls(model):
    like = [np.ones(v.shape) for v in model.trainable_variables]
    first = {"kernel": lambda: nb.empirical_ntk(model, X), "linear": lambda: nb.linearize(model)(X, like)}
    second = {
        "norm": lambda: nb.hessian_norm(model, X),
        "eigs": lambda: nb.hessian_eigs(model, X, 1),
        "hvp": lambda: nb.hvp(model, X, like),
    }
    return first, second


def log_sum_exp(x):
    """The maximum, which is not differentiated, cancels."""
    largest = tf.stop_gradient(tf.reduce_max(x, 1, keepdims=True))
    return x + largest + tf.math.log(tf.reduce_sum(tf.exp(x - largest), 1, keepdims=True))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + tf.stop_gradient(tf.sign(x) - x),
        lambda x: x + tf.stop_gradient(x * x),
        lambda x: x * (1 + 1e-3 * tf.reduce_mean(x, 0, keepdims=True)),
        lambda x: x + 1e-3 * tf.random.uniform(tf.shape(x)),
    ],
)
def test_wrong_gradients_are_refused_everywhere(function):
    first, second = calls(around(function))
    for call in {**first, **second}.values():
        with pytest.raises(nb.NtkbenchError, match="cannot be trusted: (Mine|Sequential)"):
            call()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + tf.round(x),
        lambda x: x * tf.one_hot(tf.argmax(x, 1), 4),
        log_sum_exp,
        tf.nn.silu,
        lambda x: tf.maximum(x, 0.0),
    ],
)
def test_right_models_are_not_refused(function):
    first, second = calls(around(function))
    for call in {**first, **second}.values():
        call()


BLANK = np.concatenate([X, np.zeros((1, 5), "float32")])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.raw_ops.Cumprod(x=x, axis=1, exclusive=False, reverse=False),
        lambda x: tf.raw_ops.BesselI1(x=x),
        lambda x: (
            x * tf.raw_ops.Prod(input=tf.concat([x, tf.zeros_like(x[:, :1])], 1) + 1, axis=1, keep_dims=True)
            + tf.raw_ops.Cumprod(x=x, axis=1, exclusive=False, reverse=False)
        ),
    ],
)
@pytest.mark.parametrize("behind", ["linear", "relu"])
def test_what_is_wrong_at_a_blank_image_is_refused_there(function, behind):
    """Zero biases and zero inputs meet the point where the gradient is wrong; random inputs do not."""
    keras.utils.set_random_seed(1)
    layer = type("Mine", (L.Layer,), {"call": lambda self, x: function(x)})()
    model = keras.Sequential([keras.Input((5,)), L.Dense(4), layer, L.Dense(4, behind), L.Dense(1)])
    nb.empirical_ntk(model, X)
    with pytest.raises(nb.NtkbenchError, match="at exactly these weights and inputs"):
        nb.empirical_ntk(model, BLANK)
    nb.empirical_ntk(model, X)
    model.layers[0].bias.assign(np.full(4, 0.1))
    nb.empirical_ntk(model, BLANK)


def masked(behind, in_front=()):
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((4, 2)), *in_front, L.Masking(), *behind(), L.Dense(1)])


STEPS = np.array([[[1, 2], [3, 1], [0, 0], [0, 0]], [[1, 1], [0, 0], [0, 0], [0, 0]]], "float32") / 3


@pytest.mark.parametrize(
    "behind", [lambda: [L.SimpleRNN(3)], lambda: [L.GlobalAveragePooling1D()], lambda: [L.LSTM(3)]]
)
def test_masks_that_trained_weights_decide_are_refused_where_a_step_is_0(behind):
    """Masking multiplies h by [h != 0]: its value is h, and TensorFlow's derivative at 0 is 0."""
    on_inputs = masked(behind)
    nb.empirical_ntk(on_inputs, STEPS)
    trained = masked(behind, [L.Dense(2)])
    nb.empirical_ntk(trained, STEPS[:1, :2].repeat(2, 1))
    with pytest.raises(nb.NtkbenchError, match="at exactly these weights and inputs"):
        nb.empirical_ntk(trained, STEPS)


def test_right_models_are_not_refused_at_kinks():
    first, second = calls(around(lambda x: tf.abs(x) + tf.nn.relu(x) + tf.reduce_max(x, 1, keepdims=True)))
    for call in {**first, **second}.values():
        call()
    model = keras.Sequential(
        [keras.Input((5,)), L.Dense(4, "relu"), L.Dense(4, tf.abs), L.Dense(4, "relu"), L.Dense(1)]
    )
    for weights in (None, [np.ones(w.shape) for w in model.get_weights()]):
        if weights is not None:
            model.set_weights([w * (w.ndim > 1) for w in weights])
        nb.empirical_ntk(model, BLANK)
        nb.hessian_norm(model, BLANK)


def test_arguments_are_refused_in_a_sentence():
    model = around(tf.tanh)
    for call in (
        lambda: nb.hessian_eigs(model, X, -1),
        lambda: nb.hessian_norm(model, X, output=None),
        lambda: nb.empirical_ntk(L.Dense, X),
    ):
        with pytest.raises(nb.NtkbenchError):
            call()


SPREAD = np.array([[0.3], [0.5], [-0.2], [0.1], [0.4], [2.0], [-0.6]])  # one of them leaves (-2.5, 2.5)


def growing(function):
    """Return a float64 model that gives the function 1.5 x, -1.2 x, 0.8 x and 0.4 x."""
    with dtype_policy("float64"):
        layer = type("Mine", (L.Layer,), {"call": lambda self, x: function(x)})()
        model = keras.Sequential([keras.Input((1,)), L.Dense(4), layer, L.Dense(1)])
    model.set_weights([np.array([[1.5, -1.2, 0.8, 0.4]]), np.zeros(4), np.ones((4, 1)), np.zeros(1)])
    return model


@tf.custom_gradient
def half_a_relu(x):
    return tf.nn.relu(x - 2.5), lambda g: 0.5 * g * tf.cast(x > 2.5, x.dtype)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.where(tf.abs(x) > 2.5, tf.stop_gradient(x), x),
        lambda x: tf.where(tf.abs(x) > 2.5, x - tf.reduce_mean(x, 0), x),
        lambda x: x + half_a_relu(x),
    ],
)
def test_what_is_wrong_at_a_single_sample_is_refused(function):
    model = growing(function)
    nb.empirical_ntk(model, SPREAD[:5])
    with pytest.raises(nb.NtkbenchError, match="cannot be trusted: (Mine|Sequential)"):
        nb.empirical_ntk(growing(function), SPREAD)


def test_right_branches_are_not_refused():
    assert nb.empirical_ntk(growing(lambda x: tf.where(tf.abs(x) > 2.5, tf.sin(x), x * x)), SPREAD).shape == (7, 7)


@pytest.mark.parametrize(
    "function", [lambda x: tf.nn.relu(x) - 0.3 * tf.nn.relu(-x), lambda x: tf.raw_ops.Cumprod(x=x, axis=1)]
)
def test_the_second_inputs_of_a_kernel_are_checked_too(function):
    model = growing(function)
    nb.empirical_ntk(model, SPREAD, SPREAD[:2])
    with pytest.raises(nb.NtkbenchError, match="cannot be trusted"):
        nb.empirical_ntk(model, SPREAD, np.zeros((2, 1)))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.quantization.quantize_and_dequantize_v2(
            x, tf.constant(-2.0, x.dtype), tf.constant(2.0, x.dtype), range_given=True
        ),
        lambda x: tf.cast(tf.quantization.fake_quant_with_min_max_args(tf.cast(x, tf.float32), -2, 2), x.dtype),
    ],
)
def test_rounding_with_the_gradient_of_the_identity_is_refused(function):
    with pytest.raises(nb.NtkbenchError, match="'mine.*' [(]Mine[)] rounds values"):
        nb.empirical_ntk(growing(function), SPREAD)


def test_derivatives_lost_in_a_cast_of_bits_are_refused():
    with pytest.raises(nb.NtkbenchError, match="Mine 'mine.*' has a gradient that is not"):
        nb.empirical_ntk(growing(lambda x: x + tf.bitcast(tf.bitcast(x * x, tf.int64), x.dtype)), SPREAD)


def test_attention_in_bfloat16_is_refused_on_a_cpu(monkeypatch):
    with dtype_policy("mixed_bfloat16"):
        x = keras.Input((4, 2))
        model = keras.Model(x, L.MultiHeadAttention(1, 2)(x, x))
    monkeypatch.setattr(bfloat16, "_uses_onednn", lambda: True)
    with pytest.raises(nb.NtkbenchError, match="attention in bfloat16.*TF_ENABLE_ONEDNN_OPTS=0"):
        nb.empirical_ntk(model, np.ones((2, 4, 2), "float32"))


def test_layers_in_bfloat16_are_checked():
    with dtype_policy("mixed_bfloat16"):
        right, wrong = (around(function) for function in (lambda x: tf.maximum(x, 0.1), tf.stop_gradient))
    assert nb.empirical_ntk(right, X).shape == (len(X), len(X))
    with pytest.raises(nb.NtkbenchError, match="Mine"):
        nb.empirical_ntk(wrong, X)


def two_heads(hidden):
    """A model of two units, of which only the second one passes through a function."""
    keras.utils.set_random_seed(0)
    x = keras.Input((5,))
    h = L.Dense(4, "tanh")(x)
    layer = type("Mine", (L.Layer,), {"call": lambda self, x: hidden(x)})()
    return keras.Model(x, L.Concatenate()([L.Dense(1)(h), L.Dense(1)(layer(h))]))


class TwoHeads(tf.Module):
    def __init__(self):
        super().__init__()
        draw = np.random.default_rng(0).standard_normal
        self.w, self.v = tf.Variable(draw((5, 4)), dtype=tf.float32), tf.Variable(draw((4, 2)), dtype=tf.float32)

    def __call__(self, x):
        h = tf.tanh(x @ self.w)
        return tf.concat([h @ self.v[:, :1], tf.stop_gradient(h) @ self.v[:, 1:]], 1)


@pytest.mark.parametrize("make", [lambda: two_heads(tf.stop_gradient), TwoHeads])
def test_derivatives_are_checked_for_every_unit_that_is_differentiated(make):
    model = make()
    like = [np.ones(v.shape) for v in model.trainable_variables]
    every = [
        lambda: nb.empirical_ntk(model, X),
        lambda: nb.empirical_ntk(model, X, outputs="full"),
        lambda: nb.empirical_ntk(model, X, outputs=1),
        lambda: nb.jacobian(model, X),
        lambda: nb.linearize(model)(X, like),
    ]
    for call in every:
        with pytest.raises(nb.NtkbenchError, match="cannot be trusted"):
            call()
    assert np.isfinite(nb.empirical_ntk(model, X, outputs=0)).all()


class Gate(L.Layer):
    """Adds g times a function of all features; g is zero at first."""

    def __init__(self, function, trained):
        super().__init__()
        self.function, self.trained = function, trained

    def build(self, shape):
        self.g = self.add_weight(shape=(), initializer="zeros", trainable=self.trained)

    def call(self, h):
        return h + self.g * self.function(h)


def gated(function, trained):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((5,)), L.Dense(4, "tanh"), Gate(function, trained), L.Dense(1)])


MIXES = {
    "noise": lambda h: tf.random.normal(tf.shape(h)),
    "mean over the batch": lambda h: tf.reduce_mean(h, 0, keepdims=True),
}


@pytest.mark.parametrize("function", MIXES.values(), ids=MIXES)
def test_a_gate_of_zero_hides_neither_noise_nor_other_samples(function):
    with pytest.raises(nb.NtkbenchError, match="Gate 'gate.*returns"):
        nb.empirical_ntk(gated(function, True), X)


@pytest.mark.parametrize("function", MIXES.values(), ids=MIXES)
def test_outputs_are_checked_again_after_an_untrained_variable_has_changed(function):
    model = gated(function, False)
    assert np.isfinite(nb.empirical_ntk(model, X)).all()
    model.layers[1].g.assign(0.5)
    with pytest.raises(nb.NtkbenchError, match="Gate 'gate.*returns"):
        nb.empirical_ntk(model, X)
    model.layers[1].g.assign(0.0)
    assert np.isfinite(nb.empirical_ntk(model, X)).all()


def test_derivatives_are_checked_again_after_an_untrained_variable_has_changed():
    class Straight(L.Layer):
        def build(self, shape):
            self.hard = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, h):
            return tf.where(self.hard > 0, h + tf.stop_gradient(tf.round(3 * h) / 3 - h), h)

    model = keras.Sequential([keras.Input((5,)), L.Dense(4), Straight(), L.Dense(1)])
    assert np.isfinite(nb.empirical_ntk(model, X)).all()
    model.layers[1].hard.assign(1.0)
    with pytest.raises(nb.NtkbenchError, match="cannot be trusted: Straight"):
        nb.empirical_ntk(model, X)


def broadcast():
    x = keras.Input((5,))
    h = L.Dense(3, "tanh")(x)
    apart = L.Dense(2)(L.Reshape((1, 3))(h) - L.Dense(3)(h))
    return keras.Model(x, L.Dense(1)(L.GlobalAveragePooling1D()(apart)))


def attention():
    x = keras.Input((5,))
    h = L.Dense(3, "tanh")(x)
    return keras.Model(x, L.Dense(1)(L.AdditiveAttention()([h, L.Dense(3, "tanh")(x)])))


def softmax():
    return keras.Sequential([keras.Input((5,)), L.Dense(1), L.Reshape(()), L.Activation("softmax")])


@pytest.mark.parametrize("make", [broadcast, attention, softmax])
def test_keras_layers_that_mix_samples_by_the_rank_of_their_inputs_are_refused(make):
    with pytest.raises(nb.NtkbenchError, match="depend on the other inputs"):
        nb.empirical_ntk(make(), X)


def test_a_module_that_does_not_track_the_weights_of_a_keras_layer_is_refused():
    class Mixed(tf.Module):
        def __init__(self):
            super().__init__()
            self.dense, self.v = L.Dense(4, "tanh"), tf.Variable(tf.ones((4, 1)))
            self.dense.build((None, 5))

        def __call__(self, x):
            return self.dense(x) @ self.v

    class Chosen(Mixed):
        @property
        def trainable_variables(self):
            return [self.v]

    with pytest.raises(nb.NtkbenchError, match="tf.Module does not track.*kernel.*Put Keras layers into a keras.Model"):
        nb.empirical_ntk(Mixed(), X)
    model = Chosen()
    h = model.dense(X).numpy()
    np.testing.assert_allclose(nb.empirical_ntk(model, X), h @ h.T, rtol=1e-4)

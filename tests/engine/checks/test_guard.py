"""Every public call refuses a model whose derivatives are wrong, and none refuses a right one."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import ntkbench as nb

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

"""Precision: models cast to float64 and back, and the matrix products' own precision."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from nets import build, probes

import ntkbench as nb
from ntkbench.engine.model.casting import dtype_policy, in_precision
from ntkbench.engine.ops.precision import full_precision


@pytest.mark.parametrize("name", ["fc", "cnn", "rnn", "attention", "fc-lazy"])
def test_casting_keeps_the_weights(name):
    single = build(name, precision="float32")
    double = in_precision(single, "float64")
    assert {v.dtype for v in double.trainable_variables} == {"float64"}
    for before, after in zip(single.get_weights(), double.get_weights(), strict=True):
        np.testing.assert_array_equal(before.astype(np.float64), after)
    x = probes(name, 2)
    assert double(x).dtype == tf.float64
    np.testing.assert_allclose(double(x), single(x), rtol=1e-4, atol=1e-5 * (16 if name == "fc-lazy" else 1))
    assert in_precision(single, "float32") is single and in_precision(double, "float64") is double


def test_a_model_that_cannot_be_rebuilt_gets_a_sentence():
    class Bare(keras.Model):
        def __init__(self, needed):
            super().__init__()
            self.inner = keras.layers.Dense(needed)

        def call(self, x):
            return self.inner(x)

    model = Bare(1)
    model(np.ones((1, 2), np.float32))
    with pytest.raises(nb.NtkbenchError, match="could not be rebuilt in float64"):
        in_precision(model, "float64")
    assert keras.config.dtype_policy().name == "float32"


def test_only_keras_models_are_cast():
    module = tf.Module()
    module.w = tf.Variable(1.0)
    assert in_precision(module, "float32") is module
    with pytest.raises(nb.NtkbenchError, match="float32, and only Keras"):
        in_precision(module, "float64")


def test_policy_is_restored():
    with pytest.raises(ZeroDivisionError), dtype_policy("float64"):
        assert keras.config.dtype_policy().name == "float64"
        raise ZeroDivisionError
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("before", [True, False])
def test_tensor_float_32_is_off_inside_and_as_before_outside(before):
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    original = enabled()
    try:
        tf.config.experimental.enable_tensor_float_32_execution(before)
        with pytest.raises(ZeroDivisionError), full_precision():
            assert not enabled()
            raise ZeroDivisionError
        assert enabled() is before
        nb.hessian_norm(build("fc", 3), probes("fc", 1))
        assert enabled() is before
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(original)


X = np.random.default_rng(0).standard_normal((3, 5))


def mlp(*policies, inputs="float32", middle=()):
    """Dense tanh, then `middle`, then Dense, each with a policy of its own, on five inputs."""
    first, last = policies
    keras.utils.set_random_seed(2)
    layers = [keras.layers.Dense(4, "tanh", dtype=first), *middle, keras.layers.Dense(1, dtype=last)]
    return keras.Sequential([keras.Input((5,), dtype=inputs), *layers])


def gram(model):
    """K from float64 differences of a float64 model with the same weights: [3, 3]."""
    exact = mlp("float64", "float64", inputs="float64")
    exact.set_weights([w.astype(np.float64) for w in model.get_weights()])
    rows, step = [], 1e-6
    for v in exact.trainable_variables:
        value = v.numpy()
        for at in np.ndindex(value.shape):
            moved = []
            for sign in (1, -1):
                shifted = value.copy()
                shifted[at] += sign * step
                v.assign(shifted)
                moved.append(np.asarray(exact(X))[:, 0])
            v.assign(value)
            rows.append((moved[0] - moved[1]) / (2 * step))
    return np.transpose(rows) @ np.asarray(rows)


POLICIES = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float64")


@pytest.mark.parametrize("first", POLICIES)
@pytest.mark.parametrize("last", ["same", "float32"])
def test_any_float_model_can_be_computed_in_float64_and_float32(first, last):
    model = mlp(first, first if last == "same" else last)
    expected = gram(model)
    for precision, tolerance in (("float64", 1e-7), ("float32", 1e-5)):
        found = nb.empirical_ntk(model, X, precision=precision)
        assert found.dtype == precision
        np.testing.assert_allclose(found, expected, rtol=tolerance)


def test_weights_of_other_types_are_refused_only_without_a_precision():
    model = mlp("float16", "float32")
    for call in (lambda: nb.empirical_ntk(model, X), lambda: nb.hessian_norm(model, X), lambda: nb.linearize(model)):
        with pytest.raises(nb.NtkbenchError, match="types float16, float32.*precision='float64'"):
            call()


def test_inputs_are_not_rounded_on_their_way_into_a_float64_model():
    model = mlp("float64", "float64", inputs="float32")
    x = X / 3  # which float32 does not hold
    exact = mlp("float64", "float64", inputs="float64")
    exact.set_weights(model.get_weights())
    assert np.abs(np.asarray(model(x)) - np.asarray(exact(x))).max() > 1e-10
    found = nb.empirical_ntk(model, x, precision="float64")
    np.testing.assert_allclose(found, nb.empirical_ntk(exact, x, method="jacobian"), rtol=1e-13)


class Half(keras.layers.Layer):
    """Computes in a type of its own, whatever the model's."""

    to = "float16"

    def call(self, h):
        return tf.cast(tf.tanh(tf.cast(h, self.to)), h.dtype)


class Brain(Half):
    to = "bfloat16"


class Single(Half):
    to = "float32"


class Double(Half):
    to = "float64"


@pytest.mark.parametrize(
    ("middle", "name"),
    [
        (Half, "Half"),
        (lambda: keras.layers.Lambda(lambda h: keras.ops.cast(keras.ops.cast(h, "bfloat16"), "float32")), "Lambda"),
        (lambda: keras.Sequential([keras.layers.Dense(4), Half()]), "Half"),
    ],
)
def test_layers_that_compute_in_less_are_named(middle, name):
    model = mlp("float32", "float32", middle=[middle()])
    for precision in ("float32", "float64"):
        with pytest.raises(nb.NtkbenchError, match=f"does not compute in {precision}: layer .*{name}"):
            nb.empirical_ntk(model, X, precision=precision)
    assert nb.empirical_ntk(model, X).shape == (3, 3)


def test_a_cast_to_float32_is_fine_in_float32_only():
    model = mlp("float32", "float32", middle=[Single()])
    assert nb.empirical_ntk(model, X, precision="float32").shape == (3, 3)
    with pytest.raises(nb.NtkbenchError, match="layer .*Single.* computes in float32"):
        nb.empirical_ntk(model, X, precision="float64")


def test_what_a_layer_has_made_of_its_statistics_goes_along():
    adapted = keras.layers.Normalization()
    adapted.adapt(3 * X.astype(np.float32) + 1)
    model = keras.Sequential([keras.Input((5,)), adapted, keras.layers.Dense(1)])
    h = (X - adapted.mean.numpy()) / np.sqrt(adapted.variance.numpy())
    np.testing.assert_allclose(nb.empirical_ntk(model, X, precision="float64"), h @ h.T + 1, rtol=1e-6)
    adapted.adapt(5 * X.astype(np.float32) - 2)
    h = (X - adapted.mean.numpy()) / np.sqrt(adapted.variance.numpy())
    np.testing.assert_allclose(nb.empirical_ntk(model, X, precision="float64"), h @ h.T + 1, rtol=1e-6)
    np.testing.assert_allclose(nb.empirical_ntk(model, X), h @ h.T + 1, rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "coarse", ["first", "cast", *(pytest.param(c, marks=pytest.mark.slow) for c in ("last", "both"))]
)
def test_errors_cover_the_truth_where_a_layer_computes_in_half_precision(policy, coarse):
    policies = [policy if coarse in (each, "both") else "float32" for each in ("first", "last")]
    middle = [(Half if policy == "mixed_float16" else Brain)()] if coarse == "cast" else []
    model = mlp(*policies, middle=middle)
    exact = mlp("float64", "float64", inputs="float64", middle=[Double()] if middle else [])
    exact.set_weights(model.get_weights())
    for method in ("auto", "hvp", "dense"):
        found, truth = (nb.hessian_norm(each, X, method=method) for each in (model, exact))
        assert (np.abs(found.value - truth.value) <= found.error).all()
    found, truth = nb.hessian_eigs(model, X, 3), nb.hessian_eigs(exact, X, 3)
    assert (np.abs(np.sort(found.value) - np.sort(truth.value)) <= found.error + truth.error).all()


def test_a_model_with_float32_inside_is_no_coupled_one():
    rng = np.random.default_rng(0)
    wide = keras.Sequential(
        [
            keras.Input((300,), dtype="float64"),
            keras.layers.Dense(300, dtype="float32"),
            Single(dtype="float64"),
            keras.layers.Dense(1, dtype="float64"),
        ]
    )
    wide.layers[0].trainable = False
    x = rng.standard_normal((5, 300))
    assert nb.empirical_ntk(wide, x).shape == (5, 5)
    assert nb.hessian_norm(wide, x[:1]).value.shape == (1,)


class Clipped(keras.layers.Layer):
    """Clips its inputs; the configuration omits the limit."""

    limit = 1.0

    def call(self, x):
        return keras.ops.clip(x, -self.limit, self.limit)


def clipped():
    ones = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((2,)), Clipped(), ones])
    return model, model.layers[0]


@pytest.mark.parametrize("first", [True, False])
def test_a_setting_that_the_configuration_omits_is_noticed_at_any_input(first):
    """Only the last of three inputs is clipped."""
    x = np.array([[0.1, 0.2], [0.3, 0.1], [4.0, 2.0]])
    model, layer = clipped()
    if not first:
        np.testing.assert_allclose(nb.empirical_ntk(model, x, precision="float64")[2, 2], 2.0)
    layer.limit = 5.0
    with pytest.raises(nb.NtkbenchError, match="returns 2, but the model returns 6: get_config omits a setting"):
        nb.empirical_ntk(model, x, precision="float64")


def test_a_setting_that_the_configuration_omits_is_noticed_at_other_inputs_later():
    model, layer = clipped()
    layer.limit = 5.0
    x = np.array([[0.1, 0.2], [0.3, 0.1]])
    np.testing.assert_allclose(nb.empirical_ntk(model, x, precision="float64"), x @ x.T)
    with pytest.raises(nb.NtkbenchError, match="get_config omits a setting"):
        nb.empirical_ntk(model, 10 * x, precision="float64")

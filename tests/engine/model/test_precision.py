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
    with pytest.raises(nb.NtkbenchError, match="float32 and only Keras"):
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

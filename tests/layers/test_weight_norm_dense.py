"""The dense layer with weight normalisation."""

from __future__ import annotations

import keras
import numpy as np

from ntkbench import layers


def test_units_are_gains_times_directions():
    options = {"use_bias": True, "bias_std": 0.5, "weight_std": 2.0, "seed": 1}
    layer = layers.WeightNormDense(3, "tanh", dtype="float64", **options)
    x = np.random.default_rng(0).standard_normal((2, 5, 4))
    layer(x)
    layer.gain.assign([1, 2, -0.5])
    v, b = np.asarray(layer.kernel), np.asarray(layer.bias)
    expected = 2 * np.array([1, 2, -0.5]) * (x @ v) / np.linalg.norm(v, axis=0) + 0.5 * b
    np.testing.assert_allclose(layer(x), np.tanh(expected), rtol=1e-12)
    layer.kernel.assign(3 * v)
    np.testing.assert_allclose(layer(x), np.tanh(expected), rtol=1e-12)


def test_survives_saving():
    layer = layers.WeightNormDense(4, "tanh", seed=3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    x = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(layer(x), again(x))

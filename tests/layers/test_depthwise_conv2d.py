"""The depthwise convolution."""

from __future__ import annotations

import keras
import numpy as np

from ntkbench import layers


def test_every_channel_has_a_kernel_of_its_own():
    layer = layers.DepthwiseConv2D((3, 5), use_bias=True, bias_std=0.5, seed=1, dtype="float64")
    x = np.random.default_rng(0).standard_normal((2, 4, 6, 3))
    z = np.asarray(layer(x))
    w, b = (np.asarray(weight) for weight in layer.get_weights())
    padded = np.pad(x, [(0, 0), (1, 1), (2, 2), (0, 0)])
    expected = sum(w[i, j, :, 0] * padded[:, i : i + 4, j : j + 6] for i in range(3) for j in range(5))
    np.testing.assert_allclose(z, expected / 15**0.5 + 0.5 * b, rtol=1e-11)
    assert w.shape == (3, 5, 3, 1) and b.shape == (3,)


def test_survives_saving():
    layer = layers.DepthwiseConv2D(3, "tanh", seed=3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    x = np.ones((1, 4, 4, 2), "float32")
    np.testing.assert_array_equal(layer(x), again(x))

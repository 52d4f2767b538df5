"""Trained gains, one per entry or one for all."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ntkbench import layers
from ntkbench.errors import NtkbenchError


def test_own_and_shared_gains():
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    own, shared = layers.Gain(start=[1, 2, 3, 4], dtype="float64"), layers.Gain(shared=True, start=0.5, dtype="float64")
    np.testing.assert_array_equal(own(x), x * [1, 2, 3, 4])
    np.testing.assert_array_equal(shared(x), 0.5 * x)
    assert [layer.trainable_variables[0].shape for layer in (own, shared)] == [(4,), (1,)]
    own.gain.assign([0, 0, 0, 1])
    np.testing.assert_array_equal(own(x)[..., 3], x[..., 3])


@pytest.mark.parametrize(
    ("options", "size", "message"),
    [
        ({"start": [1, 2, 3]}, 4, "3 initial values for 4 gains"),
        ({"start": [1, 2], "shared": True}, 2, "2 initial values for 1 gains"),
        ({}, None, "set the size of its input's last axis"),
    ],
)
def test_starts_that_do_not_fit(options, size, message):
    with pytest.raises(NtkbenchError, match=message):
        layers.Gain(**options).build((None, size))


def test_survives_saving():
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layers.Gain(start=[1, 2])))
    assert again.start == [1, 2] and not again.shared

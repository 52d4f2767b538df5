"""The block-diagonal dense layer."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ntkbench import layers
from ntkbench.errors import NtkbenchError


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_blocks_are_dense_layers_side_by_side(parameterization):
    options = {"use_bias": True, "bias_std": 0.3, "weight_std": 2.0, "parameterization": parameterization, "seed": 1}
    layer = layers.BlockDense(4, 2, "tanh", dtype="float64", **options)
    x = np.random.default_rng(0).standard_normal((3, 5, 6))
    z = np.asarray(layer(x))
    w, b = (np.asarray(weight) for weight in layer.get_weights())
    scale, bias_scale = (2 / 3**0.5, 0.3) if parameterization == "ntk" else (1, 1)
    expected = np.concatenate([x[..., :3] @ w[0], x[..., 3:] @ w[1]], -1) * scale + b * bias_scale
    np.testing.assert_allclose(z, np.tanh(expected), rtol=1e-12)
    assert w.shape == (2, 3, 2) and b.shape == (4,)


def test_every_block_has_an_orthogonal_matrix():
    layer = layers.BlockDense(8, 2, init="orthogonal", seed=1, dtype="float64")
    layer.build((None, 8))
    for block in np.asarray(layer.kernel):
        np.testing.assert_allclose(block @ block.T, 4 * np.eye(4), atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.BlockDense(5, 2), "cannot split 5 units evenly over 2 blocks"),
        (lambda: layers.BlockDense(4, 2).build((None, 3)), "cannot split 3 inputs evenly over 2 blocks"),
        (lambda: layers.BlockDense(4, 0), "blocks=0"),
    ],
)
def test_blocks_that_do_not_fit(make, message):
    with pytest.raises(NtkbenchError, match=message):
        make()


def test_survives_saving():
    layer = layers.BlockDense(4, 2, "tanh", seed=3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    x = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(layer(x), again(x))

"""Matrices of limits are computed once for equal layers and inputs, and again for everything that may differ."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from checking import normal

from ntkbench import kernels as k, layers
from ntkbench.kernels.infinite import InfiniteWidth
from ntkbench.kernels.remembered import matrix_of


@pytest.fixture
def computed(monkeypatch):
    """The kernels whose matrices were computed."""
    found, original = [], InfiniteWidth._matrix
    monkeypatch.setattr(InfiniteWidth, "_matrix", lambda self, x1, x2: found.append(self) or original(self, x1, x2))
    return found


def limit(width, activation="tanh", **options):
    x = keras.Input((3,))
    h = layers.Dense(width, activation, seed=0, **options)(x)
    return k.infinite_width(keras.Model(x, layers.Dense(1, seed=1)(h)))


def leaky(slope):
    """Layers of the same name, which are described alike."""
    return keras.layers.LeakyReLU(slope, name="leaky", dtype="float64")


def test_widths_share_a_matrix(computed):
    x = normal(4, 3, seed=11)
    first, second = limit(8), limit(16)
    computed.clear()
    np.testing.assert_array_equal(matrix_of(first, x), matrix_of(second, x))
    assert computed == [first]
    np.testing.assert_array_equal(matrix_of(second, x), second.matrix(x, x))


def test_widths_of_concatenated_branches_share_a_matrix(computed):
    def joined(*units):
        return InfiniteWidth([k.concatenate([k.Dense(), k.Activation("erf")], [k.Dense()], units=units), k.Dense()])

    x = normal(4, 3, seed=16)
    first, wider, others = joined(8, 24), joined(16, 48), joined(8, 8)
    np.testing.assert_array_equal(matrix_of(first, x), matrix_of(wider, x))
    assert computed == [first]
    assert not np.allclose(matrix_of(others, x), matrix_of(first, x))


@pytest.mark.parametrize(
    ("other", "inputs"),
    [
        (lambda: limit(8, "erf"), 12),
        (lambda: limit(8, weight_std=2.0), 12),
        (lambda: limit(8, lambda x: tf.sin(x)), 12),
        (lambda: limit(8, leaky(0.3)), 12),
        (lambda: limit(8), 13),
    ],
    ids=["activation", "deviation", "function", "layer", "inputs"],
)
def test_what_differs_is_computed(other, inputs, computed):
    first = normal(4, 3, seed=12)
    matrix_of(limit(8), first)
    matrix_of(limit(8, leaky(0.1)), first)
    kernel, x = other(), normal(4, 3, seed=inputs)
    computed.clear()
    found = matrix_of(kernel, x)
    assert computed == [kernel]
    np.testing.assert_array_equal(found, kernel.matrix(x, x))


def test_variables_may_change():
    x, deviation = normal(4, 3, seed=14), tf.Variable(1.0, dtype=tf.float64)
    kernel = InfiniteWidth([k.Dense(deviation), k.Dense(1.0)])
    before = matrix_of(kernel, x)
    deviation.assign(2.0)
    np.testing.assert_allclose(matrix_of(kernel, x), 4 * before)


def test_sequences_of_different_length(computed):
    """Their inputs are a nest, and so are the kernel's types."""
    layers = [k.Dense(), k.Recurrence("tanh"), k.LastStep(), k.Dense()]
    first, second = (InfiniteWidth(layers, feature_ndims={"values": 2, "mask": 1}) for _ in range(2))
    x = {"values": normal(3, 4, 2, seed=15), "mask": np.arange(4) < np.array([[4], [2], [3]])}
    np.testing.assert_array_equal(matrix_of(first, x), matrix_of(second, x))
    assert computed == [first]
    fewer = x | {"mask": x["mask"] & (np.arange(4) < 3)}
    assert not np.allclose(matrix_of(first, fewer), matrix_of(first, x))

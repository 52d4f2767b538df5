"""Vectors of searches: NumPy arrays on CPUs, tensors elsewhere."""

import numpy as np
import pytest
import tensorflow as tf

from ntkbench.engine.search.vectors import length, unit, vector


class Elsewhere(tf.Tensor):
    """A tensor on another device."""

    device = "/job:localhost/replica:0/task:0/device:GPU:0"

    def __init__(self):
        pass


def test_a_tensor_of_the_cpu_becomes_an_array_without_a_copy():
    tensor = tf.constant([3.0, 4.0])
    array = vector(tensor)
    assert isinstance(array, np.ndarray) and array.dtype == np.float32
    assert array.ctypes.data == vector(tensor).ctypes.data
    assert vector(array) is array


def test_a_tensor_of_another_device_stays_there():
    tensor = Elsewhere()
    assert vector(tensor) is tensor


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arithmetic_keeps_the_precision(dtype):
    v = vector(tf.constant([3.0, 4.0], dtype))
    assert (v + 0.5 * unit(v)).dtype == dtype


@pytest.mark.parametrize("make", [np.asarray, tf.constant])
def test_length(make):
    assert length(make([3.0, 4.0])) == 5.0


@pytest.mark.parametrize("make", [np.asarray, tf.constant])
def test_unit(make):
    assert np.allclose(unit(make([3.0, 4.0])), [0.6, 0.8])
    assert all(unit(make(values)) is None for values in ([0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]))

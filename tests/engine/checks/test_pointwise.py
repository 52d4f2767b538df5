"""Kinks that meet in a chain of elementwise operations are found where they are met, and nowhere else."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import ntkbench as nb
from ntkbench.engine.checks.pointwise import chains_of, meeting_kinks
from ntkbench.engine.model import Network, dtype_policy

L, ops = keras.layers, keras.ops

# (function, order of the derivative that is wrong at 0)
WRONG = {
    "the identity": (lambda h: ops.relu(h) - ops.relu(-h), 1),
    "leaky relu": (lambda h: ops.relu(h) - 0.3 * ops.relu(-h), 1),
    "maximum and minimum": (lambda h: ops.maximum(h, 0.0) + ops.minimum(h, 0.0), 1),
    "absolute value times sign": (lambda h: ops.abs(h) * ops.sign(h), 1),
    "a value of its own at 0": (lambda h: ops.where(h == 0, 0.0, ops.relu(h) * 1.0 + ops.minimum(h, 0.0)), 1),
    "another value at 0": (lambda h: ops.where(h == 0, 0.0, h), 1),
    "a number that is not 0": (lambda h: ops.sin(h) * ops.cast(h != 0, h.dtype), 1),
    "a square": (lambda h: ops.abs(h) * ops.abs(h), 2),
    "a signed square": (lambda h: ops.relu(h) ** 2 + ops.relu(-h) ** 2, 2),
}
RIGHT = {
    "abs plus relu": lambda h: ops.abs(h) + ops.relu(h),
    "clipped": lambda h: ops.clip(h, 0.0, 1.0),
    "steep": lambda h: ops.maximum(h / ops.sqrt(h * h + 1e-12), -2.0) + ops.relu(h),
    "leaky relu": lambda h: ops.where(h > 0, h, 0.3 * h) + ops.relu(h),
    "elu": lambda h: ops.elu(h) + ops.relu(h),
    "hard sigmoid": lambda h: ops.relu6(h + 3) / 6 * ops.relu(h),
    "spike": lambda h: h + ops.cast(h == 0, h.dtype),
    "jump": lambda h: ops.sign(h) + ops.relu(h),
    "of two numbers": lambda h: ops.relu(h) - ops.relu(-ops.flip(h, 1)),
}


def around(function, precision="float32", behind="relu"):
    keras.utils.set_random_seed(1)
    layer = type("Mine", (L.Layer,), {"call": lambda self, h: function(h)})
    with dtype_policy(precision):
        return keras.Sequential([keras.Input((3,)), L.Dense(4), layer(), L.Dense(3, behind), L.Dense(1)])


def found(model, x, order):
    net = Network(model)
    x = net.inputs(x)
    return [text for chain in chains_of(net, x) if (text := meeting_kinks(chain, x, order))]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", WRONG)
def test_derivatives_that_are_none_of_the_slopes(name, precision):
    function, order = WRONG[name]
    model = around(function, precision)
    zero = np.zeros((1, 3))
    assert found(model, zero, order) and not found(model, zero, order - 1)
    assert not found(model, np.ones((1, 3)), 2)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", RIGHT)
def test_derivatives_that_are_one_of_the_slopes(name, precision):
    model = around(RIGHT[name], precision)
    for x in (np.zeros((1, 3)), np.ones((1, 3))):
        assert not found(model, x, 2)


def test_what_float32_does_not_resolve_is_found_in_float64():
    """sin(h)/h has the second derivative −1/3 at 0, and TensorFlow differentiates the constant 1 there."""
    model = around(lambda h: ops.where(h == 0, 1.0, ops.sin(h) / ops.where(h == 0, 1.0, h)))
    zero = np.zeros((1, 3))
    assert not found(model, zero, 2)
    nb.empirical_ntk(model, zero)
    with pytest.raises(nb.NtkbenchError, match="second derivative at 0 is -0.33., but TensorFlow's is 0"):
        nb.hessian_norm(model, zero)
    nb.hessian_norm(model, zero + 1)


def test_the_layer_is_named_and_its_derivative_told():
    model = around(WRONG["leaky relu"][0])
    with pytest.raises(
        nb.NtkbenchError, match=r"\(Mine\) kinks meet.* at 0 lies between 0.3 and 1, .* TensorFlow's is 0"
    ):
        nb.empirical_ntk(model, np.zeros((2, 3)))


def test_layers_of_keras_joined_to_such_a_chain():
    x = keras.Input((3,))
    h = L.Dense(4)(x)
    joined = L.Subtract()([L.ReLU()(h), L.ReLU()(L.Rescaling(-1.0)(h))])
    model = keras.Model(x, L.Dense(1)(joined))
    nb.empirical_ntk(model, np.ones((2, 3)))
    with pytest.raises(nb.NtkbenchError, match="kinks meet"):
        nb.empirical_ntk(model, np.zeros((2, 3)))

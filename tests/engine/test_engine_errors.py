"""What the engine says about arguments and models that it cannot take: a sentence with what it got."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from nets import build, probes, sequential

import ntkbench as nb

X = probes("fc", 2)


@pytest.fixture(scope="module")
def model():
    return build("fc", 4)


class Doubled(keras.layers.Dense):
    """A subclass, which might compute anything, and so has no rule."""


@pytest.fixture(scope="module")
def unruled():
    return sequential((6,), lambda: keras.layers.Dense(4), lambda: Doubled(1))


def vectors(model):
    return [np.ones(v.shape) for v in model.trainable_variables]


def refused(sentence):
    return pytest.raises(nb.NtkbenchError, match=sentence)


def test_unknown_names(model):
    with refused("'structure'. Did you mean 'structured'"):
        nb.empirical_ntk(model, X, method="structure")
    with refused("'facored'. Did you mean 'factored'"):
        nb.hessian_norm(model, X, method="facored")
    with refused("'forward'"):
        nb.hvp(model, X, vectors(model), mode="forward")


def test_methods_that_need_a_rule(unruled):
    with refused("method='jacobian'"):
        nb.empirical_ntk(unruled, X, method="structured")
    with refused("method='hvp'"):
        nb.hessian_norm(unruled, X, method="factored")


def test_dense_hessians_have_a_limit():
    with refused("stops at 4096"):
        nb.hessian_norm(build("fc", 64), X, method="dense")


def test_shapes(model):
    wrong = [np.ones(3)]
    with refused(r"\(3,\).*\(6, 4\)"):
        nb.hvp(model, X, wrong)
    with refused(r"\(3,\).*\(6, 4\)"):
        nb.linearize(model)(X, wrong)


@pytest.mark.parametrize("unit", [1, -1])
def test_output_units(model, unit):
    for call in (
        lambda: nb.empirical_ntk(model, X, outputs=unit),
        lambda: nb.hessian_norm(model, X, output=unit),
        lambda: nb.hvp(model, X, vectors(model), output=unit),
    ):
        with refused("1 output unit"):
            call()
    with refused("'sum'"):
        nb.empirical_ntk(model, X, outputs="sum")


def test_no_trainable_weights():
    frozen = build("fc", 4)
    frozen.trainable = False
    with refused("no trainable weights"):
        nb.empirical_ntk(frozen, X)


def test_not_a_model():
    with refused("Got a function"):
        nb.empirical_ntk(lambda x: x, X)


def test_not_built():
    with refused("not built"):
        nb.empirical_ntk(keras.Sequential([keras.layers.Dense(1)]), X)


def test_several_outputs_and_inputs():
    x = keras.Input((6,))
    two = keras.Model(x, [keras.layers.Dense(1)(x), keras.layers.Dense(1)(x)])
    with refused("2 separate outputs"):
        nb.empirical_ntk(two, X)
    other = keras.Input((6,))
    both = keras.Model([x, other], keras.layers.Dense(1)(keras.layers.Add()([x, other])))
    with refused("2 separate inputs"):
        nb.empirical_ntk(both, [X, X[:1]])


def test_mixed_types():
    class Mixed(tf.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = tf.Variable(1.0), tf.Variable(1.0, dtype=tf.float64)

        def __call__(self, x):
            return x

    with refused("float32, float64"):
        nb.hessian_norm(Mixed(), X)

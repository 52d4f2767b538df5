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
    with refused("at most 4096"):
        nb.hessian_norm(build("fc", 64), X, method="dense")


def test_shapes(model):
    wrong = [np.ones(3)] * 3
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
    with refused("has not been built"):
        nb.empirical_ntk(keras.Sequential([keras.layers.Dense(1)]), X)


def test_several_outputs_and_inputs():
    x = keras.Input((6,))
    two = keras.Model(x, [keras.layers.Dense(1)(x), keras.layers.Dense(1)(x)])
    with refused("2 separate outputs"):
        nb.empirical_ntk(two, X)
    other = keras.Input((6,))
    both = keras.Model([x, other], keras.layers.Dense(1)(keras.layers.Add()([x, other])))
    with refused(r"x\[1\] has 1 samples, but x\[0\] has 2"):
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


WRONG_ARGUMENTS = {
    "method of a kernel": (lambda m: nb.empirical_ntk(m, X, method=None), "Unknown kernel method None"),
    "method of a norm": (lambda m: nb.hessian_norm(m, X, method=3), "Unknown Hessian method 3"),
    "mode": (lambda m: nb.hvp(m, X, vectors(m), mode=["auto"]), r"Unknown mode \['auto'\]"),
    "precision": (lambda m: nb.empirical_ntk(m, X, precision=tf.float64), "Unknown precision tf.float64"),
    "memory": (lambda m: nb.empirical_ntk(m, X, memory_gib="2"), "memory_gib='2' is invalid"),
    "out": (lambda m: nb.empirical_ntk(m, X, out=3), "out=3 is not a path"),
    "tol in words": (lambda m: nb.hessian_norm(m, X, tol="small"), "tol='small' is not a relative tolerance"),
    "tol below 0": (lambda m: nb.hessian_eigs(m, X, 1, tol=-1), "tol=-1 is not a relative tolerance"),
    "tol of nothing": (lambda m: nb.hessian_norm(m, X, tol=float("nan")), "tol=nan is not a relative tolerance"),
    "steps": (lambda m: nb.hessian_norm(m, X, max_iterations=0), "max_iterations=0 is invalid"),
    "half a step": (lambda m: nb.hessian_norm(m, X, max_iterations=1.5), "max_iterations=1.5 is invalid"),
    "seed": (lambda m: nb.hessian_norm(m, X, seed=-1), "seed=-1 is invalid; pass an integer of at least 0"),
    "no seed": (lambda m: nb.hessian_eigs(m, X, 1, seed=None), "seed=None is invalid"),
    "k": (lambda m: nb.hessian_eigs(m, X, True), "k=True is invalid; pass an integer of at least 1"),
    "no vectors": (lambda m: nb.hvp(m, X, None), "vectors is a NoneType; expected one array per trainable"),
    "one vector": (lambda m: nb.hvp(m, X, np.ones(34)), "vectors has 34 arrays; expected one for each of the"),
    "words": (lambda m: nb.hvp(m, X, [v.astype(str) for v in vectors(m)]), r"vectors\[0\] has dtype string"),
    "complex vectors": (lambda m: nb.hvp(m, X, [1j * v for v in vectors(m)]), r"vectors\[0\] has dtype complex128"),
    "huge vectors": (lambda m: nb.hvp(m, X, [np.inf * v for v in vectors(m)]), "vectors contains NaN, infinity"),
    "complex delta": (lambda m: nb.linearize(m)(X, [1j * v for v in vectors(m)]), r"delta\[0\] has dtype complex128"),
    "no delta": (lambda m: nb.linearize(m)(X, 3.0), "delta is a float; expected one array"),
    "kernels in words": (lambda m: nb.kernel_distance("a", "b"), "Got a str and a str; kernels must be arrays"),
    "complex kernels": (
        lambda m: nb.relative_change(1j * np.eye(2), np.eye(2)),
        "kernels must be arrays of real numbers",
    ),
    "a model to run": (lambda m: nb.run(m), "expected a name, or a model"),
}


@pytest.mark.parametrize("what", WRONG_ARGUMENTS)
def test_wrong_arguments(what, model):
    call, sentence = WRONG_ARGUMENTS[what]
    with refused(sentence):
        call(model)


def test_separate_inputs_are_named():
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    both = keras.Model([a, b], keras.layers.Dense(1)(keras.layers.Add()([a, b])))
    with refused(r"x is a single array, but the model takes 2 inputs: 'a' \[N, 6\] of float32 and 'b'"):
        nb.empirical_ntk(both, X)
    with refused("x has no part 'b'; the model takes 2 inputs"):
        nb.empirical_ntk(both, {"a": X})
    with refused("x has the part 'c', which the model does not take"):
        nb.empirical_ntk(both, {"a": X, "b": X, "c": X})
    with refused(r"x\['b'\] has shape \[2, 5\]; the model expects \[N, 6\]"):
        nb.empirical_ntk(both, {"a": X, "b": X[:, 1:]})

"""The entry point of the public functions: what is refused with its cause, and models that change between two calls."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L, ops

import ntkbench as nb

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 5)).astype("float32")
IDS = RNG.integers(0, 9, (3, 5))
BEYOND = np.array(IDS)
BEYOND[1, 2] = 12


def ones(model):
    return [np.ones(v.shape, "float32") for v in model.trainable_variables]


CALLS = {
    "kernel": nb.empirical_ntk,
    "kernel from Jacobians": lambda m, x: nb.empirical_ntk(m, x, method="jacobian"),
    "products": lambda m, x: nb.empirical_ntk(m, x, method="ntk_vector_products"),
    "hvp": lambda m, x: np.concatenate([np.ravel(part) for part in nb.hvp(m, x, ones(m))]),
    "norm": lambda m, x: nb.hessian_norm(m, x).value,
    "norm by hvp": lambda m, x: nb.hessian_norm(m, x, method="hvp").value,
    "eigenvalues": lambda m, x: np.sort(nb.hessian_eigs(m, x, 2).value),
    "linear model": lambda m, x: nb.linearize(m)(x, [0.1 * v for v in ones(m)]),
}


def sequential(*layers, shape=(5,), dtype=None):
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input(shape, dtype=dtype), *layers])


def refused(model, x, sentence):
    for call in CALLS.values():
        with pytest.raises(nb.NtkbenchError, match=sentence) as caught:
            call(model, x)
        assert not re.search(r"\x1b|function_node|Exception encountered|Graph execution", str(caught.value))


# -- what comes out ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "sentence"),
    [
        (lambda h: ops.cast(h > 0, "int32"), "type int32, which has no derivatives"),
        (lambda h: ops.argmax(h, 1, keepdims=True), "type int(32|64), which has no derivatives"),
        (lambda h: h > 0, "type bool, which has no derivatives"),
        (tf.strings.as_string, "type string, which has no derivatives"),
        (lambda h: tf.cast(h, "complex64"), r"outputs are complex \(complex64\)"),
        (lambda h: tf.reduce_sum(h), r"value of shape \(\); it must return"),
        (lambda h: tf.reduce_mean(h, 0), "4 outputs for 1 inputs"),
        (tf.sparse.from_dense, "a SparseTensor; it must return a dense tensor"),
    ],
)
def test_outputs_without_derivatives(last, sentence):
    refused(sequential(L.Dense(4), L.Lambda(last)), X, sentence)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "int32"])
def test_weights_are_real_numbers(dtype):
    class Other(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(tf.ones((5, 1), dtype))

        def __call__(self, x):
            return tf.math.real(tf.cast(x, dtype) @ self.w)

    model = Other()
    for call in (lambda: nb.empirical_ntk(model, X), lambda: nb.hessian_norm(model, X), lambda: nb.linearize(model)):
        with pytest.raises(nb.NtkbenchError, match=f"type {dtype}; they must be real numbers"):
            call()


def test_complex_numbers_inside_are_fine():
    """|FFT| of W x: by Parseval the sum of squares has the Gram matrix of an orthogonal map, times its length."""
    model = sequential(
        L.Dense(4, use_bias=False),
        L.Lambda(lambda h: tf.reduce_sum(tf.abs(tf.signal.fft(tf.cast(h, "complex64"))) ** 2, 1)),
    )
    w = model.get_weights()[0]
    h = X @ w
    np.testing.assert_allclose(nb.empirical_ntk(model, X), (2 * 4) ** 2 * (h @ h.T) * (X @ X.T), rtol=1e-4)


# -- what goes in -----------------------------------------------------------------------------------------------------


def table(*first, dtype="int32"):
    return sequential(*first, L.Embedding(10, 3), L.Flatten(), L.Dense(1), dtype=dtype)


class Tied(keras.Model):
    """Token in, scores of all tokens out, by one table."""

    def __init__(self):
        super().__init__()
        self.table, self.dense = L.Embedding(10, 3), L.Dense(3)

    def call(self, t):
        return ops.matmul(self.dense(ops.mean(self.table(t), 1)), ops.transpose(self.table.embeddings))


class Masked(keras.Model):
    """A sum over the tokens that are not 0."""

    def __init__(self):
        super().__init__()
        self.table, self.dense = L.Embedding(10, 3), L.Dense(1)

    def call(self, t):
        return self.dense(ops.sum(self.table(t) * ops.cast(ops.not_equal(t, 0), "float32")[..., None], 1))


def built(model):
    model(IDS)
    return model


@pytest.mark.parametrize(
    "make",
    [
        table,
        lambda: table(dtype="float32"),
        lambda: table(L.Lambda(lambda t: t)),
        lambda: sequential(L.Lambda(lambda t: ops.one_hot(t, 10), (5, 10)), L.Flatten(), L.Dense(1), dtype="int32"),
        lambda: sequential(L.CategoryEncoding(10), L.Dense(1), dtype="int32"),
        lambda: sequential(L.CategoryEncoding(10, output_mode="count"), L.Dense(1), dtype="int32"),
        lambda: built(Tied()),
        lambda: built(Masked()),
        lambda: sequential(L.ReversibleEmbedding(10, 3), L.Flatten(), L.Dense(1), dtype="int32"),
    ],
)
def test_tokens_beyond_the_table(make):
    model = make()
    x = BEYOND.astype("float32") if "float32" in str(getattr(model, "inputs", "")) else BEYOND
    refused(model, x, "Input 1 of x is out of range for the model: .* 12 ")
    assert np.isfinite(nb.empirical_ntk(model, IDS.astype(x.dtype))).all()


def test_tokens_of_another_kind():
    refused(table(), IDS + 0.5, r"Input 0 of x contains .*\.5; the model expects int32")
    refused(table(), np.array([["a"] * 5]), "contains strings")
    known = table(L.IntegerLookup(vocabulary=[1, 2, 3]))  # which has a row for all others
    assert np.isfinite(nb.empirical_ntk(known, BEYOND)).all()


@pytest.mark.parametrize("bad", ["x1", "x2"])
def test_the_inputs_to_blame_are_named(bad):
    model = sequential(L.Dense(4, use_bias=False), L.Lambda(ops.sqrt))
    model.layers[0].set_weights([np.abs(model.layers[0].get_weights()[0])])
    inputs = {"x1": np.ones((2, 5)), "x2": np.ones((2, 5))} | {bad: np.zeros((2, 5))}
    with pytest.raises(nb.NtkbenchError, match=f"is not finite at input 0 of {bad}"):
        nb.empirical_ntk(model, *inputs.values())


def with_weight(value):
    model = sequential(L.Dense(4, "tanh"), L.Dense(1))
    first, *others = model.get_weights()
    first[0, 0] = value
    model.set_weights([first, *others])
    return model


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(value):
    refused(with_weight(value), X, "The weights '.*kernel' contain NaN or infinity .1 of 20 numbers.")


def test_statistics_that_are_not_finite():
    model = sequential(L.Dense(4), L.BatchNormalization(), L.Dense(1))
    model.layers[1].moving_variance.assign([np.nan, 1, 1, 1])
    refused(model, X, "'.*moving_variance' contain NaN or infinity .1 of 4 ")
    model.layers[1].moving_variance.assign([-1.0] * 4)
    with pytest.raises(nb.NtkbenchError, match="output is nan at input 0"):
        nb.empirical_ntk(model, X)


@pytest.mark.parametrize(
    "function",
    [
        lambda h: ops.sqrt(ops.abs(h)),
        lambda h: ops.norm(h, axis=1, keepdims=True),
        lambda h: ops.arccos(h + 1),
        lambda h: h ** (1 / 3),
    ],
)
def test_derivatives_that_are_not_finite(function):
    model = sequential(L.Dense(4, use_bias=False), L.Lambda(function))
    expected = "derivative of the output with respect to '.*kernel' is not finite at input 0 of x"
    with pytest.raises(nb.NtkbenchError, match=expected):
        nb.empirical_ntk(model, np.zeros((2, 5)))
    try:
        found = nb.hessian_norm(model, np.zeros((2, 5))).value
    except nb.NtkbenchError as error:
        assert "not finite" in str(error)
    else:
        assert not found.any()  # at inputs of 0 the output does not depend on the weights


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (X * np.nan, "Input 0 of x .of 3. contains NaN"),
        (X.astype("float64") * 1e300, "as float32"),
        (X[:0], "at least one input"),
        (X[:, :0], r"shape \[3, 0\]"),
        (X + 1j, "x is complex"),
        (X.astype(object), r"array of Python objects.*x\.astype"),
        ([[1.0], [1.0, 2.0]], "x is a list, not an array of numbers"),
        ({"a": X}, "x is a dict, not an array of numbers"),
        (None, "x is a NoneType, not an array"),
        (tf.data.Dataset.from_tensor_slices(X), "Dataset, not an array"),
        (tf.sparse.from_dense(X), "SparseTensor, not an array"),
        (3.0, r"shape \[\]"),
    ],
)
def test_inputs_that_are_none(x, sentence):
    refused(sequential(L.Dense(4, "tanh"), L.Dense(1)), x, sentence)


def test_fixed_batches_are_refused_with_what_to_do():
    x = keras.Input(batch_shape=(4, 5))
    fixed = keras.Model(x, L.Dense(1)(ops.reshape(L.Dense(4)(x), (4, 4))))
    refused(fixed, np.ones((4, 5)), "built for batches of 4.*Build it without a batch size")
    open_size = keras.Sequential([keras.Input(batch_shape=(4, 5)), L.Dense(1)])  # a size that nothing depends on
    np.testing.assert_allclose(nb.empirical_ntk(open_size, X), X @ X.T + 1, rtol=1e-5)


# -- models that change -----------------------------------------------------------------------------------------------

FACTOR = 1.0
HOLDER = {"factor": 1.0}


class Setting(keras.Model):
    """Settings in attributes, containers, its class and its module."""

    slope = 1.0

    def __init__(self):
        super().__init__()
        self.dense, self.out = L.Dense(6, "tanh"), L.Dense(1)
        self.nested, self.bent = {"a": [1.0]}, False
        self.scale, self.tensor = tf.Variable(1.0, trainable=False), tf.constant(1.0)

    def call(self, x):
        h = self.dense(x)
        h = ops.square(h) if self.bent else h
        size = self.nested["a"][0] * self.scale * self.tensor * self.slope * FACTOR
        return self.out(h) * size + 0 * helper(h)


def helper(h):
    return ops.sum(ops.where(h > 5, HOLDER["factor"], 0.0), axis=1, keepdims=True)


def setting():
    keras.utils.set_random_seed(1)
    model = Setting()
    model(X)
    return model


def dense(*more):
    return sequential(L.Dense(6, "tanh", bias_initializer="ones"), *more, L.Dense(1))


def normalised():
    layer = L.Normalization()
    layer.adapt(X)
    return sequential(layer, L.Dense(6, "tanh"), L.Dense(1))


def lora(model):
    model.layers[0].enable_lora(2)
    model.layers[0].lora_kernel_b.assign(np.ones((2, 6)))


def rebuilt(model):
    model.pop()
    model.add(L.Dense(3))
    model.add(L.Dense(1))


CHANGES = {
    "nested attribute": (setting, lambda m: m.nested["a"].__setitem__(0, 3.0)),
    "flag": (setting, lambda m: setattr(m, "bent", True)),
    "variable that Keras does not track": (setting, lambda m: m.scale.assign(2.0)),
    "tensor": (setting, lambda m: setattr(m, "tensor", tf.constant(3.0))),
    "activation": (dense, lambda m: setattr(m.layers[0], "activation", ops.sin)),
    "layers": (dense, rebuilt),
    "trainable": (dense, lambda m: setattr(m.layers[0], "trainable", False)),
    "weights": (dense, lambda m: m.set_weights([1.5 * w for w in m.get_weights()])),
    "LoRA": (dense, lora),
    "dtype policy": (dense, lambda m: setattr(m.layers[0], "dtype_policy", keras.DTypePolicy("mixed_bfloat16"))),
    "slope of a layer": (lambda: dense(L.LeakyReLU()), lambda m: setattr(m.layers[1], "negative_slope", 0.9)),
    "call of a layer": (lambda: dense(L.Activation("tanh")), lambda m: setattr(m.layers[1], "call", lambda h: 2 * h)),
    "moving statistics": (lambda: dense(L.BatchNormalization()), lambda m: m(X, training=True)),
    "epsilon": (lambda: dense(L.LayerNormalization()), lambda m: setattr(m.layers[1], "epsilon", 1.0)),
    "adapted statistics": (normalised, lambda m: m.layers[0].adapt(2 * X + 1)),
    "global that a Lambda reads": (
        lambda: dense(L.Lambda(lambda h: h * HOLDER["factor"])),
        lambda m: HOLDER.update(factor=2.0),
    ),
}


def numbers(model):
    names = ("kernel", "hvp", "norm", "linear model")  # each of a compiled function of its own
    return {name: np.asarray(CALLS[name](model, X)) for name in names}


@pytest.mark.parametrize("what", CHANGES)
def test_numbers_are_those_of_the_model_as_it_is_now(what):
    make, change = CHANGES[what]
    HOLDER["factor"] = 1.0
    model = make()
    before = numbers(model)
    change(model)
    found = numbers(model)
    vars(model).pop("_ntkbench_networks")
    for name, fresh in numbers(model).items():
        np.testing.assert_allclose(found[name], fresh, rtol=2e-3, atol=1e-5, err_msg=name)
    assert any(found[each].shape != b.shape or not np.allclose(found[each], b, rtol=1e-3) for each, b in before.items())


@pytest.mark.parametrize("name", ["FACTOR", "slope"])
def test_globals_and_class_attributes_count(name, monkeypatch):
    model = setting()
    before = nb.empirical_ntk(model, X)
    monkeypatch.setattr(*((Setting, "slope") if name == "slope" else (f"{__name__}.FACTOR",)), 3.0)
    np.testing.assert_allclose(nb.empirical_ntk(model, X), 9 * before, rtol=1e-4)


def test_a_change_that_the_first_input_does_not_show_counts():
    """Where h > 10 only, which is so at the second input."""
    x = np.array([[0.1] * 5, [50.0] * 5], "float32")
    layer = L.Lambda(lambda h: ops.where(h > 10, h * HOLDER["factor"], h))
    HOLDER["factor"] = 1.0
    model = sequential(L.Dense(1, use_bias=False, kernel_initializer="ones"), layer)
    before = nb.empirical_ntk(model, x)
    HOLDER["factor"] = 2.0
    np.testing.assert_allclose(nb.empirical_ntk(model, x), before * [[1, 2], [2, 4]], rtol=1e-5)


def test_a_change_that_no_snapshot_can_see_counts(monkeypatch):
    """A value behind a computed name, which only some inputs show."""
    x = np.array([[0.1] * 5, [0.2] * 5, [50.0] * 5], "float32")
    layer = L.Lambda(lambda h: ops.where(h > 10, h * globals()["FAC" + "TOR"[:]], h))
    model = sequential(L.Dense(1, use_bias=False, kernel_initializer="ones"), layer)
    before = nb.empirical_ntk(model, x)
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    np.testing.assert_allclose(nb.empirical_ntk(model, x), before * np.outer([1, 1, 2], [1, 1, 2]), rtol=1e-5)

"""Models with several inputs: kernels, Hessians and products against finite differences in float64.

The oracle calls the model itself on the user's nest. Jacobians are differences of outputs; Hessians are differences of
gradients, which are compared with the Jacobians first.
"""

from __future__ import annotations

from collections import namedtuple

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L, ops
from nets import STEP, scrambled

import ntkbench as nb
from ntkbench.engine.model import Network
from ntkbench.engine.model.casting import dtype_policy
from ntkbench.engine.structure import structure_of
from ntkbench.nests import map_leaves

N, T = 3, 4
LENGTHS = np.array([4, 2, 3])
MASK = np.arange(T) < LENGTHS[:, None]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal((N, *shape))


def integers(high, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, high, (N, *shape))


def inputs(**shapes):
    """Return named Keras inputs; a shape may be followed by a dtype."""
    return {
        name: keras.Input(
            shape[:-1] if shape and isinstance(shape[-1], str) else shape, name=name, dtype=dtype_of(shape)
        )
        for name, shape in shapes.items()
    }


def dtype_of(shape):
    return shape[-1] if shape and isinstance(shape[-1], str) else "float64"


RAGGED = {"values": normal(T, 2), "mask": MASK}
ADJACENCY = np.array([np.eye(T, k=1) + np.eye(T, k=-1), np.ones((T, T)) - np.eye(T), np.zeros((T, T))])
Pair = namedtuple("Pair", ["left", "right"])


def recurrent(layer):
    def build():
        x = inputs(values=(T, 2), mask=(T, "bool"))
        return keras.Model(x, L.Dense(1)(layer(x["values"], mask=x["mask"])))

    return build, RAGGED


def two_arrays():
    a, b = inputs(a=(3,), b=(2,)).values()
    h = L.Add()([L.Dense(4, "tanh")(a), L.Dense(4, "tanh", use_bias=False)(b)])
    return keras.Model([a, b], L.Dense(2)(h))


def two_towers():
    image, vector = inputs(image=(4, 4, 1), vector=(3,)).values()
    h = L.Flatten()(L.Conv2D(2, 3, activation="tanh")(image))
    return keras.Model({"image": image, "vector": vector}, L.Dense(1)(L.Concatenate()([h, L.Dense(3, "tanh")(vector)])))


def tokens_and_mask():
    x = inputs(tokens=(T, "int32"), mask=(T, "bool"))
    h = L.Dense(3, "tanh")(L.Embedding(5, 3)(x["tokens"]))
    return keras.Model(x, L.Dense(1)(L.GlobalAveragePooling1D()(h, mask=x["mask"])))


def shared_embedding():
    a, b = inputs(a=(T, "int64"), b=(T, "int64")).values()
    embed = L.Embedding(6, 3)
    h = L.Concatenate()([ops.mean(embed(a), 1), ops.max(embed(b), 1)])
    return keras.Model((a, b), L.Dense(1)(L.Dense(3, "tanh")(h)))


def graph_convolution():
    x = inputs(nodes=(T, 2), adjacency=(T, T))
    h = ops.tanh(ops.matmul(x["adjacency"], L.Dense(3)(x["nodes"])) + L.Dense(3, use_bias=False)(x["nodes"]))
    return keras.Model(x, L.Dense(1)(ops.sum(h, 1)))


def attention():
    x = inputs(values=(T, 2), mask=(T, "bool"))
    pairs = ops.expand_dims(x["mask"], 1)
    h = L.MultiHeadAttention(2, 2)(x["values"], x["values"], attention_mask=pairs)
    return keras.Model(x, L.Dense(1)(L.GlobalAveragePooling1D()(h, mask=x["mask"])))


def mixed():
    x = inputs(kind=("int32",), features=(3,), counts=(2, "int64"))
    h = L.Concatenate()([L.Embedding(4, 2)(x["kind"]), x["features"], ops.cast(x["counts"], "float64")])
    return keras.Model(x, L.Dense(2)(L.Dense(4, "tanh")(h)))


def nested():
    x = {"graph": inputs(nodes=(T, 2), adjacency=(T, T, "bool")), "whole": inputs(whole=(2,))["whole"]}
    h = ops.matmul(ops.cast(x["graph"]["adjacency"], "float64"), L.Dense(3, "tanh")(x["graph"]["nodes"]))
    return keras.Model(x, L.Dense(1)(L.Concatenate()([ops.sum(h, 1), x["whole"]])))


class Subclassed(keras.Model):
    """A model whose call takes a nest, which it unpacks with a function."""

    def __init__(self, unpack, example):
        super().__init__()
        self.first, self.last, self.unpack = L.Dense(3, "tanh"), L.Dense(1), unpack
        self(example)

    def call(self, x):
        a, b = self.unpack(x)
        return self.last(self.first(a) * ops.mean(b, -1, keepdims=True))


class Module(tf.Module):
    """A model outside Keras that takes a dict."""

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(0)
        self.w, self.v = tf.Variable(rng.standard_normal((3, 4))), tf.Variable(rng.standard_normal((4, 1)))

    def __call__(self, x):
        return tf.tanh(x["a"] @ self.w) @ self.v * tf.cast(x["n"], tf.float64)


A, B = normal(3), normal(2, seed=1)
DICT = {"b": B, "a": A}
MODELS = {
    "two arrays": (two_arrays, [A, B]),
    "two towers": (two_towers, {"vector": A, "image": normal(4, 4, 1)}),
    "tokens and mask": (tokens_and_mask, {"tokens": integers(5, T), "mask": MASK}),
    "shared embedding": (shared_embedding, (integers(6, T), integers(6, T, seed=1))),
    "nodes and adjacency": (graph_convolution, {"nodes": normal(T, 2), "adjacency": ADJACENCY}),
    "SimpleRNN": recurrent(lambda *a, **k: L.SimpleRNN(2)(*a, **k)),
    "LSTM": recurrent(lambda *a, **k: L.LSTM(2)(*a, **k)),
    "GRU": recurrent(lambda *a, **k: L.GRU(2)(*a, **k)),
    "attention": (attention, RAGGED),
    "integers and floats": (mixed, {"kind": integers(4), "features": A, "counts": integers(3, 2)}),
    "nested dict": (nested, {"graph": {"nodes": normal(T, 2), "adjacency": ADJACENCY > 0}, "whole": B}),
    "subclass of a dict": (lambda: Subclassed(lambda x: (x["a"], x["b"]), DICT), DICT),
    "subclass of a tuple": (lambda: Subclassed(lambda x: x, (A, B)), (A, B)),
    "subclass of a list": (lambda: Subclassed(lambda x: x, [A, A]), [A, 2 * A]),
    "subclass of a named tuple": (lambda: Subclassed(lambda x: (x.left, x.right), Pair(A, B)), Pair(A, B)),
    "tf.Module": (Module, {"n": integers(5, 1) + 1, "a": A}),
}
FAST = ("two arrays", "tokens and mask", "subclass of a dict")
NAMES = [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in MODELS]


def made(name):
    """Return a float64 model and its inputs."""
    build, x = MODELS[name]
    keras.utils.set_random_seed(3)
    with dtype_policy("float64"):
        model = build()
    return (scrambled(model) if isinstance(model, keras.Model) else model), x


class Differences:
    """Derivatives of a model at a nest of inputs, one sample at a time, by five-point differences in the weights."""

    def __init__(self, model, x):
        self.model = model
        self.x = [map_leaves(lambda each, n=n: tf.constant(each[n : n + 1]), x) for n in range(N)]
        self.variables = [v.value if isinstance(v, keras.Variable) else v for v in model.trainable_variables]
        self.sizes = [int(np.prod(v.shape)) for v in self.variables]
        self.theta = np.concatenate([v.numpy().ravel() for v in self.variables])
        self._outputs = [tf.function(lambda x=x: tf.reshape(self._call(x), [-1])) for x in self.x]
        self._gradients = [tf.function(lambda x=x: self._tape(x)) for x in self.x]

    def _call(self, x):
        return self.model(x, training=False) if isinstance(self.model, keras.Layer) else self.model(x)

    def _tape(self, x):
        with tf.GradientTape() as tape:
            value = self._call(x)[0, 0]
        zero = tf.UnconnectedGradients.ZERO
        found = tape.gradient(value, self.variables, unconnected_gradients=zero)
        return tf.concat([tf.reshape(tf.convert_to_tensor(g), [-1]) for g in found], 0)

    def split(self, vector):
        parts = np.split(np.asarray(vector), np.cumsum(self.sizes)[:-1])
        return [part.reshape(v.shape) for part, v in zip(parts, self.variables, strict=True)]

    def along(self, function, v):
        """Return the derivative of a function of the weights along v."""

        def at(t):
            for variable, part in zip(self.variables, self.split(self.theta + t * STEP * v), strict=True):
                variable.assign(part)
            return function()

        try:
            return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * STEP)
        finally:
            at(0)

    def jacobian(self):
        """[N, O, P]."""
        columns = [
            self.along(lambda: np.array([f().numpy() for f in self._outputs]), e) for e in np.eye(sum(self.sizes))
        ]
        return np.stack(columns, -1)

    def gradients(self):
        """[N, P], of the first output."""
        return np.array([g().numpy() for g in self._gradients])

    def hessians(self):
        """[N, P, P], of the first output."""
        h = np.stack([self.along(self.gradients, e) for e in np.eye(sum(self.sizes))], 1)
        return (h + h.transpose(0, 2, 1)) / 2


@pytest.mark.parametrize("name", NAMES)
def test_kernels_of_all_routes_are_those_of_differences(name):
    model, x = made(name)
    j = Differences(model, x).jacobian()
    expected = np.einsum("nop,mop->nm", j, j)
    few = map_leaves(lambda each: each[:2], x)
    net = Network(model)
    complete = structure_of(net, net.inputs(x)).complete
    methods = ["auto", "jacobian", "ntk_vector_products", *(["structured"] if complete else [])]
    for method in methods:
        close(nb.empirical_ntk(model, x, method=method), expected)
    close(nb.empirical_ntk(model, x, few), expected[:, :2])
    full = np.einsum("nop,mqp->nmoq", j, j)
    close(nb.empirical_ntk(model, x, few, outputs="full"), full[:, :2])


@pytest.mark.parametrize("name", NAMES)
def test_hessians_and_products_are_those_of_differences(name):
    model, x = made(name)
    oracle = Differences(model, x)
    close(oracle.gradients(), oracle.jacobian()[:, 0])
    h = oracle.hessians()
    norms = np.abs(np.linalg.eigvalsh(h)).max(1)
    net = Network(model)
    complete = structure_of(net, net.inputs(x)).complete
    for method in ("auto", "hvp", "dense", *(["factored"] if complete else [])):
        np.testing.assert_allclose(nb.hessian_norm(model, x, method=method, tol=1e-7).value, norms, rtol=1e-6)
    v = np.random.default_rng(1).standard_normal(sum(oracle.sizes))
    for mode in ("auto", "double_backward"):
        found = nb.hvp(model, x, oracle.split(v), mode=mode)
        close(np.concatenate([np.ravel(part) for part in found]), h.sum(0) @ v)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7 * np.abs(expected).max())


@pytest.fixture(scope="module")
def tokens():
    return made("tokens and mask")


def test_the_linear_model_and_eigenvalues(tokens):
    model, x = tokens
    oracle = Differences(model, x)
    step = np.random.default_rng(2).standard_normal(sum(oracle.sizes))
    outputs = np.array([f().numpy() for f in oracle._outputs])
    close(nb.linearize(model)(x, oracle.split(step)), outputs + oracle.jacobian() @ step)
    found = nb.hessian_eigs(model, x, 2, tol=1e-8)
    values = np.linalg.eigvalsh(oracle.hessians())
    expected = [sorted(row, key=abs, reverse=True)[:2] for row in values]
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-5)


def test_a_copy_in_another_precision_takes_the_same_nest():
    keras.utils.set_random_seed(0)
    x = {name: keras.Input((T,), name=name, dtype=kind) for name, kind in (("tokens", "int32"), ("mask", "bool"))}
    h = L.Dense(3, "tanh")(L.Embedding(5, 3)(x["tokens"]))
    model = keras.Model(x, L.Dense(1)(L.GlobalAveragePooling1D()(h, mask=x["mask"])))
    given = {"tokens": integers(5, T), "mask": MASK}
    low, high = nb.empirical_ntk(model, given), nb.empirical_ntk(model, given, precision="float64")
    assert (low.dtype, high.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(low, high, rtol=1e-5)


def test_padding_changes_no_output_bit(tokens):
    model, x = tokens
    other = x | {"tokens": np.where(MASK, x["tokens"], 4 - x["tokens"])}
    np.testing.assert_array_equal(nb.empirical_ntk(model, x), nb.empirical_ntk(model, other))


def test_the_order_of_a_dict_has_no_meaning(tokens):
    model, x = tokens
    turned = dict(reversed(x.items()))
    np.testing.assert_array_equal(nb.empirical_ntk(model, x, turned), nb.empirical_ntk(model, turned, x))


def test_one_input_in_a_list_or_dict():
    a = keras.Input((3,), name="a")
    model = keras.Model(a, L.Dense(1)(a))
    expected = A @ A.T + 1
    for x in (A, [A], {"a": A}, A.tolist(), list(A)):
        np.testing.assert_allclose(nb.empirical_ntk(model, x), expected, rtol=1e-5)


def test_a_list_of_numbers_is_not_rounded_by_a_model_in_float64():
    model = keras.Sequential([keras.Input((3,), dtype="float64"), L.Dense(1, dtype="float64")])
    np.testing.assert_allclose(nb.empirical_ntk(model, A.tolist()), A @ A.T + 1, rtol=1e-13)


def test_a_list_of_samples_of_a_model_that_declares_nothing():
    class Sums(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(np.ones((3, 1)))

        def __call__(self, x):
            return tf.tensordot(x, self.w, 1)

    np.testing.assert_allclose(nb.empirical_ntk(Sums(), list(A)), A @ A.T)


WRONG = [
    ({"mask": MASK}, "x has no part 'tokens'; the model takes 2 inputs"),
    ({"tokens": integers(5, T), "mask": None}, r"x\['mask'\] is None"),
    ({"tokens": integers(5, T), "mask": MASK[:2]}, r"x\['mask'\] has 2 samples, but x\['tokens'\] has 3"),
    ({"tokens": integers(5, T + 1), "mask": MASK}, r"x\['tokens'\] has shape \[3, 5\]; the model expects \[N, 4\]"),
    ({"tokens": integers(5, T) + 5, "mask": MASK}, r"Input 0 of x\['tokens'\] is out of range for the model"),
    (
        {"tokens": integers(5, T) + 0.5, "mask": MASK},
        r"Input 0 of x\['tokens'\] contains .*\.5; the model expects int32",
    ),
    ({"tokens": integers(5, T), "mask": 2 * MASK}, r"Input 0 of x\['mask'\] contains 2; the model expects bool"),
    ({"tokens": tf.ragged.constant([[1], [1, 2], [3]]), "mask": MASK}, r"x\['tokens'\] is a RaggedTensor.*and a mask"),
    ({"tokens": tf.sparse.from_dense(integers(5, T)), "mask": MASK}, r"x\['tokens'\] is a SparseTensor.*dense values"),
    (integers(5, T), r"x is a single array, but the model takes 2 inputs: 'mask' \[N, 4\] of bool and 'tokens'"),
]


@pytest.mark.parametrize(("x", "sentence"), WRONG)
def test_wrong_nests(tokens, x, sentence):
    with pytest.raises(nb.NtkbenchError, match=sentence):
        nb.hessian_norm(tokens[0], x)


def test_wrong_second_inputs_and_floats():
    model, x = made("subclass of a dict")
    with pytest.raises(nb.NtkbenchError, match=r"x2\['b'\] has shape \[N, 1\], but \[N, 2\] in the other inputs"):
        nb.empirical_ntk(model, x, {"a": A, "b": B[:, :1]})
    with pytest.raises(nb.NtkbenchError, match=r"x2 has 1 part: \['a'\]"):
        nb.empirical_ntk(model, x, {"a": A})
    with pytest.raises(nb.NtkbenchError, match=r"Input 2 of x\['b'\] \(of 3\) contains NaN"):
        nb.hessian_norm(model, {"a": A, "b": np.where(np.arange(N)[:, None] == 2, np.nan, B)})


def test_integers_that_the_float_type_cannot_hold():
    class Counts(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(tf.ones((1, 1), tf.float32))

        def __call__(self, x):
            return x["a"] @ self.w * tf.cast(x["n"] % 2, tf.float32)

    model, a = Counts(), np.ones((2, 1), np.float32)
    found = nb.empirical_ntk(model, {"a": a, "n": np.array([[2**24 - 1], [2**30]])})
    np.testing.assert_array_equal(found, [[1, 0], [0, 0]])
    with pytest.raises(nb.NtkbenchError, match=r"x\['n'\] contains 16777217, which float32 cannot hold exactly"):
        nb.empirical_ntk(model, {"a": a, "n": np.array([[1], [2**24 + 1]])})

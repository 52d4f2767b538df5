"""Hessian-vector products: both orders of automatic differentiation against differences of the gradient."""

from __future__ import annotations

import re

import keras
import nets
import numpy as np
import pytest
import tensorflow as tf
from checking import check_hvp, functional, is_complete, normal
from nets import Oracle, build, probes, sequential

import ntkbench as nb
from ntkbench.engine.autodiff.hvp import forward_safe
from ntkbench.engine.model.network import network
from ntkbench.registry.current import registry

L = keras.layers
ORDERS = ("forward_over_backward", "double_backward")

EVERY = [
    pytest.param(name, variant, id="-".join([name, *map(str, variant.values())]))
    for name, entry in registry().architectures.items()
    for variant in entry.variants
    if entry.distribution == registry().architectures["fc"].distribution
]


@pytest.mark.parametrize(("name", "variant"), EVERY)
def test_every_architecture(name, variant):
    model, x = build(name, 4, **variant), probes(name, 1)
    assert forward_safe(network(model))
    assert is_complete(model, x)
    check_hvp(model, x, Oracle(model))


def vectors(x):
    """Every layer on vectors that goes through forward over backward."""
    h = L.Dense(4, "tanh")(x)
    a = L.Dense(4, "gelu")(h)
    b = L.ELU()(L.Dense(4)(L.Add()([h, a])))
    c = L.LeakyReLU()(b)
    merged = [L.Maximum()([a, b]), L.Minimum()([b, c]), L.Multiply()([a, c]), L.Subtract()([a, b])]
    h = L.Concatenate()([*merged, L.Average()([b, c]), L.Dot(axes=1, normalize=True)([a, b])])
    h = L.Rescaling(0.5)(L.Dropout(0.5)(L.GaussianNoise(1.0)(L.GaussianDropout(0.2)(h))))
    h = L.Permute((2, 1))(L.RepeatVector(3)(L.Softmax()(L.Dense(4)(L.LayerNormalization()(h)))))
    h = L.EinsumDense("abc,cd->abd", (4, 3), bias_axes="d", activation="softplus")(h)
    h = L.Reshape((3, 4))(L.Identity()(L.SpatialDropout1D(0.1)(h)))
    return L.Dense(2, "softmax")(L.Flatten()(L.Activation("swish")(L.ReLU(negative_slope=0.1)(h))))


def images(x):
    """Every layer on images and signals that does."""
    h = L.Conv2D(2, 2, activation="tanh", padding="same", strides=2)(L.ZeroPadding2D(1)(x))
    h = L.Conv2D(2, 2, dilation_rate=2, activation="tanh", padding="same")(h)
    h = L.AveragePooling2D(2, padding="same")(L.SpatialDropout2D(0.1)(h))
    s = L.Conv1D(2, 2, dilation_rate=2, padding="causal", activation="sigmoid")(L.Reshape((-1, 2))(h))
    s = L.AveragePooling1D(1)(L.Conv1D(2, 2, strides=2)(s))
    return L.Dense(2, "tanh")(L.Concatenate()([L.GlobalAveragePooling2D()(h), L.GlobalAveragePooling1D()(s)]))


def activations(x):
    """Every activation of Keras that takes one argument and keeps the shape."""
    names = "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu log_sigmoid log_softmax"
    names += " mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid"
    names += " sparsemax squareplus tanh tanh_shrink"
    return L.Dense(1, "tanh")(L.Concatenate()([L.Dense(2, name)(x) for name in names.split()]))


@pytest.mark.parametrize(
    ("call", "shape"),
    [(vectors, (3,)), (images, (5, 5, 2)), pytest.param(activations, (2,), marks=pytest.mark.slow)],
)
def test_both_orders(call, shape):
    model, x = functional(shape, call), normal(2, *shape)
    assert forward_safe(network(model))
    for order in ORDERS:
        check_hvp(model, x, Oracle(model), order)


def signals(x):
    h = L.UnitNormalization()(L.Conv1D(2, 2, activation="tanh")(x))
    h = L.UpSampling1D(2)(L.Cropping1D((0, 1))(L.ZeroPadding1D(1)(h)))
    a = L.Attention(use_scale=True, score_mode="concat")([h, L.MaxPooling1D(2)(h)])
    h = L.Concatenate()([L.GlobalMaxPooling1D()(a), L.Flatten()(L.AdditiveAttention()([h, h]))])
    return L.SpectralNormalization(L.Dense(1, "tanh"))(L.ActivityRegularization(0.1)(L.AlphaDropout(0.2)(h)))


def pictures(x):
    h = L.Conv2D(2, 2, groups=2, activation="tanh")(x)
    h = L.UpSampling2D(2)(L.MaxPooling2D(2)(L.Cropping2D(((0, 1), (1, 0)))(h)))
    return L.Dense(1, "tanh")(L.Concatenate()([L.GlobalMaxPooling2D()(h), L.Flatten()(h)]))


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (signals, (4, 2)),
        (pictures, (6, 6, 2)),
        (lambda x: L.Dense(1)(L.Flatten()(L.ConvLSTM1D(1, 2)(x))), (2, 3, 1)),
        (lambda x: L.Dense(1)(L.Dense(2, lambda z: keras.ops.sin(z) * z)(x)), (2,)),
        (lambda x: L.Dense(1)(keras.ops.tanh(L.Dense(2)(x)) ** 2), (2,)),
        (lambda x: L.Dense(1)(L.Lambda(lambda z: keras.ops.cumsum(z, 1) ** 2)(L.Dense(2)(x))), (2,)),
    ],
)
def test_everything_else_goes_through_double_backward(call, shape):
    model, x = functional(shape, call), normal(2, *shape)
    assert not forward_safe(network(model))
    check_hvp(model, x, Oracle(model))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_resizing(interpolation, monkeypatch):
    """TensorFlow drops the second derivative of everything before a bilinear resize, an error of 12 % here.

    It resizes in float32 whatever it is given, so the differences take a large step.
    """
    monkeypatch.setattr(nets, "STEP", 3e-2)

    def call(x):
        h = L.UpSampling2D((2, 3), interpolation=interpolation)(L.Conv2D(2, 1, activation="tanh")(x))
        return L.Dense(1, "tanh")(L.Flatten()(L.Resizing(3, 2, interpolation)(h)))

    model, x = functional((4, 3, 2), call), normal(1, 4, 3, 2)
    np.testing.assert_allclose(network(model).outputs(tf.constant(x)), model(x), atol=1e-6)
    check_hvp(model, x, Oracle(model), tolerance=1e-4)


def test_an_operation_without_a_second_derivative_is_refused():
    def dilated(h):
        return tf.nn.dilation2d(h, tf.zeros([2, 2, 2], h.dtype), [1, 1, 1, 1], "VALID", "NHWC", [1, 1, 1, 1])

    def call(x):
        h = L.Lambda(dilated, output_shape=(2, 2, 2))(L.Conv2D(2, 1, activation="tanh")(x))
        return L.Dense(1)(L.Flatten()(h))

    model, x = functional((3, 3, 1), call), normal(1, 3, 3, 1)
    with pytest.raises(nb.NtkbenchError, match="double_backward"):
        nb.hvp(model, x, [np.ones(v.shape) for v in model.trainable_variables])


def test_second_output_unit():
    model = sequential((4,), lambda: L.Dense(5, "tanh"), lambda: L.Dense(3, "softmax"))
    check_hvp(model, normal(2, 4), Oracle(model, 2))


def test_symmetric():
    model, x = build("attention", 4), probes("attention", 2)
    oracle = Oracle(model)
    u, v = normal(2, len(oracle.theta), seed=2)

    def product(vector):
        return np.concatenate([g.ravel() for g in nb.hvp(model, x, oracle.split(vector))])

    np.testing.assert_allclose(u @ product(v), v @ product(u), rtol=1e-10)


def test_a_loop_in_forward_mode_is_right_or_refused_in_a_sentence():
    # Whether TensorFlow can do it differs from process to process, with the order in which it visits the graph.
    loop = type("Loop", (L.Layer,), {"call": lambda self, h: _looped(h)})
    model = keras.Sequential([keras.Input((3,)), L.Dense(4), loop(), L.Dense(1)])
    vectors = [np.ones(v.shape) for v in model.trainable_variables]
    x = np.ones((1, 3))
    found, double = (nb.hvp(model, x, vectors, mode=mode) for mode in ("auto", "double_backward"))
    try:
        forward = nb.hvp(model, x, vectors, mode="forward_over_backward")
    except nb.NtkbenchError as error:
        assert re.search("cannot (be differentiated|differentiate).*variant", str(error))
    else:
        for ours, theirs in zip(forward, double, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    for ours, theirs in zip(found, double, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def _looped(h):
    return tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, tf.sin(a) * h), [0, h])[1]

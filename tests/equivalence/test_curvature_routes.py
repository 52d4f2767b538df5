"""The curvature vᵀ·H·v from factors: its gradient against automatic differentiation, and tangents at other weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from checking import functional, normal
from nets import Oracle, build, probes

from ntkbench.engine.autodiff import dense_gradient, flat_hvp, second_derivative
from ntkbench.engine.hessian import curvature_gradient, factored_product
from ntkbench.engine.model import network
from ntkbench.engine.structure import structure_of
from ntkbench.registry.current import registry

L = keras.layers
BUILT_IN = [
    pytest.param(name, variant, id="-".join([name, *map(str, variant.values())]))
    for name, entry in registry().architectures.items()
    for variant in entry.variants[:1]
    if entry.distribution == registry().architectures["fc"].distribution
]


def routes(model, x, seed=0):
    """Return the network, the input, a tangent v [P] in the space of the factors, and both gradients at v."""
    net = network(model)
    x = net.inputs(x[:1])
    structure = structure_of(net, x)
    assert structure.complete
    product = factored_product(net, structure, x)
    _, constants = product.hoisted.once(x)
    v = tf.constant(normal(1, net.size, seed=seed), net.dtype)
    coordinates = product.coordinates(constants, v)
    v = product.flat(constants, coordinates)[0]

    @tf.function
    def by_differentiation(x, v):
        with tf.GradientTape() as tape:
            curvature = second_derivative(net, x, net.unflatten(v))
        return net.flatten(dense_gradient(tape, curvature, net.variables))

    from_factors = tf.function(curvature_gradient(net, structure, product))(x, constants, coordinates)
    return net, x, v.numpy(), from_factors.numpy(), by_differentiation(x, v).numpy()


def check(model, x):
    _, _, _, found, expected = routes(model, x)
    np.testing.assert_allclose(found, expected, atol=1e-9 * max(np.abs(expected).max(), 1e-3))


@pytest.mark.parametrize(("name", "variant"), BUILT_IN)
def test_every_architecture(name, variant):
    check(build(name, 4, **variant), probes(name, 1))


def vectors(x):
    h = L.Dense(4, "tanh")(x)
    h = L.Multiply()([h, L.Dense(4, "gelu")(h)])
    h = L.Reshape((2, 2))(L.LayerNormalization()(L.Dense(4, "silu")(h)))
    h = L.EinsumDense("abc,cd->abd", (2, 3), bias_axes="d", activation="softplus")(h)
    return L.Dense(2, "softmax")(L.Flatten()(h))


def images(x):
    h = L.Conv2D(2, 2, activation="tanh", padding="same", strides=2)(L.ZeroPadding2D(1)(x))
    h = L.Conv2D(2, 2, dilation_rate=2, activation="tanh", padding="same")(h)
    s = L.Conv1D(2, 2, dilation_rate=2, padding="causal", activation="sigmoid")(L.Reshape((-1, 2))(h))
    return L.Dense(2, "tanh")(L.Concatenate()([L.GlobalAveragePooling2D()(h), L.Flatten()(s)]))


def recurrent(x):
    h = L.Bidirectional(L.LSTM(2, return_sequences=True))(x)
    return L.Dense(1, "tanh")(L.GRU(3)(h))


def convolutions(x):
    h = L.SeparableConv2D(3, 2, activation="tanh", padding="same")(x)
    h = L.Conv2DTranspose(2, 2, strides=2, activation="softplus")(L.DepthwiseConv2D(2, activation="tanh")(h))
    return L.Dense(1)(L.Flatten()(L.BatchNormalization()(h)))


def twice(x):
    """A layer used twice, and one of many positions with a full matrix of coordinates."""
    layer = L.Dense(4, "tanh")
    h = L.TimeDistributed(L.Dense(2, "gelu"))(L.Reshape((4, 1))(layer(layer(x))))
    return L.Dense(1, "tanh")(L.Flatten()(h))


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (vectors, (3,)),
        (images, (5, 5, 2)),
        pytest.param(recurrent, (3, 2), marks=pytest.mark.slow),
        (convolutions, (4, 4, 2)),
        (twice, (4,)),
    ],
)
def test_other_layers(call, shape):
    model = functional(shape, call)
    check(model, normal(1, *shape, seed=3))


@pytest.mark.parametrize(("call", "shape"), [(vectors, (3,)), (images, (5, 5, 2)), (recurrent, (3, 2))])
def test_tangents_are_transferred_to_other_weights(call, shape):
    net = network(functional(shape, call))
    x = net.inputs(normal(1, *shape, seed=6))
    product = factored_product(net, structure_of(net, x), x)
    _, constants = product.hoisted.once(x)
    coordinates = product.coordinates(constants, tf.constant(normal(1, net.size, seed=7), net.dtype))
    net.assign(net.theta() + normal(net.size, seed=8))
    _, others = product.hoisted.once(x)
    expected = product.coordinates(others, product.flat(constants, coordinates))
    np.testing.assert_allclose(product.transferred(constants, coordinates, others), expected, atol=1e-12)
    assert not np.allclose(expected, coordinates)


def test_differences():
    model = functional((3,), lambda x: L.Dense(1, "softplus")(L.Dense(4, "tanh")(L.Dense(4, "gelu")(x))))
    net, x, v, found, _ = routes(model, normal(1, 3, seed=4))
    oracle, u = Oracle(model), normal(net.size, seed=5)
    product, step = flat_hvp(net), 1e-5

    def curvature(along):
        oracle.assign(oracle.theta + along * u)
        return v @ product(x, tf.constant(v)).numpy()

    rise = (curvature(step) - curvature(-step)) / (2 * step)
    np.testing.assert_allclose(found @ u, rise, rtol=1e-7)

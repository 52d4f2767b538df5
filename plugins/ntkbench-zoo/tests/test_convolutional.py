"""Convolutional networks are their formulas."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from formulas import Weights, conv, dense, depthwise, flat, norm

from ntkbench import NtkbenchError
from ntkbench_zoo import convolutional as zoo

SHAPE = (6, 4, 2)


def same(model, x, expected, weights):
    np.testing.assert_allclose(model(x), expected, rtol=1e-9, atol=1e-12)
    assert weights.used


def test_vgg(x):
    model, x = zoo.build_vgg(4, input_shape=(8, 4, 1), seed=1), x(8, 4, 1)
    w = Weights(model)

    def relu(z):
        return np.maximum(z, 0) * math.sqrt(2)

    h = relu(conv(x, w("Conv2D")))
    for _ in range(2):
        h = relu(conv(h, w("Conv2D")))
        n, rows, columns, c = h.shape
        h = h.reshape(n, rows // 2, 2, columns // 2, 2, c).max((2, 4))
    same(model, x, dense(relu(dense(flat(h), w())), w()), w)


def grouped(h, groups, gamma, beta):
    n, *positions, c = h.shape
    apart = h.reshape(n, *positions, groups, c // groups)
    mean, variance = (f(apart, axis=(1, 2, 4), keepdims=True) for f in (np.mean, np.var))
    return ((apart - mean) / np.sqrt(variance + 1e-5)).reshape(h.shape) * gamma + beta


NORMS = {
    "none": lambda w, h: h,
    "layer": lambda w, h: norm(h) * w("LayerNormalization", "gamma") + w("LayerNormalization", "beta"),
    "group": lambda w, h: grouped(h, 8, w("GroupNormalization", "gamma"), w("GroupNormalization", "beta")),
    "group-fixed": lambda w, h: grouped(
        h, h.shape[-1] // 8, w("GroupNormalization", "gamma"), w("GroupNormalization", "beta")
    ),
    "instance": lambda w, h: grouped(h, h.shape[-1], w("GroupNormalization", "gamma"), w("GroupNormalization", "beta")),
    "batch": lambda w, h: (
        ((h - w("BatchNormalization", "moving_mean")) / np.sqrt(w("BatchNormalization", "moving_variance") + 1e-5))
        * w("BatchNormalization", "gamma")
        + w("BatchNormalization", "beta")
    ),
}


@pytest.mark.parametrize("kind", NORMS)
def test_resnet(kind, x):
    model, x = zoo.build_resnet(16, input_shape=SHAPE, seed=1, norm=kind), x(*SHAPE)
    rng = np.random.default_rng(3)
    for variable in model.trainable_variables:
        if variable.name in ("gamma", "beta"):
            variable.assign(variable + 0.3 * rng.standard_normal(variable.shape))
    w = Weights(model)
    h = conv(x, w("Conv2D"))
    inner = conv(np.tanh(NORMS[kind](w, h)), w("Conv2D"))
    outer = w("Conv2D")
    h = h + conv(np.tanh(NORMS[kind](w, inner)), outer)
    normal = NORMS[kind](w, h)
    shortcut = conv(h, w("Conv2D"), 2)
    inner = conv(np.tanh(normal), w("Conv2D"), 2)
    outer = w("Conv2D")
    h = shortcut + conv(np.tanh(NORMS[kind](w, inner)), outer)
    assert h.shape == (3, 3, 2, 32)
    same(model, x, dense(flat(h), w()), w)


def test_batch_normalisation_knows_the_statistics_of_standard_normal_inputs():
    model = zoo.build_resnet(8, input_shape=SHAPE, seed=1, norm="batch")
    x = np.random.default_rng(1).standard_normal((64, *SHAPE))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            out = np.asarray(keras.Model(model.input, layer.output)(x, training=False))
            np.testing.assert_allclose(out.mean((0, 1, 2)), 0, atol=1e-9)
            np.testing.assert_allclose(out.std((0, 1, 2)), 1, atol=1e-3)


def test_an_unknown_norm():
    with pytest.raises(NtkbenchError, match="Unknown norm 'grup'"):
        zoo.build_resnet(8, input_shape=SHAPE, seed=1, norm="grup")


def test_mobilenet(x):
    model, x = zoo.build_mobilenet(4, input_shape=SHAPE, seed=1), x(*SHAPE)
    w = Weights(model)
    h = conv(x, w("Conv2D"))
    for _ in range(2):
        wide = np.tanh(depthwise(np.tanh(conv(h, w("Conv2D"))), w("DepthwiseConv2D")))
        assert wide.shape[-1] == 16
        h = h + conv(wide, w("Conv2D"))
    same(model, x, dense(flat(h), w()), w)


def test_convnext(x):
    model, x = zoo.build_convnext(4, input_shape=SHAPE, seed=1), x(*SHAPE)
    for number, layer in enumerate(layer for layer in model.layers if hasattr(layer, "gain")):
        layer.gain.assign(np.arange(1, 5) + number)
    w = Weights(model)
    h = conv(x, w("Conv2D"))
    for _ in range(2):
        wide = np.tanh(conv(norm(depthwise(h, w("DepthwiseConv2D"))), w("Conv2D")))
        h = h + w("Gain", "gain") * conv(wide, w("Conv2D"))
    same(model, x, dense(flat(h), w()), w)


def test_unet(x):
    model, x = zoo.build_unet(4, input_shape=SHAPE, seed=1), x(*SHAPE)
    w = Weights(model)
    outer, inner = w("Conv2D"), w("Conv2D")
    e = np.tanh(conv(np.tanh(conv(x, inner)), outer))
    outer, inner = w("Conv2D"), w("Conv2D")
    below = np.tanh(conv(np.tanh(conv(e, inner, 2)), outer))
    up = below.repeat(2, 1).repeat(2, 2)
    joined = np.concatenate([w("Conv2D"), w("Conv2D")], axis=2)
    h = np.tanh(conv(np.concatenate([e, up], -1), joined))
    same(model, x, dense(flat(h), w()), w)
    with pytest.raises(NtkbenchError, match="the image is halved"):
        zoo.build_unet(4, input_shape=(5, 4, 1), seed=1)


def test_resnext(x):
    model, x = zoo.build_resnext(16, input_shape=SHAPE, seed=1), x(*SHAPE)
    w = Weights(model)
    h = conv(x, w("Conv2D"))
    for _ in range(2):
        inner, outer, blocks = np.tanh(conv(h, w("Conv2D"))), w("Conv2D"), w("BlockDense")
        groups = [
            # A block reads the 9 taps of its first channel, then those of its second one.
            conv(inner[..., 2 * g : 2 * g + 2], blocks[g].reshape(2, 3, 3, 2).transpose(1, 2, 0, 3))
            for g in range(8)
        ]
        h = h + conv(np.tanh(np.concatenate(groups, -1)), outer)
    same(model, x, dense(flat(h), w()), w)


def test_efficientnet(x):
    model, x = zoo.build_efficientnet(4, input_shape=SHAPE, seed=1), x(*SHAPE)
    w = Weights(model)
    h = conv(x, w("Conv2D"))
    for _ in range(2):
        wide = np.tanh(depthwise(np.tanh(conv(h, w("Conv2D"))), w("DepthwiseConv2D")))
        outer, inner = w(), w()
        gate = 1 / (1 + np.exp(-dense(np.tanh(dense(wide.mean((1, 2)), inner)), outer)))
        h = h + conv(wide * gate[:, None, None], w("Conv2D"))
    same(model, x, dense(flat(h), w()), w)


def test_densenet(x):
    model, x = zoo.build_densenet(4, input_shape=SHAPE, seed=1), x(*SHAPE)
    w, read = Weights(model), [x]
    for number in range(3):
        kernel = np.concatenate([w("Conv2D") for _ in range(number + 1)], axis=2)
        read.append(np.tanh(conv(np.concatenate(read, -1), kernel)))
    same(model, x, dense(flat(np.stack(read[1:], 1)), w()), w)

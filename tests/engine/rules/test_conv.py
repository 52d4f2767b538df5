"""Convolutions: plain, grouped, depthwise, separable and transposed."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from checking import alone, check, check_rule, normal

from ntkbench import layers
from ntkbench.engine.model.casting import dtype_policy
from ntkbench.engine.rules.rule import rule_for

L = keras.layers


def test_conv_2d():
    model = alone(lambda: L.Conv2D(2, 2, strides=(2, 1), padding="same", activation="tanh"), (3, 3, 2))
    check(model, normal(3, 3, 3, 2), kernels=("full", "trace"))


def test_grouped_convolution():
    model = alone(lambda: L.Conv2D(4, 2, groups=2, activation="tanh"), (3, 3, 2))
    check(model, normal(3, 3, 3, 2), kernels=("full", "trace"))


def test_depthwise_convolution():
    model = alone(lambda: L.DepthwiseConv2D(2, depth_multiplier=2, activation="tanh"), (3, 3, 2))
    check(model, normal(3, 3, 3, 2))


def test_the_depthwise_convolution_of_ntkbench():
    model = alone(lambda: layers.DepthwiseConv2D(3, "tanh", use_bias=True, bias_std=0.5, seed=0), (3, 3, 2))
    check(model, normal(3, 3, 3, 2))


def test_separable_convolution():
    model = alone(lambda: L.SeparableConv2D(2, 2, depth_multiplier=2, activation="tanh"), (3, 3, 2))
    check(model, normal(3, 3, 3, 2))


def test_transposed_convolution():
    model = alone(lambda: L.Conv2DTranspose(2, (3, 2), strides=2, padding="same", activation="tanh"), (2, 2, 2))
    check(model, normal(3, 2, 2, 2))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda padding: L.Conv1D(3, 3, strides=2, padding=padding), (6, 2)),
        (lambda padding: L.Conv2D(2, (2, 3), dilation_rate=(1, 2), padding=padding, use_bias=False), (4, 6, 2)),
        (lambda padding: L.Conv3D(2, (2, 1, 3), strides=(2, 1, 1), padding=padding), (3, 2, 3, 2)),
        (lambda padding: L.DepthwiseConv1D(3, strides=2, depth_multiplier=3, padding=padding), (6, 2)),
        (lambda padding: L.DepthwiseConv2D((3, 2), dilation_rate=2, padding=padding, use_bias=False), (5, 4, 3)),
        (lambda padding: L.DepthwiseConv2D(2, strides=2, dilation_rate=2, padding=padding), (5, 4, 2)),
        (lambda padding: L.SeparableConv1D(3, 2, strides=2, depth_multiplier=2, padding=padding), (5, 2)),
        (lambda padding: L.SeparableConv2D(3, (2, 3), dilation_rate=2, padding=padding, use_bias=False), (4, 5, 2)),
        (lambda padding: L.Conv1DTranspose(2, 3, strides=2, padding=padding), (4, 2)),
        (lambda padding: L.Conv1DTranspose(2, 1, strides=3, padding=padding), (3, 2)),
        (lambda padding: L.Conv1DTranspose(2, 3, strides=2, output_padding=0, padding=padding), (4, 2)),
        (lambda padding: L.Conv2DTranspose(2, (4, 2), strides=(3, 1), padding=padding, use_bias=False), (2, 3, 3)),
        (
            lambda padding: L.Conv2DTranspose(2, (3, 5), strides=(2, 3), output_padding=(1, 2), padding=padding),
            (2, 2, 2),
        ),
        (lambda padding: L.Conv3DTranspose(1, (2, 3, 1), strides=(2, 1, 1), padding=padding), (2, 2, 2, 2)),
    ],
)
def test_forms(make, shape, padding):
    check_rule(lambda: make(padding), normal(2, *shape))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: L.Conv1D(4, 2, groups=2, dilation_rate=2, padding="causal"), (5, 4)),
        (lambda: L.Conv2D(6, (3, 2), strides=(2, 3), groups=3, padding="same"), (4, 5, 3)),
    ],
)
def test_groups(make, shape):
    check_rule(make, normal(2, *shape))


def test_causal_padding():
    check_rule(lambda: L.Conv1D(3, 3, dilation_rate=2, padding="causal"), normal(2, 6, 2))
    check_rule(lambda: L.Conv1D(3, 2, strides=2, padding="causal"), normal(2, 6, 2))


def test_dilated_transposed_convolution():
    """TensorFlow has none on a CPU, so the rule is compared with the sum that it stands for."""
    with dtype_policy("float64"):
        layer = L.Conv1DTranspose(2, 3, dilation_rate=2)
        layer.build((None, 4, 2))
    kernel, x = layer.kernel.numpy(), normal(1, 4, 2)
    expected = np.zeros((8, 2))
    for i in range(4):
        for k in range(3):
            expected[i + 2 * k] += kernel[k] @ x[0, i]
    found = rule_for(layer).call(lambda p, a: p.apply(a[:, :, None])[:, :, 0], tf.constant(x))
    np.testing.assert_allclose(found[0], expected, rtol=1e-12)


def test_channels_first_has_no_rule():
    layer = L.Conv2D(2, 2, data_format="channels_first")
    layer.build((None, 3, 4, 4))
    assert rule_for(layer) is None

"""Dense layers, ours and Keras's, with and without positions."""

from __future__ import annotations

import keras
import pytest
from checking import alone, check, check_rule, normal

from ntkbench import layers

L = keras.layers


def test_dense():
    check(alone(lambda: L.Dense(3, "tanh"), (4,)), normal(3, 4), kernels=("full", "trace", 1), float32=True)


def test_dense_with_positions():
    check(alone(lambda: L.Dense(3, "tanh", use_bias=False), (2, 3)), normal(3, 2, 3), kernels=("full", "trace", 1))


def test_block_dense():
    check(alone(lambda: layers.BlockDense(4, 2, "tanh", seed=0), (6,)), normal(3, 6))


def test_block_dense_with_positions():
    make = lambda: layers.BlockDense(3, 3, "tanh", use_bias=True, bias_std=0.5, seed=0)  # noqa: E731
    check_rule(make, normal(2, 2, 6))
    check_rule(lambda: layers.BlockDense(6, 2, parameterization="standard", seed=0), normal(2, 2, 3, 4))


def test_weight_norm_dense():
    options = {"use_bias": True, "bias_std": 0.5, "weight_std": 1.5, "seed": 0}
    check(alone(lambda: layers.WeightNormDense(3, "tanh", **options), (4,)), normal(3, 4))
    check_rule(lambda: layers.WeightNormDense(3, seed=0), normal(2, 2, 3))


@pytest.mark.parametrize("parameterization", ["ntk", "standard"])
def test_the_layers_of_ntkbench(parameterization):
    options = {"use_bias": True, "bias_std": 0.3, "parameterization": parameterization, "seed": 0}
    check_rule(lambda: layers.Dense(3, "tanh", **options), normal(2, 2, 3))
    check_rule(lambda: layers.Conv2D(3, (2, 3), strides=(2, 1), padding="same", **options), normal(2, 4, 4, 2))

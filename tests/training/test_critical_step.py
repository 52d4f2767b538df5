"""The critical step is 2/λmax, and gradient descent is stable below it only."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from problems import OUTPUTS, SAMPLES, X, Y, model

import ntkbench as nb
from ntkbench.errors import NtkbenchError
from ntkbench.training import Trainer, critical_step


def test_of_a_linear_model_in_closed_form():
    assert critical_step(model(), X) == pytest.approx(2 / np.linalg.eigvalsh(X.T @ X / SAMPLES)[-1], rel=1e-4)


def test_of_one_weight():
    one = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    assert critical_step(one, X[:, :1]) == pytest.approx(2 / np.mean(X[:, 0] ** 2), rel=1e-6)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_of_a_network_by_its_tangent_kernel(precision):
    net = model(16, precision=precision)
    kernel = nb.empirical_ntk(net, X, outputs="full").transpose(0, 2, 1, 3).reshape(SAMPLES * OUTPUTS, -1)
    expected = 2 * SAMPLES / np.linalg.eigvalsh(kernel.astype(np.float64))[-1]
    assert critical_step(net, X) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("momentum", "factor"), [(0.0, 1.0), (0.9, 1.9)])
def test_training_is_stable_below_it_only(momentum, factor):
    net = model()
    critical = factor * critical_step(net, X)

    def loss(share):
        trainer = Trainer(net, X, Y, learning_rate=share * critical, momentum=momentum)
        return trainer.loss(trainer.advance(trainer.start(), 800))

    assert loss(0.99) < 1
    assert loss(1.02) > 1e3


def test_without_influence_of_the_weights_it_is_infinite():
    assert critical_step(model(), 0 * X) == float("inf")


def test_inputs_are_checked():
    with pytest.raises(NtkbenchError, match="contains NaN"):
        critical_step(model(), X * np.nan)

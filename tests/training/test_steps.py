"""Each step of training, against updates computed by hand."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from problems import LABELS, OUTPUTS, SAMPLES, X, Y, model

from ntkbench.engine.model import Network
from ntkbench.engine.model.casting import dtype_policy
from ntkbench.training import Trainer
from ntkbench.training.order import batches

BATCH, STEPS, RATE = 4, 9, 0.1


def loss_of_linear(w, x, y, loss):
    """Return the loss of f = x·w and its gradient, in closed form."""
    f = x @ w
    if loss == "square":
        return 0.5 * np.sum((f - y) ** 2) / len(x), x.T @ (f - y) / len(x)
    p = scipy.special.softmax(f, axis=1)
    return -np.mean(np.log(p[range(len(x)), y])), x.T @ (p - np.eye(OUTPUTS)[y]) / len(x)


def rate(step, schedule):
    return (
        RATE
        * {
            "constant": 1.0,
            "step": 0.5 ** ((step >= 3) + (step >= 6)),
            "cosine": 0.5 * (1 + math.cos(math.pi * step / 12)),
        }[schedule]
    )


SCHEDULES = {
    "constant": {},
    "step": {"milestones": [3, 6], "factor": 0.5},
    "cosine": {"total_steps": 12},
}
OPTIMIZERS = {"sgd": {}, "momentum": {"momentum": 0.9}, "adam": {"optimizer": "adam"}}


@pytest.mark.parametrize("loss", ["square", "cross_entropy"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [BATCH, None])
def test_training_of_a_linear_model_is_that_in_numpy(loss, schedule, optimizer, batch_size):
    net = model()
    y = Y if loss == "square" else LABELS
    trainer = Trainer(
        net,
        X,
        y,
        loss=loss,
        learning_rate=RATE,
        schedule=schedule,
        batch_size=batch_size,
        order_seed=7,
        **SCHEDULES[schedule],
        **OPTIMIZERS[optimizer],
    )
    w = net.get_weights()[0]
    v, m, s = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    rows = batches(SAMPLES, BATCH, STEPS, 0, 7)
    state = trainer.start()
    assert trainer.loss(state) == pytest.approx(loss_of_linear(w, X, y, loss)[0], rel=1e-13)
    for t in range(STEPS):
        at = rows[t] if batch_size else slice(None)
        _, g = loss_of_linear(w, X[at], y[at], loss)
        if optimizer == "adam":
            m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
            w = w - rate(t, schedule) * (m / (1 - 0.9 ** (t + 1))) / (np.sqrt(s / (1 - 0.999 ** (t + 1))) + 1e-8)
        else:
            v = (0.9 if optimizer == "momentum" else 0.0) * v + g
            w = w - rate(t, schedule) * v
        assert trainer.learning_rate(t) == pytest.approx(rate(t, schedule), rel=1e-14)
    found = trainer.advance(state, STEPS)
    np.testing.assert_allclose(found.weights, w.ravel(), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(trainer.outputs(found), X @ w, rtol=1e-10, atol=1e-12)
    assert trainer.loss(found) == pytest.approx(loss_of_linear(w, X, y, loss)[0], rel=1e-10)
    assert (found.step, found.position) == (STEPS, STEPS * (batch_size or SAMPLES))


@pytest.mark.parametrize("loss", ["square", "cross_entropy"])
def test_a_step_of_a_network_is_along_the_difference_quotient(loss):
    trainer = Trainer(model(5, 4), X, Y if loss == "square" else LABELS, loss=loss, learning_rate=1.0)
    state = trainer.start()
    step = trainer.advance(state, 1).weights - state.weights
    h = 1e-5

    def at(i, sign):
        w = state.weights.copy()
        w[i] += sign * h
        return trainer.loss(trainer.start(w))

    slope = [(at(i, 1) - at(i, -1)) / (2 * h) for i in range(len(state.weights))]
    np.testing.assert_allclose(-step, slope, rtol=1e-6, atol=1e-9)  # h² and 1e-16/h


def jacobian(trainer, state, h=1e-5):
    """Return ∂f/∂w by central differences: [N·O, P]."""
    rows = []
    for i in range(len(state.weights)):
        ends = [state.weights.copy() for _ in range(2)]
        ends[0][i] += h
        ends[1][i] -= h
        up, down = (trainer.outputs(trainer.start(w)).ravel() for w in ends)
        rows.append((up - down) / (2 * h))
    return np.array(rows).T


@pytest.mark.parametrize("loss", ["square", "cross_entropy"])
def test_training_of_the_linearised_model_is_that_of_its_jacobian(loss):
    net = model(5, 4)
    y = Y if loss == "square" else LABELS
    options = {"loss": loss, "learning_rate": 0.3, "momentum": 0.5, "batch_size": 3}
    origin = Trainer(net, X, y, **options).start()
    trainer = Trainer(net, X, y, linearize_at=origin.weights, **options)
    j = jacobian(Trainer(net, X, y, **options), origin)
    f0 = trainer.outputs(origin)
    w, v = origin.weights.copy(), 0.0
    per_sample = j.reshape(SAMPLES, OUTPUTS, -1)
    for rows in batches(SAMPLES, 3, STEPS, 0, 0):
        f = f0[rows] + per_sample[rows] @ (w - origin.weights)
        residual = f - y[rows] if loss == "square" else scipy.special.softmax(f, axis=1) - np.eye(OUTPUTS)[y[rows]]
        v = 0.5 * v + np.einsum("nop,no->p", per_sample[rows], residual) / 3
        w = w - 0.3 * v
    found = trainer.advance(trainer.start(), STEPS)
    np.testing.assert_allclose(found.weights, w, rtol=1e-7, atol=1e-9)
    expected = f0 + per_sample @ (w - origin.weights)
    np.testing.assert_allclose(trainer.outputs(found), expected, rtol=1e-7, atol=1e-8)
    assert np.abs(trainer.outputs(found) - Trainer(net, X, y, **options).outputs(found)).max() > 1e-4


def test_warmup_raises_the_rate_linearly():
    trainer = Trainer(model(), X, Y, learning_rate=0.4, warmup=4, schedule="step", milestones=[6])
    assert [trainer.learning_rate(t) for t in range(8)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.04, 0.04])


def test_cosine_ends_at_zero_and_stays_there():
    trainer = Trainer(model(), X, Y, learning_rate=0.4, schedule="cosine", total_steps=4)
    assert [trainer.learning_rate(t) for t in (0, 2, 4, 9)] == pytest.approx([0.4, 0.2, 0.0, 0.0], abs=1e-15)
    end = trainer.advance(trainer.start(), 4)
    assert np.array_equal(trainer.advance(end, 3).weights, end.weights)


def test_nothing_is_traced_again_for_other_rates_and_numbers_of_steps(monkeypatch):
    net, traced, outputs = model(5), [], Network.outputs

    def counted(self, x):
        if not tf.executing_eagerly():
            traced.append(x.shape)
        return outputs(self, x)

    monkeypatch.setattr(Network, "outputs", counted)
    options = {"batch_size": BATCH, "momentum": 0.9}

    def train(n, **more):
        trainer = Trainer(net, X, Y, **options | more)
        before = len(traced)
        trainer.advance(trainer.advance(trainer.start(), n), n + 3)
        return len(traced) - before

    assert train(5, learning_rate=0.1) > 0
    assert train(11, learning_rate=0.01, momentum=0.5, schedule="cosine", total_steps=9, order_seed=3) == 0


def test_the_model_keeps_its_weights_and_statistics():
    keras.utils.set_random_seed(0)
    with dtype_policy("float64"):
        net = keras.Sequential(
            [
                keras.Input((X.shape[1],), dtype="float64"),
                keras.layers.Dense(6),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(OUTPUTS),
            ]
        )
    before = net.get_weights()
    trainer = Trainer(net, X, Y, learning_rate=0.05)
    state = trainer.advance(trainer.start(), 20)
    assert trainer.loss(state) < trainer.loss(trainer.start())
    assert all(map(np.array_equal, net.get_weights(), before))
    trainer.assign(state)
    np.testing.assert_allclose(net(X, training=False), trainer.outputs(state), rtol=1e-12)
    moving = [v.numpy() for v in net.non_trainable_variables if "moving" in v.name]
    assert [float(each.std()) for each in moving] == [0.0, 0.0]

"""Steps of gradient descent outside the lazy regime."""

from __future__ import annotations

import functools
import math
from typing import Any

from ...seeds import seed_for
from .conditions import SB2, SW2
from .initial import INITS

DEPTHS = (4, 8, 16, 32)
RATES = tuple(2.0**-power for power in range(6, 0, -1))
DEEP_WIDTH, DEEP_INPUTS, STEPS, TARGET = 128, 128, 300, 0.1
"""Units per hidden layer, number of inputs, maximum number of steps, and target loss as a share of the first loss."""


def speed_up_shallow(seed: int) -> list[float]:
    """Return the ratio of steps, Gaussian to orthogonal weights, at the smallest rate, for 4 layers."""
    return [_ratios(4, seed)[0]]


def speed_up_deep(seed: int) -> list[float]:
    """Return the ratio of steps at the largest rate at which both networks of 32 layers train."""
    return [_ratios(32, seed)[-1]]


def speed_up_best(seed: int) -> list[float]:
    """Return the ratio of steps of networks of 32 layers, each at its own best rate."""
    return [_ratio_at_best(32, seed)]


def speed_up_by_depth(seed: int) -> dict[int, float]:
    """Return {depth: ratio of steps at rate 2^-5}."""
    return {depth: _ratios(depth, seed)[1] for depth in DEPTHS}


def speed_up_by_rate(seed: int) -> list[float]:
    """Return the ratio of steps at the largest rate at which both networks train, divided by that at the smallest."""
    ratios = _ratios(32, seed)
    return [ratios[-1] / ratios[0]]


def speed_up_scalar(seed: int) -> list[float]:
    """Return the ratio of steps at the smallest rate, for 32 layers and one output, the parity of the digit."""
    return [_ratios(32, seed, outputs=1)[0]]


def speed_up_scalar_best(seed: int) -> list[float]:
    """Return the same ratio, with each network at its own best rate."""
    return [_ratio_at_best(32, seed, outputs=1)]


def _ratio_at_best(depth: int, seed: int, outputs: int = 10) -> float:
    gaussian, orthogonal = (min(filter(None, sweep(depth, init, seed, outputs))) for init in INITS)
    return gaussian / orthogonal


def _ratios(depth: int, seed: int, outputs: int = 10) -> list[float]:
    """Return the ratios of steps at all rates at which both networks train, smallest rate first."""
    both = zip(*(sweep(depth, init, seed, outputs) for init in INITS), strict=True)
    return [gaussian / orthogonal for gaussian, orthogonal in both if gaussian and orthogonal]


def sweep(depth: int, init: str, seed: int, outputs: int = 10) -> list[int | None]:
    """Return the steps until the loss falls to TARGET times its first value, at every rate.

    None where descent diverges or needs more than STEPS steps.
    """
    runs = [losses_at(depth, init, seed, rate, outputs, TARGET, STEPS) for rate in RATES]
    return [len(losses) - 1 if losses[-1] <= TARGET * losses[0] else None for losses in runs]


@functools.cache
def losses_at(
    depth: int, init: str, seed: int, rate: float, outputs: int, target: float, steps: int
) -> tuple[float, ...]:
    """Return the losses of full-batch gradient descent on ½ mean ‖f − y‖².

    Descent ends at `target` times the first loss, after `steps` steps, or above 20 times the first loss.
    """
    import tensorflow as tf

    x, y, rate = (tf.constant(each, tf.float32) for each in (*digits(seed, outputs), rate))
    model, step = training_step(depth, outputs)
    model.set_weights(_deep_weights(depth, init, seed, outputs))
    losses: list[float] = []
    for _ in range(steps + 1):
        losses.append(float(step(x, y, rate)))
        if not target * losses[0] < losses[-1] < 20 * losses[0]:  # also true for NaN
            break
    return tuple(losses)


def digits(seed: int, outputs: int) -> tuple[Any, Any]:
    """Return digits [N, 61] and their targets: one-hot classes [N, 10], or parities ±1 [N, 1] for a single output."""
    import numpy as np
    from sklearn.datasets import load_digits

    from ...datasets.digits import load
    from ...datasets.probes import choose

    x, parity = load(form="vector", n=DEEP_INPUTS, seed=seed)
    if outputs == 1:
        return x, parity[:, None]
    classes = load_digits().target
    return x, np.eye(outputs)[classes[choose("digits", len(classes), DEEP_INPUTS, seed)]]


@functools.cache
def _deep_weights(depth: int, init: str, seed: int, outputs: int) -> Any:
    return network(depth, init, seed, outputs).get_weights()


@functools.cache
def training_step(depth: int, outputs: int) -> tuple[Any, Any]:
    """Return a network and its compiled training step (x, y, rate) → loss before the step."""
    import tensorflow as tf

    model = network(depth, "gaussian", 0, outputs)
    variables = [variable.value for variable in model.trainable_variables]

    def step(x: Any, y: Any, rate: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.reduce_sum(tf.square(model(x, training=True) - y), axis=1)) / 2
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(rate * gradient)
        return loss

    return model, tf.function(step, autograph=False)


def network(depth: int, init: str, seed: int, outputs: int) -> Any:
    """Return `depth` nearly linear tanh layers and a readout, in the standard parameterisation: [N, 61] → [N, O]."""
    import keras

    from ... import layers

    def dense(units: int, activation: str | None, number: int) -> Any:
        return layers.Dense(
            units, activation, use_bias=True, parameterization="standard", init=init, weight_std=math.sqrt(SW2),
            bias_std=math.sqrt(SB2), seed=seed_for("deep", seed, number),
        )  # fmt: skip

    hidden = [dense(DEEP_WIDTH, "tanh", number) for number in range(depth)]
    return keras.Sequential([keras.Input((61,)), *hidden, dense(outputs, None, depth)])

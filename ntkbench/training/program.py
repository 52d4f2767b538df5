"""The compiled loop over training steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from ..engine.autodiff import dense_gradient, value_and_jvp
from ..engine.model import Network
from .losses import Loss
from .optimizers import Optimizer


def loop(
    net: Network, loss: Loss, optimizer: Optimizer, linear: bool, full: bool
) -> Callable[..., tuple[tf.Tensor, tuple[tf.Tensor, ...], tf.Tensor]]:
    """Return the function that takes one step for each row of a table of batches.

    It returns the weights, the slots, and the number of steps before the first one with a loss or weights that are not
    finite.
    """

    def steps(
        x: tf.Tensor,
        y: tf.Tensor,
        origin: tf.Tensor,
        w: tf.Tensor,
        slots: tuple[tf.Tensor, ...],
        rows: tf.Tensor,
        table: tf.Tensor,
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...], tf.Tensor]:
        if linear:
            net.assign(origin)

        def body(i: tf.Tensor, w: tf.Tensor, slots: tuple[tf.Tensor, ...], sound: tf.Tensor) -> tuple[Any, ...]:
            inputs, targets = (x, y) if full else (tf.gather(x, rows[i]), tf.gather(y, rows[i]))
            if linear:
                outputs, tape, traced = linear_outputs(net, inputs, w - origin)
            else:
                net.assign(w)
                with tf.GradientTape() as tape:
                    outputs = traced = net.outputs(inputs)
            value, residual = loss(outputs, targets)
            gradient = net.flatten(dense_gradient(tape, traced, net.variables, residual))
            w, slots = optimizer.update(w, slots, gradient, tf.unstack(table[i]))
            sound = tf.math.is_finite(value) & tf.reduce_all(tf.math.is_finite(w))
            return i + tf.cast(sound, tf.int32), w, slots, sound

        n = tf.shape(table)[0]
        i, w, slots, _ = tf.while_loop(
            lambda i, w, slots, sound: sound & (i < n),
            body,
            (tf.constant(0), w, slots, tf.constant(True)),
            parallel_iterations=1,
        )
        return w, slots, i

    return steps


def linear_outputs(net: Network, x: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.GradientTape, tf.Tensor]:
    """Return f(x) + J(x)·step at the network's weights, and the tape and the output f(x) that give J."""
    value, along, tape = value_and_jvp(net, net.outputs, x, net.unflatten(step))
    return value + along, tape, value

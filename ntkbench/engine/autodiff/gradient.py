"""First derivatives of a model in its flat weights: per-sample gradients and Jacobian-vector products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..model import Network


def gradients(net: Network, x: tf.Tensor, units: Sequence[int]) -> np.ndarray:
    """Return the Jacobian ∂f_o(x_n)/∂w: [N, O, P], computed for one sample and one unit at a time, for any model."""

    def build() -> Any:
        def gradient(x: tf.Tensor, unit: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                target = tf.reduce_sum(tf.gather(net.outputs(x), unit, axis=1))
            return net.flatten(dense_gradient(tape, target, net.variables))

        return gradient

    gradient = net.function("gradient", build)
    jacobian = np.empty((len(x), len(units), net.size), net.dtype.as_numpy_dtype)
    for n in range(len(x)):
        for o, unit in enumerate(units):
            jacobian[n, o] = gradient(x[n : n + 1], tf.constant(unit)).numpy()
    return jacobian


def jvp(net: Network, x: tf.Tensor, vector: Any) -> np.ndarray:
    """Return J(x)·v: [N, O], for v: [P].

    Computed as the derivative in u of ⟨Jᵀu, v⟩, which is correct for loops and gathers too.
    """

    def build() -> Any:
        return lambda x, vector: value_and_jvp(net, net.outputs, x, net.unflatten(vector))[1]

    return net.function("jvp", build)(x, tf.cast(vector, net.dtype)).numpy()


def value_and_jvp(
    net: Network, function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor, tangents: Sequence[tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor, tf.GradientTape]:
    """Return f(x), its derivative along tangents of the trainable variables, and the persistent tape of f.

    The derivative is taken in u of ⟨Jᵀu, tangents⟩, which is linear in u. For use inside a compiled function.
    """
    with tf.GradientTape() as outer:
        with tf.GradientTape(persistent=True) as tape:
            value = function(x)
            u = tf.zeros_like(value)
            outer.watch(u)
        gradients = dense_gradient(tape, value, net.variables, u)
    (along,) = dense_gradient(outer, gradients, [u], tangents)
    return value, along, tape


def dense_gradient(
    tape: tf.GradientTape, target: Any, sources: Sequence[Any], cotangent: Any = None
) -> list[tf.Tensor]:
    """Return the gradients as dense tensors: zeros where unconnected, IndexedSlices (embeddings) converted.

    Args:
        tape: Tape that recorded the target.
        target: Tensor to differentiate, or a list of tensors, over which the gradients are summed.
        sources: Variables or tensors to differentiate with respect to.
        cotangent: Tensor (or list) of the target's shape; by default ones, which differentiates the target's sum.
    """
    found = tape.gradient(target, sources, cotangent, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [tf.convert_to_tensor(g) for g in found]

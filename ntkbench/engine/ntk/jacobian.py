"""Per-sample gradients of output units: the Jacobian from which a tangent kernel is contracted."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from ..autodiff import dense_gradient
from ..model import Network, vectorises
from ..ops import for_each

UNROLLED = 16  # output units that share one forward pass


def jacobians(net: Network, variables: Sequence[tf.Variable], x: tf.Tensor, units: tf.Tensor) -> list[tf.Tensor]:
    """Return ∂f_o(x_n)/∂v for each variable: [N, O, size of v]. For use inside compiled functions.

    The model is called with one sample at a time, so samples cannot mix. They are vectorised where that is known to be
    correct.
    """
    if not variables:
        return []
    count, n = units.shape[0], x.shape[0]

    def gradient(outputs: tf.Tensor, tape: tf.GradientTape, unit: tf.Tensor) -> list[tf.Tensor]:
        found = dense_gradient(tape, outputs, variables, unit[None])
        return [tf.reshape(g, [-1]) for g in found]

    def of_units(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape(persistent=True) as tape:
            outputs = net.outputs(x[None])
        chosen = tf.one_hot(units, outputs.shape[1], dtype=outputs.dtype)
        rows = [gradient(outputs, tape, chosen[i]) for i in range(count)]
        return [tf.stack(of_variable) for of_variable in zip(*rows, strict=True)]

    def of_unit(element: tuple[tf.Tensor, tf.Tensor]) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            outputs = net.outputs(element[0][None])
        return gradient(outputs, tape, tf.one_hot(element[1], outputs.shape[1], dtype=outputs.dtype))

    vectorised = vectorises(net.model)
    if count <= UNROLLED:
        return for_each(of_units, x, vectorised)
    found = for_each(of_unit, (tf.repeat(x, count, axis=0), tf.tile(units, [n])), vectorised)
    return [tf.reshape(g, [n, count, g.shape[1]]) for g in found]

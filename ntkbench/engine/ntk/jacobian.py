"""Gradients of each output at each sample: the Jacobian."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from ..autodiff import dense_gradient
from ..checks import enter, require_finite, require_right_derivatives
from ..model import Network, explained, vectorises
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


@explained("TensorFlow cannot differentiate this model")
def jacobian(model: Any, x: Any, *, output_name: str | int | None = None) -> np.ndarray:
    """Return the gradients ∂f_o(x_n)/∂w of all outputs with respect to all trainable weights w.

    Their inner products are the tangent kernel, which `empirical_ntk` computes without them. All inputs are processed
    at once: pass some at a time where memory is short.

    Args:
        model: A Keras 3 model, a `tf.Module`, or a callable with `trainable_variables`; see `empirical_ntk`.
        x: Inputs [N, ...]: an array, or a dict, tuple or list of arrays as the model takes it.
        output_name: For a model with several outputs: the name, dictionary key or index of the output to use.

    Returns:
        An array [N, O, P] in the model's precision; the P weights are flattened and joined in the order of
            `trainable_variables`.

    Raises:
        NtkbenchError: The model or the inputs are not supported, the model's derivatives are wrong, or gradients are
            not finite.

    Examples:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> print(jacobian(model, np.array([[3.0, 4.0]])))
        [[[3. 4. 1.]]]
    """
    net, x, _ = enter(model, x, output_name=output_name)
    require_right_derivatives(net, x, order=1, unit="every")
    found = net.function("jacobian", lambda: partial(_all_units, net))(x).numpy()
    require_finite(found, net, x, "Jacobian")
    return found


def _all_units(net: Network, x: tf.Tensor) -> tf.Tensor:
    """Return the gradients of all output units: [N, O, P]."""
    units = tf.range(net.outputs(x[:1]).shape[1])
    return tf.concat(jacobians(net, net.variables, x, units), -1)

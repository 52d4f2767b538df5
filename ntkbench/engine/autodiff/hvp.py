"""Compiled Hessian-vector products of one output, by forward over backward or by double backward differentiation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from ...errors import NtkbenchError, reason_of
from ..model import FORWARD_SAFE, Network, made_of
from .gradient import dense_gradient

MODES = ("auto", "forward_over_backward", "double_backward")

# Exceptions that TensorFlow raises when a derivative is not implemented. SystemError: its C++ tape hides another one.
NO_DERIVATIVE = (
    AssertionError, AttributeError, LookupError, NotImplementedError, SystemError, TypeError, ValueError,
    tf.errors.OpError,
)  # fmt: skip


def flat_hvp(net: Network, mode: str = "auto") -> Any:
    """Return the compiled function (x: [N, ...], v: [P]) -> H·v: [P], where H is summed over x."""
    if mode == "auto":
        mode = "forward_over_backward" if forward_safe(net) else "double_backward"
    orders = {"double_backward": double_backward, "forward_over_backward": forward_over_backward}
    compiled = net.function(("hvp", mode), lambda: lambda x, v: orders[mode](net, x, v), follows=())

    def product(x: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        try:
            return compiled(x, v)
        except (NtkbenchError, tf.errors.ResourceExhaustedError):
            raise
        except NO_DERIVATIVE as error:
            instead = (
                "use mode='double_backward' or 'auto'" if mode != "double_backward" else "rewrite the failing operation"
            )
            reason = reason_of(error.__cause__ if isinstance(error, SystemError) and error.__cause__ else error)
            raise NtkbenchError(
                f"TensorFlow cannot differentiate this model in mode {mode!r} ({reason}); {instead}."
            ) from error

    return product


def forward_over_backward(net: Network, x: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """Return H·v as the forward-mode derivative of the gradient along v. For use inside a compiled function."""
    with tf.autodiff.ForwardAccumulator(net.variables, net.unflatten(v)) as accumulator:
        with tf.GradientTape() as tape:
            target = tf.reduce_sum(net.scalar(x))
        gradient = dense_gradient(tape, target, net.variables)
    zero = tf.UnconnectedGradients.ZERO
    return net.flatten([accumulator.jvp(g, unconnected_gradients=zero) for g in gradient])


def double_backward(net: Network, x: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
    """Return H·v as the gradient of ⟨∇f, v⟩. For use inside a compiled function."""
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            target = tf.reduce_sum(net.scalar(x))
        gradient = dense_gradient(inner, target, net.variables)
    return net.flatten(dense_gradient(outer, gradient, net.variables, net.unflatten(v)))


def second_derivative(net: Network, x: tf.Tensor, v: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return vᵀ·H·v, summed over x, for a tangent v of each trainable variable. For use inside a compiled function."""
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            target = tf.reduce_sum(net.scalar(x))
        gradient = dense_gradient(inner, target, net.variables)
    product = dense_gradient(outer, gradient, net.variables, v)
    return tf.add_n([tf.reduce_sum(a * b) for a, b in zip(v, product, strict=True)])


def forward_safe(net: Network) -> bool:
    """Return whether forward over backward is known to be correct for every layer of the model."""
    return net.cached("forward safe", lambda: made_of(getattr(net.model, "_flatten_layers", tuple)(), FORWARD_SAFE))

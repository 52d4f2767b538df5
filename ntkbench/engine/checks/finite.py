"""Checks that weights and results are finite, and a search for the cause if they are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ...errors import NtkbenchError
from ..autodiff import dense_gradient
from ..model import Network


class NotFinite(NtkbenchError):
    """A weight or a result is NaN or infinite."""


def require_finite_weights(net: Network) -> None:
    """Raise NotFinite with the variable's name if a weight of the model is NaN or infinite."""
    variables = net.cached("floating-point variables", lambda: weights(net))

    def finite() -> tf.Tensor:
        return tf.stack([tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(v))) for v in variables])

    right = net.function("finite weights", lambda: finite)().numpy()
    if not right.all():
        variable = variables[int(np.argmin(right))]
        bad = int((~np.isfinite(variable.numpy().astype(np.float64))).sum())
        raise NotFinite(
            f"The weights {_name(variable)!r} contain NaN or infinity ({bad} of {int(tf.size(variable))} numbers). "
            "Reload or retrain the model."
        )


def weights(net: Network) -> list[tf.Variable]:
    """Return all floating-point variables of the model, trainable or not, without duplicates."""
    others = [v if isinstance(v, tf.Variable) else v.value for v in getattr(net.model, "variables", ())]
    found = {id(v): v for v in [*net.variables, *others] if v.dtype.is_floating}
    return list(found.values())


def not_finite(net: Network, inputs: Mapping[str, tf.Tensor], what: str) -> NotFinite:
    """Return the error for a result that is not finite, with the first cause found.

    Args:
        net: The network.
        inputs: The inputs [N, ...] of the call, by their names in the message.
        what: Name of the result, such as "tangent kernel".
    """
    try:
        require_finite_weights(net)
    except NotFinite as error:
        return error
    for name, x in inputs.items():
        if (cause := _not_finite_at(net, x, what, name)) is not None:
            return cause
    return NotFinite(
        f"The {what} is not finite, although outputs and first derivatives are. Check for a square root, a norm or a "
        f"division at 0, and for overflow in {net.dtype.name}."
    )


def _not_finite_at(net: Network, x: tf.Tensor, what: str, name: str) -> NotFinite | None:
    """Return the error for the first output or first derivative that is not finite at x: [N, ...], None if all are."""
    variables = net.variables
    for n in range(len(x)):
        with tf.GradientTape() as tape:
            outputs = net.outputs(x[n : n + 1])
            total = tf.reduce_sum(outputs)
        if not np.isfinite(outputs.numpy()).all():
            unit = int(np.argmin(np.isfinite(outputs.numpy()[0])))
            return NotFinite(
                f"The model's output is {outputs.numpy()[0, unit]} at input {n} of {name} (unit {unit}), so its {what} "
                f"is not finite. Check for overflow in {net.dtype.name}, a logarithm of 0 or a division by 0."
            )
        for variable, gradient in zip(variables, dense_gradient(tape, total, variables), strict=True):
            if not np.isfinite(gradient.numpy()).all():
                return NotFinite(
                    f"The derivative of the output with respect to {_name(variable)!r} is not finite at input {n} of "
                    f"{name}, so the {what} is not. Check for a square root, a norm or a division at 0."
                )
    return None


def require_finite(result: Any, net: Network, x: tf.Tensor, what: str) -> None:
    """Raise NotFinite with the cause if an array computed at inputs x: [N, ...] is not finite."""
    if not np.isfinite(result).all():
        raise not_finite(net, {"x": x}, what)


def _name(variable: tf.Variable) -> str:
    return variable.name.partition(":")[0]

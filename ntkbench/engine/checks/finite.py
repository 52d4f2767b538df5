"""What is not finite in a model: a weight, an output, or a derivative; found only when something is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from ...errors import NtkbenchError
from ..autodiff import dense_gradient
from ..model import Network

FEW = 2**12  # weights up to which NumPy is faster than a compiled function


class NotFinite(NtkbenchError):
    """NaN or infinity among numbers that are to be returned."""


def require_finite_weights(net: Network) -> None:
    """Raise NotFinite, which names the variable, when a weight of the model is NaN or infinite."""
    variables = weights(net)

    def finite() -> tf.Tensor:
        return tf.stack([tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(v))) for v in variables])

    if sum(v.shape.num_elements() for v in variables) <= FEW:
        right = np.array([np.isfinite(v.numpy().astype(np.float64)).all() for v in variables])
    else:
        right = net.function("finite weights", lambda: finite)().numpy()
    if not right.all():
        variable = variables[int(np.argmin(right))]
        bad = int((~np.isfinite(variable.numpy().astype(np.float64))).sum())
        raise NotFinite(
            f"The weights {_name(variable)!r} hold NaN or infinity, {bad} of {int(tf.size(variable))} numbers. "
            "Load or train the model again."
        )


def weights(net: Network) -> list[tf.Variable]:
    """Return all float variables of the model, trainable or not, each once."""
    others = [v if isinstance(v, tf.Variable) else v.value for v in getattr(net.model, "variables", ())]
    found = {id(v): v for v in [*net.variables, *others] if v.dtype.is_floating}
    return list(found.values())


def not_finite(net: Network, x: tf.Tensor, what: str, name: str = "x") -> NotFinite:
    """Return the error of a result that is not finite at the inputs x: [N, ...], with the first cause found.

    what: the result, such as "tangent kernel".
    """
    try:
        require_finite_weights(net)
    except NotFinite as error:
        return error
    variables = net.variables
    for n in range(len(x)):
        with tf.GradientTape() as tape:
            outputs = net.outputs(x[n : n + 1])
            total = tf.reduce_sum(outputs)
        if not np.isfinite(outputs.numpy()).all():
            unit = int(np.argmin(np.isfinite(outputs.numpy()[0])))
            return NotFinite(
                f"The model's output is {outputs.numpy()[0, unit]} at input {n} of {name} (unit {unit}), so its {what} "
                f"is not finite. Look for numbers too large for {net.dtype.name}, a logarithm or a division of 0."
            )
        for variable, gradient in zip(variables, dense_gradient(tape, total, variables), strict=True):
            if not np.isfinite(gradient.numpy()).all():
                return NotFinite(
                    f"The derivative of the output by {_name(variable)!r} is not finite at input {n} of {name}, so the "
                    f"{what} is not. Look for a square root, a norm or a division at 0."
                )
    return NotFinite(
        f"The {what} is not finite, although outputs and first derivatives are. Look for a square root, a norm or a "
        f"division at 0, and for numbers too large for {net.dtype.name}."
    )


def require_finite(result: Any, net: Network, x: tf.Tensor, what: str) -> None:
    """Raise NotFinite with the cause when an array that was computed at the inputs x: [N, ...] is not finite."""
    if not np.isfinite(result).all():
        raise not_finite(net, x, what)


def _name(variable: tf.Variable) -> str:
    return variable.name.partition(":")[0]

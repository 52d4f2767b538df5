"""Find the dual of an activation, given its name, its function or the dual itself."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import keras
import tensorflow as tf

from ...errors import NtkbenchError, UnknownName
from ...layers import activations
from .dual import Dual
from .hermite import Polynomial, Quadrature
from .logistic import LogisticMixture, SmoothedRelu
from .piecewise import Piecewise
from .smooth import Erf, Gaussian, Gelu, Sinusoid

HALF_PI = 1.5707963267948966
CLOSED: dict[str, Dual] = {
    "linear": Piecewise(1.0, 1.0),
    "relu": Piecewise(),
    "abs": Piecewise(-1.0, 1.0),
    "erf": Erf(),
    "sin": Sinusoid(),
    "cos": Sinusoid(phase=HALF_PI),
    "gaussian": Gaussian(),
    "gelu": Gelu(),
    "quadratic": Polynomial((0.0, 0.0, 0.5)),
}
"""Activations with a closed-form dual. "gaussian" is e^{−u²}."""

MIXING = ("softmax", "log_softmax", "sparsemax", "glu")


class Odd(Quadrature):
    """Dual of a smooth odd activation, φ(−u) = −φ(u), whose mean is 0."""

    def mean(self, v: tf.Tensor) -> tf.Tensor | None:
        """Return None, because the mean is 0."""
        return None


LOGISTIC: dict[str, Dual] = {
    "tanh": LogisticMixture(Erf(b=math.sqrt(2)), Odd(tf.tanh)),
    "sigmoid": LogisticMixture(Erf(0.5, math.sqrt(0.5), 0.5), Quadrature(tf.sigmoid)),
    "softplus": LogisticMixture(SmoothedRelu(), Quadrature(tf.math.softplus), power=1),
    "silu": LogisticMixture(Gelu(), Quadrature(lambda u: u * tf.sigmoid(u)), power=1),
}
"""Activations based on the logistic function."""

TENSORFLOW: dict[Any, str] = {
    tf.identity: "linear",
    tf.abs: "abs",
    tf.sin: "sin",
    tf.cos: "cos",
    tf.tanh: "tanh",
    tf.sigmoid: "sigmoid",
    tf.math.erf: "erf",
    tf.math.softplus: "softplus",
    tf.nn.relu: "relu",
    tf.nn.leaky_relu: "leaky_relu",
    tf.nn.silu: "silu",
    tf.nn.gelu: "gelu",
}
"""TensorFlow's own functions, with their default arguments, by the names of their duals."""

NAMES = (*CLOSED, *LOGISTIC, "leaky_relu")


def dual_of(activation: Any, **options: Any) -> Dual:
    """Return the dual of an activation.

    Args:
        activation: A name of `NAMES`, a Keras activation, a `Dual`, a Keras layer, or any elementwise function of
            TensorFlow (by quadrature).
        **options: negative_slope, for "leaky_relu".

    Raises:
        NtkbenchError: If the name is unknown or the function mixes units.
    """
    if isinstance(activation, Dual):
        return activation
    if activation is None:  # as in layers without an activation
        return CLOSED["linear"]
    if isinstance(activation, str):
        return _named(activation, options)
    name = getattr(activation, "__name__", type(activation).__name__)
    if name in MIXING:
        raise NtkbenchError(f"The activation {name} mixes units, so it has no dual. Use an elementwise activation.")
    if not callable(activation):
        raise UnknownName("activation", repr(activation), NAMES)
    function: Any = activation
    return _known(function, name) or Quadrature(function)


def _named(name: str, options: dict[str, Any]) -> Dual:
    if name == "leaky_relu":
        return Piecewise(float(options.get("negative_slope", 0.2)), 1.0)
    if name in CLOSED:
        return CLOSED[name]
    if name in LOGISTIC:
        return LOGISTIC[name]
    if name in MIXING:
        raise NtkbenchError(f"The activation {name!r} mixes units, so it has no dual. Use an elementwise activation.")
    raise UnknownName("activation", name, NAMES)


def _known(activation: Any, name: str) -> Dual | None:
    """Return the dual of an activation function of TensorFlow, Keras or ntkbench, None for any other."""
    if isinstance(activation, Hashable) and activation in TENSORFLOW:
        return _named(TENSORFLOW[activation], {})
    if activation is activations.TABLE.get(name):
        return _named(name, {})
    if activation is getattr(keras.activations, name, None) or activation is getattr(keras.ops, name, None):
        if name == "gelu":
            # By default `keras.ops.gelu` is the tanh approximation, while `keras.activations.gelu` is exact.
            return CLOSED["gelu"] if activation is keras.activations.gelu else Quadrature(keras.ops.gelu)
        if name in (*CLOSED, *LOGISTIC, "leaky_relu"):
            return _named(name, {})
    return None

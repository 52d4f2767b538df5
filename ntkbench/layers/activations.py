"""Activations by name, implemented such that derivatives of every order are correct (ReLU: almost everywhere)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from ..errors import UnknownName

Function = Callable[[Any], Any]


def linear(x: Any) -> Any:
    """Return x."""
    return x


def relu(x: Any) -> Any:
    """Return max(x, 0)."""
    return ops.relu(x)


def tanh(x: Any) -> Any:
    """Return tanh(x)."""
    return ops.tanh(x)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + e^-x)."""
    return ops.sigmoid(x)


def softplus(x: Any) -> Any:
    """Return log(1 + e^x)."""
    return ops.softplus(x)


def silu(x: Any) -> Any:
    """Return x · sigmoid(x), written out because TensorFlow's own version is a custom gradient."""
    return x * ops.sigmoid(x)


def gelu(x: Any) -> Any:
    """Return x · Φ(x) with the exact normal distribution function Φ, not the tanh approximation."""
    return x * (0.5 + 0.5 * ops.erf(x * math.sqrt(0.5)))


def erf(x: Any) -> Any:
    """Return the error function of x."""
    return ops.erf(x)


def sin(x: Any) -> Any:
    """Return sin(x)."""
    return ops.sin(x)


def cos(x: Any) -> Any:
    """Return cos(x)."""
    return ops.cos(x)


def quadratic(x: Any) -> Any:
    """Return x² / 2."""
    return 0.5 * ops.square(x)


def softmax(x: Any) -> Any:
    """Return the softmax over the last axis, the only activation in the table that mixes units."""
    return ops.softmax(x, axis=-1)


TABLE: dict[str, Function] = {
    function.__name__: function
    for function in (linear, relu, tanh, sigmoid, softplus, silu, gelu, erf, sin, cos, quadratic, softmax)
}


def get(activation: str | Function | Mapping[str, Any] | None) -> Function | None:
    """Return the activation function for a name, a saved configuration or a callable; None stays None.

    Raises:
        UnknownName: If the name is not in the table.
    """
    if activation is None or callable(activation):
        return activation
    if isinstance(activation, Mapping):
        return keras.saving.deserialize_keras_object(activation)
    if activation not in TABLE:
        raise UnknownName("activation", str(activation), TABLE)
    return TABLE[activation]


def serialize(function: Function | None) -> str | dict[str, Any] | None:
    """Return a value that `get` accepts: a name in the table, or Keras's configuration of another function."""
    for name, known in TABLE.items():
        if function is known:
            return name
    return None if function is None else keras.saving.serialize_keras_object(function)

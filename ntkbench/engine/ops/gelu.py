"""GELU with its derivatives in closed form.

Automatic differentiation writes the derivatives of x·Φ(x) as chains of products, each a pass over all activations: a
tangent kernel and its gradient need 45 of them, more than half of the time of a network whose activations outnumber its
weights, such as an MLP-Mixer. In closed form, Φ and the density φ are computed once and shared.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import tensorflow as tf
from keras import ops

Function = Callable[[tf.Tensor], tf.Tensor]

_DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)
_WRITTEN_OUT: ContextVar[bool] = ContextVar("written out", default=False)


@contextlib.contextmanager
def written_out() -> Iterator[None]:
    """Let `gelu` be plain operations within the scope, for a graph that is inspected and not differentiated."""
    token = _WRITTEN_OUT.set(True)
    try:
        yield
    finally:
        _WRITTEN_OUT.reset(token)


def _with_gradient(function: Callable[[tf.Tensor], tuple[tf.Tensor, Function]]) -> Function:
    """Return the function of x whose gradient is the second of two results. As `tf.custom_gradient`, but typed."""
    typed: Function = tf.custom_gradient(function)
    return typed


def gelu(x: Any) -> Any:
    """Return x · Φ(x), differentiated in closed form."""
    return _gelu(x) if tf.is_tensor(x) and not _WRITTEN_OUT.get() else x * _cdf(x)


@_with_gradient
def _gelu(x: tf.Tensor) -> tuple[tf.Tensor, Function]:
    """Return x·Φ. Its derivatives are Φ + xφ, 2φ − x²φ and x³φ − 4xφ, where xφ comes first: x² may overflow."""
    cdf = _cdf(x)

    @_with_gradient
    def first(x: tf.Tensor) -> tuple[tf.Tensor, Function]:
        density = _density(x)
        moment = x * density

        @_with_gradient
        def second(x: tf.Tensor) -> tuple[tf.Tensor, Function]:
            return 2 * density - x * moment, lambda g: g * third(x)

        return cdf + moment, lambda g: g * second(x)

    def third(x: tf.Tensor) -> tf.Tensor:
        moment = x * _density(x)
        return x * (x * moment) - 4 * moment

    return x * cdf, lambda g: g * first(x)


def _cdf(x: Any) -> Any:
    return 0.5 + 0.5 * ops.erf(x * math.sqrt(0.5))


def _density(x: tf.Tensor) -> tf.Tensor:
    return tf.exp(tf.square(x) * -0.5) * _DENSITY_AT_0

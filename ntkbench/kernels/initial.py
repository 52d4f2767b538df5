"""Variances of the entries that Keras initialisers draw."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from .features import NoLimit


def variance(initializer: Any, shape: tuple[int, ...], who: str) -> float:
    """Return the variance of one entry of a kernel of this shape; raise NoLimit unless it is random with mean 0."""
    kinds = keras.initializers
    exact = type(initializer)
    if isinstance(initializer, kinds.VarianceScaling):
        fans = _fans(shape)
        n = {"fan_in": fans[0], "fan_out": fans[1], "fan_avg": sum(fans) / 2}[initializer.mode]
        return initializer.scale / max(1.0, n)
    if exact in (kinds.RandomNormal, kinds.TruncatedNormal) and initializer.mean == 0:
        return initializer.stddev**2 * (_truncated() if exact is kinds.TruncatedNormal else 1.0)
    if exact is kinds.RandomUniform and initializer.minval == -initializer.maxval:
        return initializer.maxval**2 / 3
    if exact is kinds.Orthogonal:
        return initializer.gain**2 / max(math.prod(shape[:-1]), shape[-1])
    raise NoLimit(
        f"{who} uses the initialiser {exact.__name__}, for which no infinite-width limit is known; use one with "
        "mean 0 in which only the variance depends on the width, such as HeNormal."
    )


def bias_variance(initializer: Any, shape: tuple[int, ...], who: str) -> float:
    """Return the variance of a bias, which is 0 for zeros; raise NoLimit for another constant."""
    if type(initializer) is keras.initializers.Zeros:
        return 0.0
    if type(initializer) is keras.initializers.Constant and not np.any(initializer.value):
        return 0.0
    return variance(initializer, shape, f"The bias of {who}")


def _truncated() -> float:
    """Return the variance of N(0, 1) truncated at ±2; Keras does not rescale truncated draws."""
    density = math.exp(-2.0) / math.sqrt(2 * math.pi)
    return 1 - 4 * density / math.erf(math.sqrt(2.0))


def _fans(shape: tuple[int, ...]) -> tuple[float, float]:
    if len(shape) == 1:
        return shape[0], shape[0]
    taps = math.prod(shape[:-2])
    return taps * shape[-2], taps * shape[-1]

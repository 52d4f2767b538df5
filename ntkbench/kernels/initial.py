"""The variance of the entries that a Keras initialiser draws."""

from __future__ import annotations

import math
from typing import Any

import keras

from .features import NoLimit


def variance(initializer: Any, shape: tuple[int, ...], who: str) -> float:
    """Return the variance of one entry of a kernel of this shape; raise NoLimit for what is not random around 0."""
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
        f"{who} draws its weights by {exact.__name__}, for which no limit is known; use an initialiser that is "
        "independent of width but for its variance, and of mean 0, such as HeNormal."
    )


def bias_variance(initializer: Any, shape: tuple[int, ...], who: str) -> float:
    """Return the variance of a bias, 0 for zeros; raise NoLimit for another constant."""
    if type(initializer) is keras.initializers.Zeros:
        return 0.0
    if type(initializer) is keras.initializers.Constant and not initializer.value:
        return 0.0
    return variance(initializer, shape, f"The bias of {who}")


def _truncated() -> float:
    """Return what is left of the variance of N(0, s²) cut at 2 s: Keras does not rescale."""
    density = math.exp(-2.0) / math.sqrt(2 * math.pi)
    return 1 - 4 * density / math.erf(math.sqrt(2.0))


def _fans(shape: tuple[int, ...]) -> tuple[float, float]:
    if len(shape) == 1:
        return shape[0], shape[0]
    taps = math.prod(shape[:-2])
    return taps * shape[-2], taps * shape[-1]

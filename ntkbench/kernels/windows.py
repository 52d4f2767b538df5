"""Sums over windows of positions, along one spatial axis at a time."""

from __future__ import annotations

import itertools
import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf
from attrs import frozen

from ..errors import NtkbenchError, did_you_mean
from .features import Features, sizes_of

PADDINGS = ("same", "valid", "circular")


@frozen
class Window:
    """A window along one spatial axis.

    Attributes:
        size: Number of taps.
        stride: Distance between neighbouring windows.
        padding: "same", "valid" or "circular".
        dilation: Distance between neighbouring taps.
    """

    size: int
    stride: int = 1
    padding: str = "valid"
    dilation: int = 1

    @property
    def taps(self) -> tuple[int, ...]:
        """Indices of the taps that contribute."""
        return tuple(range(self.size))

    def margins(self, n: int) -> tuple[int, int]:
        """Return the number of positions padded before and after n positions."""
        if self.padding == "valid":
            return 0, 0
        reach = (self.size - 1) * self.dilation + 1
        total = max((-(-n // self.stride) - 1) * self.stride + reach - n, 0)
        return total // 2, total - total // 2

    def outputs(self, n: int) -> int:
        """Return the number of windows over n positions."""
        reach = (self.size - 1) * self.dilation + 1
        found = (n + sum(self.margins(n)) - reach) // self.stride + 1
        if found < 1:
            raise NtkbenchError(f"A window over {reach} positions does not fit into {n}; use larger inputs or padding.")
        return found

    def counts(self, n: int) -> list[int]:
        """Return, for each window, how many of the n positions it contains."""
        before, _ = self.margins(n)
        starts = [k * self.stride - before for k in range(self.outputs(n))]
        return [sum(0 <= start + d * self.dilation < n for d in range(self.size)) for start in starts]


def padding_of(owner: str, padding: str) -> str:
    """Return the padding's name in lower case; raise NtkbenchError if it is unknown."""
    lowered = str(padding).lower()
    if lowered not in PADDINGS:
        raise NtkbenchError(f"Unknown padding {padding!r} of {owner}. {did_you_mean(lowered, PADDINGS)}")
    return lowered


def per_axis(owner: str, name: str, value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """Return one integer per spatial axis; raise NtkbenchError if `value` does not fit."""
    given = tuple(value) if isinstance(value, Iterable) else (value,) * axes
    if not axes or len(given) != axes or not all(map(_is_count, given)):
        raise NtkbenchError(
            f"{owner} got {name}={value!r} for features with {axes} spatial axes; use one integer of at least 1, or "
            "one per axis."
        )
    return tuple(map(int, given))


def _is_count(value: Any) -> bool:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return number and float(value).is_integer() and value >= 1


def window_sums(t: tf.Tensor, axes: Sequence[int], window: Window) -> tf.Tensor:
    """Return sums over windows of positions that move along one axis, or along two axes of the tensor jointly."""
    sizes = sizes_of(t)
    # The other axes are merged: with three spatial axes the rank exceeds what TensorFlow can slice.
    kept = [math.prod(sizes[i + 1 : j]) for i, j in itertools.pairwise([-1, *axes, len(sizes)])]
    n = sizes[axes[0]]
    outputs = window.outputs(n)
    joined = [each for size in kept for each in (size, n)][:-1]
    t = tf.reshape(t, joined)
    places = range(1, len(joined), 2)
    before, after = window.margins(n)
    for place in places:
        t = _padded(t, place, before, after, window.padding == "circular")
    last = (outputs - 1) * window.stride + 1
    total: Any = None
    for tap in window.taps:
        begin = tap * window.dilation
        where: list[Any] = [slice(None)] * t.shape.rank
        for place in places:
            where[place] = slice(begin, begin + last, window.stride)
        total = t[tuple(where)] if total is None else total + t[tuple(where)]
    return tf.reshape(total, [outputs if axis in axes else size for axis, size in enumerate(sizes)])


def _padded(t: tf.Tensor, axis: int, before: int, after: int, wrap: bool) -> tf.Tensor:
    if not before and not after:
        return t
    if wrap:
        n = t.shape[axis]
        return tf.gather(t, [k % n for k in range(-before, n + after)], axis=axis)
    paddings = [[0, 0]] * t.shape.rank
    paddings[axis] = [before, after]
    return tf.pad(t, paddings)


def conv_mean(features: Features, windows: Sequence[Window]) -> Features:
    """Average the covariances over the taps of a filter, each shifted by its tap."""
    taps = 1
    for window in windows:
        taps *= len(window.taps)

    def mean(t: tf.Tensor) -> tf.Tensor:
        for axis, window in enumerate(windows):
            t = window_sums(t, [axis, axis + features.positions] if features.full else [axis], window)
        return t / taps

    return features.map(mean)


def pool_mean(t: tf.Tensor, axes: Sequence[int], window: Window, count_padding: bool) -> tf.Tensor:
    """Average over windows that move along each of `axes` separately."""
    for axis in axes:
        n = t.shape[axis]
        counts = [window.size] * window.outputs(n) if count_padding else window.counts(n)
        shape = [1] * t.shape.rank
        shape[axis] = len(counts)
        t = window_sums(t, [axis], window) / tf.reshape(tf.constant(counts, t.dtype), shape)
    return t

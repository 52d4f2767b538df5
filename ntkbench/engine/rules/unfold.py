"""Patches of a signal, image or volume, in the order of a convolution kernel."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def unfold(
    x: tf.Tensor, kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int], padding: str
) -> tf.Tensor:
    """Return patches: [N, *space, c] -> [N, *space', taps, c], with the kernel's positions (taps) in row-major order.

    `padding` is "valid", "same" or "causal" (one axis). The patches are slices of a padded array, because the gradient
    of `tf.image.extract_patches` is a sparse matrix product.
    """
    size = [int(s) for s in x.shape[1:-1]]
    span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if padding == "same":
        out = [-(-n // s) for n, s in zip(size, strides, strict=True)]
        extra = [max((o - 1) * s + k - n, 0) for o, s, k, n in zip(out, strides, span, size, strict=True)]
        x = tf.pad(x, [[0, 0], *([e // 2, e - e // 2] for e in extra), [0, 0]])
    elif padding == "causal":
        x = tf.pad(x, [[0, 0], [span[0] - 1, 0], [0, 0]])
        out = [(size[0] - 1) // strides[0] + 1]
    else:
        out = [(n - k) // s + 1 for n, s, k in zip(size, strides, span, strict=True)]
    return windows(x, kernel, strides, dilation, out)


def flipped_windows(
    x: tf.Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: str,
    out: Sequence[int],
) -> tf.Tensor:
    """Return the patches that a transposed convolution multiplies by its kernel: [N, *space, c] -> [N, *out, taps, c].

    The output at p is Σ x[i]·W[k] over i·stride + k·dilation − before = p, so zeros are inserted between the entries of
    x and the windows are read backwards. `before` is the padding of the corresponding forward convolution from `out` to
    x.
    """
    widths = [[0, 0]]
    for axis, (k, s, d, size) in enumerate(zip(kernel, strides, dilation, out, strict=True), 1):
        n, span = int(x.shape[axis]), (k - 1) * d + 1
        if s > 1:
            x = _stretched(x, axis, s)
        length = (n - 1) * s + 1
        before = max(length - 1 + span - size, 0) // 2 if padding == "same" else 0
        left = span - 1 - before
        widths.append([left, size + span - 1 - left - length])
    ones = [1] * len(kernel)
    return windows(tf.pad(x, [*widths, [0, 0]]), kernel, ones, dilation, out)[..., ::-1, :]


def _stretched(x: tf.Tensor, axis: int, stride: int) -> tf.Tensor:
    """Insert stride − 1 zeros between the entries of an axis of x."""
    sizes = [-1, *x.shape[1:]]
    zeros = [[0, 0]] * (len(sizes) + 1)
    zeros[axis + 1] = [0, stride - 1]
    x = tf.pad(tf.expand_dims(x, axis + 1), zeros)
    long = sizes[axis] * stride
    x = tf.reshape(x, [*sizes[:axis], long, *sizes[axis + 1 :]])
    return x[(slice(None),) * axis + (slice(long - stride + 1),)]


def windows(
    x: tf.Tensor, kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int], out: Sequence[int]
) -> tf.Tensor:
    """Return `out` windows along each axis of x, which must be large enough: [N, *out, taps, c]."""
    places = itertools.product(*(range(k) for k in kernel))
    starts = [[i * step for i, step in zip(place, dilation, strict=True)] for place in places]
    if all(stride == 1 for stride in strides):
        return x[..., None, :] if x.shape[1:-1] == out else _slices(x, starts, out)
    spans = [(count - 1) * stride + 1 for count, stride in zip(out, strides, strict=True)]
    slices = [
        [slice(i, i + span, stride) for i, span, stride in zip(start, spans, strides, strict=True)] for start in starts
    ]
    return tf.stack([x[(slice(None), *each)] for each in slices], -2)


# TensorFlow takes nine operations to differentiate a slice, and each of them is differentiated again. The two functions
# below are each other's derivatives.


def _slices(x: tf.Tensor, starts: Sequence[Sequence[int]], size: Sequence[int]) -> tf.Tensor:
    """Return slices of the axes between the first and the last, stacked before the last: [N, *size, starts, c]."""
    space = x.shape[1:-1]

    @tf.custom_gradient
    def slices(x: tf.Tensor) -> Any:
        found = [tf.slice(x, [0, *start, 0], [-1, *size, -1]) for start in starts]
        return tf.stack(found, -2), lambda g: _padded(g, starts, space)

    return slices(x)


def _padded(parts: tf.Tensor, starts: Sequence[Sequence[int]], space: Sequence[int]) -> tf.Tensor:
    """Return the sum of parts [N, *size, starts, c] that begin at given places of a larger array: [N, *space, c]."""
    size = parts.shape[1:-2]

    @tf.custom_gradient
    def padded(parts: tf.Tensor) -> Any:
        around = [[[i, n - m - i] for i, m, n in zip(start, size, space, strict=True)] for start in starts]
        each = zip(tf.unstack(parts, axis=-2), around, strict=True)
        total = tf.add_n([tf.pad(part, [[0, 0], *widths, [0, 0]]) for part, widths in each])
        return total, lambda g: _slices(g, starts, size)

    return padded(parts)

"""Matrix products whose derivatives of every order do not walk down the columns of a weight matrix.

The derivative of x·W is g·Wᵀ, and TensorFlow's CPU kernel reads W for it column by column: for few rows g that takes
up to ten times as long as x·W (at width 1024 and other powers of two, whose columns fall on the same cache lines).
Written as (W·gᵀ)ᵀ it costs as much as x·W. The three products below are each other's derivatives.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

FEW = 256  # rows, up to which the transposed form is faster; for many rows the transposition costs more than it saves

Gradients = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


@tf.custom_gradient
def times(x: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, Gradients]:
    """Return x·W for rows x: [k, a] and W: [a, b]: [k, b]."""
    return tf.matmul(x, w), lambda g: (times_transposed(g, w), outer(x, g))


@tf.custom_gradient
def times_transposed(g: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, Gradients]:
    """Return g·Wᵀ for rows g: [k, b] and W: [a, b]: [k, a]."""
    few = g.shape[0] is not None and g.shape[0] <= FEW
    product = tf.transpose(tf.matmul(w, g, transpose_b=True)) if few else tf.matmul(g, w, transpose_b=True)
    return product, lambda u: (times(u, w), outer(u, g))


@tf.custom_gradient
def outer(x: tf.Tensor, g: tf.Tensor) -> tuple[tf.Tensor, Gradients]:
    """Return xᵀ·g, the sum of the rows' outer products, for x: [k, a] and g: [k, b]: [a, b]."""
    return tf.matmul(x, g, transpose_a=True), lambda u: (times_transposed(g, u), times(x, u))


def on_last_axis(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    """Return x·W for x: [..., a] and W: [a, b]: [..., b]."""
    if len(x.shape) == 2:
        return times(x, w)
    leading = [size if size is not None else tf.shape(x)[i] for i, size in enumerate(x.shape[:-1])]
    return tf.reshape(times(tf.reshape(x, [-1, w.shape[0]]), w), [*leading, w.shape[1]])

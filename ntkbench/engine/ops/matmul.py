"""Matrix products whose derivatives of every order avoid reading a weight matrix column by column.

The derivative of x·W is g·Wᵀ, for which TensorFlow's CPU kernel reads W column by column. For few rows g that takes up
to ten times as long as x·W (at width 1024 and other powers of two, whose columns map to the same cache lines). Written
as (W·gᵀ)ᵀ it costs as much as x·W. The three products below are each other's derivatives. XLA's kernels do not have
this weakness, and there the transpositions only add cost (a sixth of a kernel at width 4096 and 256 rows).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import tensorflow as tf

FEW = 256  # rows up to which the transposed form is faster; beyond, the transposition costs more than it saves
LARGE = 2**18  # entries of W from which on the transposed form is worth the longer tracing

_COTANGENTS: ContextVar[int] = ContextVar("cotangents", default=1)
_XLA: ContextVar[bool] = ContextVar("xla", default=False)

Gradients = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def times(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    """Return x·W: [k, b] for rows x: [k, a] and W: [a, b]."""
    large = w.shape.is_fully_defined() and w.shape.num_elements() >= LARGE
    few = x.shape[0] is not None and x.shape[0] * _COTANGENTS.get() <= FEW
    return _times(x, w) if large and few and not _XLA.get() else tf.matmul(x, w)


@contextlib.contextmanager
def cotangents_side_by_side(count: int) -> Iterator[None]:
    """Tell `times` that this many cotangents per row are propagated backward as rows of one product."""
    token = _COTANGENTS.set(count)
    try:
        yield
    finally:
        _COTANGENTS.reset(token)


@contextlib.contextmanager
def traced_for_xla() -> Iterator[None]:
    """Tell `times` that functions traced within the scope are compiled with XLA."""
    token = _XLA.set(True)
    try:
        yield
    finally:
        _XLA.reset(token)


@tf.custom_gradient
def _times(x: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, Gradients]:
    return tf.matmul(x, w), lambda g: (_times_transposed(g, w), _outer(x, g))


@tf.custom_gradient
def _times_transposed(g: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, Gradients]:
    """Return g·Wᵀ: [k, a] for rows g: [k, b]."""
    return tf.transpose(tf.matmul(w, g, transpose_b=True)), lambda u: (_times(u, w), _outer(u, g))


@tf.custom_gradient
def _outer(x: tf.Tensor, g: tf.Tensor) -> tuple[tf.Tensor, Gradients]:
    """Return xᵀ·g: [a, b], the sum of the outer products of rows, for x: [k, a] and g: [k, b]."""
    return tf.matmul(x, g, transpose_a=True), lambda u: (_times_transposed(g, u), _times(x, u))


def on_last_axis(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    """Return x·W: [..., b] for x: [..., a] and W: [a, b]."""
    if len(x.shape) == 2:
        return times(x, w)
    leading = [size if size is not None else tf.shape(x)[i] for i, size in enumerate(x.shape[:-1])]
    return tf.reshape(times(tf.reshape(x, [-1, w.shape[0]]), w), [*leading, w.shape[1]])

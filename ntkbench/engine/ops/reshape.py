"""Reshape graph tensors without redundant operations, each of which would be differentiated, twice for a Hessian."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

SOURCE = "_ntkbench_reshaped_from"


def reshape(x: tf.Tensor, shape: Sequence[Any]) -> tf.Tensor:
    """Return x in another shape, as `tf.reshape` does.

    A tensor that was reshaped by this function before is reshaped from its source; if the source has the shape already,
    it is returned.
    """
    source = source_of(x)
    if _has(source.shape, shape):
        return source
    result = tf.reshape(source, shape)
    if tf.is_symbolic_tensor(result):
        setattr(result, SOURCE, source)
    return result


def source_of(x: tf.Tensor) -> tf.Tensor:
    """Return the tensor from which `reshape` made x, or x itself. Both have the same entries in the same order."""
    return getattr(x, SOURCE, x)


def scaled(factor: Any, x: tf.Tensor) -> tf.Tensor:
    """Return factor·x for a number; what x was reshaped from is multiplied."""
    return reshape(factor * source_of(x), [-1, *x.shape[1:]])


def _has(static: tf.TensorShape, shape: Sequence[Any]) -> bool:
    """Return whether a static shape matches the requested shape, in which one size may be −1."""
    if static.rank != len(shape) or not all(isinstance(size, int) for size in shape):
        return False
    differing = [wanted for size, wanted in zip(static, shape, strict=True) if size != wanted]
    return differing in ([], [-1])

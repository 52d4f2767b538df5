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
    source = getattr(x, SOURCE, x)
    if _has(source.shape, shape):
        return source
    result = tf.reshape(source, shape)
    if tf.is_symbolic_tensor(result):
        setattr(result, SOURCE, source)
    return result


def _has(static: tf.TensorShape, shape: Sequence[Any]) -> bool:
    """Return whether a static shape matches the requested shape, in which one size may be −1."""
    if static.rank != len(shape) or not all(isinstance(size, int) for size in shape):
        return False
    differing = [wanted for size, wanted in zip(static, shape, strict=True) if size != wanted]
    return differing in ([], [-1])

"""Compute products of bfloat16 matrices in float32 on CPUs, where oneDNN's batched products can overwrite memory.

TensorFlow's own products accumulate in float32 and round the result to bfloat16 as well.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


def in_float32(product: Callable[..., Any]) -> Callable[..., Any]:
    """Return a product of tensors whose bfloat16 operands are multiplied in float32 if there is no GPU."""

    @functools.wraps(product)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not any(map(_is_bfloat16, (*args, *kwargs.values()))) or tf.config.list_logical_devices("GPU"):
            return product(*args, **kwargs)
        wanted = kwargs.pop("output_type", None) or tf.bfloat16
        result = product(*map(_widened, args), **{name: _widened(each) for name, each in kwargs.items()})
        return tf.cast(result, wanted)

    return wrapped


def _is_bfloat16(each: Any) -> bool:
    return tf.is_tensor(each) and each.dtype == tf.bfloat16


def _widened(each: Any) -> Any:
    return tf.cast(each, tf.float32) if _is_bfloat16(each) else each

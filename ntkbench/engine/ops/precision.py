"""Matrix products at the full precision of their type: TensorFloat-32 off inside a scope."""

from __future__ import annotations

from collections.abc import Iterator

import tensorflow as tf

from .scopes import shared


@shared
def full_precision() -> Iterator[None]:
    """Turn TensorFloat-32 off, and restore it on leaving (on Ampere and newer GPUs it errs by 1e-3)."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    if before:
        tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        if before:
            tf.config.experimental.enable_tensor_float_32_execution(True)

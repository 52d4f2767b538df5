"""Matrix products in the full precision of their dtype: TensorFloat-32 is disabled inside a scope."""

from __future__ import annotations

from collections.abc import Iterator

import tensorflow as tf

from .scopes import shared


@shared
def full_precision() -> Iterator[None]:
    """Disable TensorFloat-32 within the scope (on Ampere and newer GPUs it has errors of 1e-3)."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    if before:
        tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        if before:
            tf.config.experimental.enable_tensor_float_32_execution(True)

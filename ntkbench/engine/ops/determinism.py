"""Deterministic operations on GPUs, inside a scope."""

from __future__ import annotations

from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.framework import config  # the public API can enable determinism, but not disable it again

from .scopes import shared


@shared
def deterministic() -> Iterator[None]:
    """Make TensorFlow's GPU operations give the same bits in every call; on CPUs they do so anyway.

    Some GPU operations add in the order in which threads finish, such as the gradients of convolutions and embeddings.
    Inside the scope, TensorFlow replaces them, and refuses the few for which it has no replacement.
    """
    change = bool(tf.config.get_visible_devices("GPU")) and not config.is_op_determinism_enabled()
    if change:
        config.enable_op_determinism()
    try:
        yield
    finally:
        if change:
            config.disable_op_determinism()

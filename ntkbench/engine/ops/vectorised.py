"""Apply a function to many elements: vectorised where TensorFlow does so correctly, otherwise one by one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from .scopes import shared


def for_each(function: Callable[[Any], list[tf.Tensor]], elements: Any, vectorised: bool) -> list[tf.Tensor]:
    """Return [function(e) for e in elements], stacked. For use inside compiled functions.

    Args:
        function: Maps an element to tensors whose shapes do not depend on the element.
        elements: A tensor or several tensors of equal length.
        vectorised: Whether to vectorise over the elements; falls back to a loop if TensorFlow fails while tracing.
    """
    if vectorised:
        with contextlib.suppress(ValueError, TypeError, NotImplementedError, tf.errors.OpError), quiet_tensorflow():
            return tf.vectorized_map(function, elements)
    first = tf.nest.map_structure(lambda e: e[0], elements)
    specs = [tf.TensorSpec(t.shape, t.dtype) for t in function(first)]
    return tf.map_fn(function, elements, parallel_iterations=1, fn_output_signature=specs)


@shared
def quiet_tensorflow() -> Iterator[None]:
    """Suppress TensorFlow's warnings about operations vectorised as loops and about retraced functions."""
    log = tf.get_logger()
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)

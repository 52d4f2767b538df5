"""One function for many elements at once, where TensorFlow does that right, and one after the other elsewhere."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from .scopes import shared


def for_each(function: Callable[[Any], list[tf.Tensor]], elements: Any, vectorised: bool) -> list[tf.Tensor]:
    """Return [function(e) for e in elements], stacked. For use in compiled functions.

    elements: a tensor, or several, of the same length.   function: returns tensors of shapes that do not depend on e.
    vectorised: all elements at once; what TensorFlow cannot do so it says while it traces.
    """
    if vectorised:
        with contextlib.suppress(ValueError, TypeError, NotImplementedError, tf.errors.OpError), hushed():
            return tf.vectorized_map(function, elements)
    first = tf.nest.map_structure(lambda e: e[0], elements)
    specs = [tf.TensorSpec(t.shape, t.dtype) for t in function(first)]
    return tf.map_fn(function, elements, parallel_iterations=1, fn_output_signature=specs)


@shared
def hushed() -> Iterator[None]:
    """Hold TensorFlow's warnings back: of operations vectorised as loops, and of functions of equal names traced."""
    log = tf.get_logger()
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)

"""Sums whose last digits do not depend on when their terms are ready.

TensorFlow's sum of several tensors begins with the first one whose memory it may take over. Which one that is depends
on whether other operations still read them, so on the threads, and the sum of three numbers depends on their order.
Sums of two do not, and a function that is traced within the scope has only those. A cell of a run then has the same
bits whenever it is measured.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import tensorflow as tf
from tensorflow.python.ops import gen_math_ops

from .scopes import shared

_add_n = gen_math_ops.add_n


@shared
def ordered_sums() -> Iterator[None]:
    """Add terms one after another, in gradients too, for functions that are traced within the scope."""
    gen_math_ops.add_n = _one_by_one
    try:
        yield
    finally:
        gen_math_ops.add_n = _add_n


def _one_by_one(inputs: Sequence[tf.Tensor], name: str | None = None) -> tf.Tensor:
    if tf.executing_eagerly() or len(inputs) < 3:
        return _add_n(inputs, name)
    return functools.reduce(lambda total, term: _add_n([total, term]), inputs)

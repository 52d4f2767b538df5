"""Sequences of different length: values with a mask, packed into one tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import NtkbenchError
from .inputs import Source

RAGGED = {"values": 2, "mask": 1}
"""Feature ranks of ragged sequences: values [N, T, a], and a mask [N, T] that is true where a step exists."""
MANY = 4  # zeros at the ends of one in this many sequences are taken for padding


def pack(x: Any, names: Mapping[str, int], values: Any) -> tf.Tensor:
    """Return ragged sequences as one tensor [..., N, T, a + 1], whose last channel is 1 where a step exists.

    Values of steps that do not exist are set to 0. Final steps that exist in no sequence are dropped.

    Args:
        x: A mapping with values [..., N, T, a] and mask [..., N, T], or values alone, whose steps all exist.
        names: Names of the two parts, with their feature ranks.
        values: Converts the values to a floating-point tensor.

    Raises:
        NtkbenchError: A part is missing or has the wrong shape, or values alone seem to be padded with zeros.
    """
    of_values, of_mask = sorted(names, key=names.__getitem__, reverse=True)
    if not isinstance(x, Mapping):
        given = values(x)
        _refuse_zero_padding(given, of_values, of_mask)
        return tf.concat([given, tf.ones_like(given[..., :1])], -1)
    if set(x) != set(names):
        raise NtkbenchError(f"Sequences have the parts {sorted(names)}, but got {sorted(map(str, x))}.")
    given, mask = values(x[of_values]), _mask(x[of_mask], of_mask)
    if given.shape.rank < 2 or given.shape[:-1] != mask.shape:
        raise NtkbenchError(
            f"x[{of_values!r}] has shape {list(given.shape)} and x[{of_mask!r}] {list(mask.shape)}; expected [N, T, a] "
            "and [N, T]."
        )
    if not tf.is_symbolic_tensor(mask) and mask.shape.num_elements():
        steps = np.flatnonzero(mask.numpy().reshape(-1, mask.shape[-1]).any(axis=0))
        length = int(steps[-1]) + 1 if len(steps) else 1
        given, mask = given[..., :length, :], mask[..., :length]
    exists = mask[..., None]
    return tf.concat([tf.where(exists, given, tf.zeros_like(given)), tf.cast(exists, given.dtype)], -1)


def _mask(given: Any, name: str) -> tf.Tensor:
    """Return a mask as Booleans; raise NtkbenchError unless it consists of Booleans, or of zeros and ones."""
    try:
        mask = tf.convert_to_tensor(given)
        exists = tf.cast(mask, tf.bool)
        fine = tf.is_symbolic_tensor(mask) or bool(tf.reduce_all(tf.cast(exists, mask.dtype) == mask))
    except (TypeError, ValueError, tf.errors.OpError):
        fine = False
    if not fine:
        raise NtkbenchError(f"x[{name!r}] is no mask; pass an array [N, T] of Booleans, or of ones and zeros.")
    return exists


def of_equal_length(x1: tf.Tensor, x2: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Extend the shorter of two packed tensors by steps that do not exist."""
    missing = x1.shape[-2] - x2.shape[-2]

    def longer(x: tf.Tensor, by: int) -> tf.Tensor:
        return tf.pad(x, [*[(0, 0)] * (x.shape.rank - 2), (0, by), (0, 0)]) if by > 0 else x

    return longer(x1, -missing), longer(x2, missing)


def packed_source() -> Source:
    """Return the source of packed sequences."""
    return Source(packed_values, None, packed_mask)


def packed_values(x: tf.Tensor) -> tf.Tensor:
    """Return the values [..., T, a] of packed sequences [..., T, a+1]."""
    return x[..., :-1]


def packed_mask(x: tf.Tensor) -> tf.Tensor:
    """Return which steps [..., T] of packed sequences [..., T, a+1] exist."""
    return x[..., -1] > 0


def _refuse_zero_padding(values: tf.Tensor, of_values: str, of_mask: str) -> None:
    """Raise NtkbenchError for sequences that seem to be padded with zeros.

    A zero step changes the state of a network, so the kernel of padded sequences is not that of the sequences. They are
    taken for padded if at one end, and only there, many sequences have steps of zeros, and at least one has none.
    """
    if tf.is_symbolic_tensor(values) or values.shape.rank < 3 or not values.shape.num_elements():
        return
    steps = np.any(values.numpy() != 0, axis=-1).reshape(-1, values.shape[-2])
    steps = steps[steps.any(axis=1)]  # a sequence of zeros alone is a sequence
    ends = {"end": ~steps[:, -1], "start": ~steps[:, 0]}
    for end, other in (("end", "start"), ("start", "end")):
        padded = int(ends[end].sum())
        if MANY * padded >= len(steps) and 0 < padded < len(steps) and not ends[other].any():
            raise NtkbenchError(
                f"{padded} of {len(steps)} sequences {end} with steps of zeros, which looks like padding. Zero steps "
                f"change the state, so the kernel would be wrong. Pass {{{of_values!r}: x, {of_mask!r}: mask}}, where "
                "the mask [N, T] is true for the steps that exist, or true everywhere if the zeros are data."
            )

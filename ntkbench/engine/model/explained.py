"""TensorFlow's and Keras's errors in a user's model as sentences."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from ...errors import NtkbenchError, TooLarge, reason_of


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Raise NtkbenchError "<what>: <reason>." for what TensorFlow raises, TooLarge where memory ran out."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise TooLarge(
            f"TensorFlow ran out of memory ({reason_of(error)}). Give fewer inputs at a time, a smaller memory_gib "
            "where the function takes one, or a narrower model."
        ) from error
    except (LookupError, NotImplementedError, tf.errors.OpError) as error:
        if isinstance(error, KeyError | IndexError):  # of somebody's code: TensorFlow's missing gradients are neither
            raise
        raise NtkbenchError(f"{what}: {reason_of(error)}.") from error

"""Turn errors of TensorFlow and Keras into readable NtkbenchErrors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from ...errors import NtkbenchError, TooLarge, reason_of


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn TensorFlow's errors into NtkbenchError "<what>: <reason>.", or TooLarge if memory ran out."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise TooLarge(
            f"TensorFlow ran out of memory ({reason_of(error)}). Use fewer inputs at a time, a smaller memory_gib "
            "if the function takes one, or a narrower model."
        ) from error
    except (LookupError, NotImplementedError, tf.errors.OpError) as error:
        if isinstance(error, KeyError | IndexError):  # from user code: TensorFlow's missing gradients raise neither
            raise
        raise NtkbenchError(f"{what}: {reason_of(error)}.") from error

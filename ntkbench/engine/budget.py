"""The memory that a computation may take."""

from __future__ import annotations

import numpy as np
import psutil
import tensorflow as tf

from ..errors import NtkbenchError
from ..gpu import gpu_of

SHARE = 0.75  # of the memory that is available now: the default budget
GIB = 2**30

BASE = 16 * 2**20  # what TensorFlow takes to run a function for the first time
PER_OPERATION = 8 * 2**10  # bytes of an operation in a compiled function


def budget(memory_gib: float | None) -> int:
    """Return the bytes that a computation may take: what is asked for, or a share of what the device has left now.

    The share is rounded down to a power of two, so that equal calls are cut into equal blocks and traced once.
    """
    if memory_gib is None:
        return power_of_two(SHARE * _available())
    if isinstance(memory_gib, bool) or not isinstance(memory_gib, int | float | np.number) or not memory_gib > 0:
        raise NtkbenchError(f"memory_gib={memory_gib!r} is no amount of memory; give GiB above 0, or None.")
    return int(memory_gib * GIB)


def _available() -> float:
    """Return the bytes that are left where TensorFlow computes: on its first GPU, or else in the machine's memory."""
    visible = tf.config.get_visible_devices("GPU")
    gpu = gpu_of(f"gpu:{visible[0].name.rpartition(':')[2]}") if visible else None
    if gpu is None:
        return psutil.virtual_memory().available
    # What TensorFlow's pool has reserved and does not use is there for the next computation.
    return max(gpu.gib * GIB - tf.config.experimental.get_memory_info("GPU:0")["current"], 0)


def power_of_two(size: float) -> int:
    """Return the largest power of two that is not above `size`, at least 1."""
    return 1 << max(0, int(size).bit_length() - 1)


def gib(size: float) -> str:
    """Return bytes as text."""
    return f"{size / GIB:.2g} GiB" if size >= GIB / 10 else f"{size / 2**20:.2g} MiB"

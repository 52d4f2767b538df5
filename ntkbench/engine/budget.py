"""Memory budget of a computation."""

from __future__ import annotations

import numpy as np
import psutil
import tensorflow as tf

from ..errors import NtkbenchError
from ..gpu import gpu_of

SHARE = 0.75  # the default budget, as a fraction of the memory that is free now
GIB = 2**30

BASE = 16 * 2**20  # bytes that TensorFlow allocates when it first runs a function
PER_OPERATION = 8 * 2**10  # bytes per operation in a compiled function

_sharing = 1  # processes of this run that compute on this process's GPU


def share_gpu(processes: int) -> None:
    """Plan for one of several processes that compute on the same GPU: each may use an equal part of its memory."""
    global _sharing
    _sharing = processes


def budget(memory_gib: float | None) -> int:
    """Return the memory budget of a computation in bytes.

    The default is a fraction of the memory that is free now, rounded down to a power of two so that equal calls use
    equal block sizes and are traced only once.

    Args:
        memory_gib: Budget in GiB, or None for the default.

    Raises:
        NtkbenchError: If memory_gib is not a positive number.
    """
    if memory_gib is None:
        return power_of_two(SHARE * _available())
    if isinstance(memory_gib, bool) or not isinstance(memory_gib, int | float | np.number) or not memory_gib > 0:
        raise NtkbenchError(f"memory_gib={memory_gib!r} is invalid; pass a positive number of GiB, or None.")
    return int(memory_gib * GIB)


def _available() -> float:
    """Return the free memory in bytes, of this process's part of its GPU or, without a GPU, of the machine."""
    visible = tf.config.get_visible_devices("GPU")
    gpu = gpu_of(f"gpu:{visible[0].name.rpartition(':')[2]}") if visible else None
    if gpu is None:
        return psutil.virtual_memory().available
    # Memory that TensorFlow's pool has reserved but does not use is available to the next computation.
    return max(gpu.gib * GIB / _sharing - tf.config.experimental.get_memory_info("GPU:0")["current"], 0)


def power_of_two(size: float) -> int:
    """Return the largest power of two that is at most `size`, but at least 1."""
    return 1 << max(0, int(size).bit_length() - 1)


def gib(size: float) -> str:
    """Format a number of bytes as GiB or MiB."""
    return f"{size / GIB:.2g} GiB" if size >= GIB / 10 else f"{size / 2**20:.2g} MiB"

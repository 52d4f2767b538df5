"""Probes split over the replicas of a `tf.distribute` strategy, and what is computed from them gathered in order.

The strategy says which devices and workers there are, and gathers over workers. Each replica computes with a copy of
the model on its own device, in a thread of its own, so that what is driven from Python, such as Lanczos, is split too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import NtkbenchError, did_you_mean
from .casting import copied, require_same_outputs, take_weights
from .network import Network, network

NAMES = ("mirrored", "multiworker", "tpu")
KINDS = (tf.distribute.MirroredStrategy, tf.distribute.MultiWorkerMirroredStrategy, tf.distribute.TPUStrategy)
FAILED = -1  # the length of what a replica did not compute


def strategy_of(given: Any) -> Any:
    """Return a strategy: the given one, or the one of a name.

    "mirrored": the GPUs of this machine, its logical CPU devices where there is none.   "multiworker": the workers that
    the environment variable TF_CONFIG names.   "tpu": the TPU that the environment names. Raises NtkbenchError for
    other names and other strategies, and where TensorFlow refuses.
    """
    if isinstance(given, str):
        return _named(given)
    if isinstance(given, KINDS):
        return given
    kind = type(given).__name__
    raise NtkbenchError(f"Inputs are split by a Mirrored, MultiWorkerMirrored or TPU strategy, not by a {kind}.")


@functools.cache
def _named(name: str) -> Any:
    if name not in NAMES:
        raise NtkbenchError(f"No strategy is called {name!r}. {did_you_mean(name, NAMES)}")
    try:
        if name == "multiworker":
            return tf.distribute.MultiWorkerMirroredStrategy()
        if name == "tpu":
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
            tf.config.experimental_connect_to_cluster(resolver)
            tf.tpu.experimental.initialize_tpu_system(resolver)
            return tf.distribute.TPUStrategy(resolver)
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    except Exception as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        advice = "; make it before TensorFlow computes anything" if name == "multiworker" else ""
        raise NtkbenchError(f"TensorFlow has no {name} strategy here: {reason.rstrip('.')}{advice}.") from error


class Replicas:
    """Copies of a network on the devices of a strategy.

    count: of all replicas, those of other workers too.   x: inputs [N, ...] at which the copies must agree.
    """

    def __init__(self, net: Network, strategy: Any, x: tf.Tensor):
        self.strategy = strategy_of(strategy)
        self.count: int = self.strategy.num_replicas_in_sync
        numbers: list[int] = []

        def note(context: Any) -> tf.Tensor:
            numbers.append(context.replica_id_in_sync_group)
            return tf.zeros([])

        self.strategy.experimental_distribute_values_from_function(note)
        devices = self.strategy.extended.worker_devices
        self.local = {number: _copy_on(net, device, x) for number, device in zip(numbers, devices, strict=True)}
        self.devices = dict(zip(numbers, devices, strict=True))

    def compute(self, function: Callable[[Network, int], np.ndarray]) -> list[np.ndarray]:
        """Return function(network, number) of every replica, in their order: one-dimensional arrays of one type.

        Raises what a replica of this worker raises, and NtkbenchError when one of another worker does.
        """

        def on(number: int) -> tf.Tensor:
            with tf.device(self.devices[number]):
                return tf.constant(function(self.local[number], number))

        with ThreadPoolExecutor(len(self.local)) as threads:
            futures = {number: threads.submit(on, number) for number in self.local}
        if self.count == len(self.local):
            return [futures[number].result().numpy() for number in sorted(futures)]
        # The others wait for us whatever became of ours.
        failed = {number for number, future in futures.items() if future.exception() is not None}
        lengths = self._gather({n: [FAILED if n in failed else len(f.result())] for n, f in futures.items()})
        for number in failed:
            futures[number].result()
        if FAILED in lengths:
            raise NtkbenchError(
                f"Replica {list(lengths).index(FAILED)} failed; the worker that it belongs to says why."
            )
        found = self._gather({number: future.result() for number, future in futures.items()})
        return np.split(found, np.cumsum(lengths)[:-1])

    def _gather(self, of: dict[int, Any]) -> np.ndarray:
        """Return the values of all replicas of all workers, one after the other."""
        values = self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.convert_to_tensor(of[context.replica_id_in_sync_group])
        )
        return self.strategy.gather(values, axis=0).numpy()


def _copy_on(net: Network, device: str, x: tf.Tensor) -> Network:
    """Return a copy of a network on a device, with the weights of now."""
    with tf.device(device):
        copy = net.cached(("on", device), lambda: copied(net.model))
        take_weights(net.model, copy)
        found = network(copy, net.output, net.output_name)
        net.cached(("checked on", device), lambda: require_same_outputs(net, found, x))
    return found


def shares(n: int, count: int) -> list[slice]:
    """Return n samples in `count` parts, as equal as can be; some are empty where there are fewer samples."""
    edges = [round(i * n / count) for i in range(count + 1)]
    return [slice(start, stop) for start, stop in zip(edges[:-1], edges[1:], strict=True)]


Block = tuple[slice, slice | None]
"""Rows and columns of a kernel; None for the same rows, of which a kernel makes one half."""


def blocks(n: int, m: int | None, count: int) -> list[list[Block]]:
    """Return the blocks of an [n, m] kernel that each of `count` replicas computes; m is None for x1 with itself.

    There, each replica has its part of the diagonal, and what lies beside it is dealt out so that all have as much:
    each meets the half of the others that comes after it, in a circle.
    """
    parts = shares(n, count)
    if m is not None:
        return [[(rows, slice(0, m))] if _length(rows) else [] for rows in parts]
    dealt: list[list[Block]] = [[(rows, None)] for rows in parts]
    for r in range(count):
        for step in range(1, count // 2 + 1):
            rows, columns = parts[r], parts[(r + step) % count]
            if 2 * step == count:  # both meet here: each takes half of the rows of the first
                first, second = sorted((rows, columns), key=lambda part: part.start)
                middle = (first.start + first.stop) // 2
                rows = slice(first.start, middle) if rows is first else slice(middle, first.stop)
                columns = second
            dealt[r].append((rows, columns))
    return [[block for block in of if all(_length(side) for side in block if side is not None)] for of in dealt]


def kernels(
    replicas: Replicas,
    x1: tf.Tensor,
    x2: tf.Tensor | None,
    compute: Callable[[Network, tf.Tensor, tf.Tensor | None], Sequence[np.ndarray]],
    count: int,
    units: tuple[int, ...],
) -> list[np.ndarray]:
    """Return `count` kernels [N, M, *units], of which every replica computes its blocks.

    compute: (network, x1, x2 or None) -> the kernels of a block.   units: (), or (O, O) for all pairs of output units.
    """
    other = x1 if x2 is None else x2
    dealt = blocks(len(x1), None if x2 is None else len(x2), replicas.count)

    def of_replica(net: Network, number: int) -> np.ndarray:
        found = [np.zeros(0, net.dtype.as_numpy_dtype)]
        for rows, columns in dealt[number]:
            made = compute(net, x1[rows], None if columns is None else other[columns])
            found += [np.ravel(kernel) for kernel in made]
        return np.concatenate(found)

    computed = replicas.compute(of_replica)
    whole = [np.zeros((len(x1), len(other), *units), computed[0].dtype) for _ in range(count)]
    for flat, of in zip(computed, dealt, strict=True):
        for rows, columns in of:
            shape = (_length(rows), _length(columns or rows), *units)
            for kernel in whole:
                block, flat = np.split(flat, [int(np.prod(shape))])
                block = block.reshape(shape)
                kernel[rows, columns or rows] = block
                if x2 is None and columns is not None:
                    kernel[columns, rows] = block.T if not units else block.transpose(1, 0, 3, 2)
    return whole


def _length(part: slice) -> int:
    return part.stop - part.start

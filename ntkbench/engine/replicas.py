"""Probes split over the replicas of a `tf.distribute` strategy, and what is computed from them gathered in order.

The strategy says which devices and workers there are, and gathers over workers. Each replica computes with a copy of
the model on its own device, in a thread of its own, so that what is driven from Python, such as Lanczos, is split too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import NtkbenchError, did_you_mean
from .model import Network, copied, network, require_same_outputs, take_weights

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

"""Split the probes over the replicas of a `tf.distribute` strategy, and gather the results in order.

The strategy provides the devices and workers, and gathers over workers. Each replica computes with a copy of the model
on its own device and in its own thread, so that loops in Python, such as Lanczos, run in parallel too.
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
FAILED = -1  # length reported by a replica that failed


def strategy_of(given: Any) -> Any:
    """Return a `tf.distribute` strategy, given the strategy itself or its name.

    Args:
        given: A strategy, or one of three names: "mirrored" for the GPUs of this machine, or its logical CPU devices if
            it has none; "multiworker" for the workers in the environment variable TF_CONFIG; "tpu" for the TPU of the
            environment.

    Raises:
        NtkbenchError: If the name is unknown, the strategy is of another type, or TensorFlow cannot create it.
    """
    if isinstance(given, str):
        return _named(given)
    if isinstance(given, KINDS):
        return given
    kind = type(given).__name__
    raise NtkbenchError(f"strategy must be a Mirrored, MultiWorkerMirrored or TPU strategy; got a {kind}.")


@functools.cache
def _named(name: str) -> Any:
    if name not in NAMES:
        raise NtkbenchError(f"Unknown strategy {name!r}. {did_you_mean(name, NAMES)}")
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
        advice = "; create it before TensorFlow runs its first operation" if name == "multiworker" else ""
        raise NtkbenchError(f"TensorFlow cannot create a {name} strategy: {reason.rstrip('.')}{advice}.") from error


class Replicas:
    """Copies of a network on the devices of a strategy.

    Args:
        net: The network.
        strategy: A strategy or its name, see `strategy_of`.
        x: Inputs [N, ...] at which the copies must agree with the network.

    Attributes:
        count: Number of replicas on all workers.
        local: The copies on this worker, by replica number.
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
        """Return the results of function(network, number) of all replicas, in their order.

        Args:
            function: Returns a one-dimensional array; all replicas must return the same dtype.

        Raises:
            NtkbenchError: If a replica on another worker fails. Exceptions of this worker's replicas are re-raised.
        """

        def on(number: int) -> tf.Tensor:
            with tf.device(self.devices[number]):
                return tf.constant(function(self.local[number], number))

        with ThreadPoolExecutor(len(self.local)) as threads:
            futures = {number: threads.submit(on, number) for number in self.local}
        if self.count == len(self.local):
            return [futures[number].result().numpy() for number in sorted(futures)]
        # The other workers wait for this worker to gather even if its replicas failed.
        failed = {number for number, future in futures.items() if future.exception() is not None}
        lengths = self._gather({n: [FAILED if n in failed else len(f.result())] for n, f in futures.items()})
        for number in failed:
            futures[number].result()
        if FAILED in lengths:
            raise NtkbenchError(
                f"Replica {list(lengths).index(FAILED)} failed on another worker; see that worker's error."
            )
        found = self._gather({number: future.result() for number, future in futures.items()})
        return np.split(found, np.cumsum(lengths)[:-1])

    def _gather(self, of: dict[int, Any]) -> np.ndarray:
        """Return the values of all replicas on all workers, concatenated."""
        values = self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.convert_to_tensor(of[context.replica_id_in_sync_group])
        )
        return self.strategy.gather(values, axis=0).numpy()


def _copy_on(net: Network, device: str, x: tf.Tensor) -> Network:
    """Return a copy of a network on a device, with its current weights."""
    with tf.device(device):
        copy = net.cached(("on", device), lambda: copied(net.model))
        take_weights(net.model, copy)
        found = network(copy, net.output, net.output_name, layout=net.layout)
        net.cached(("checked on", device), lambda: require_same_outputs(net, found, x))
    return found

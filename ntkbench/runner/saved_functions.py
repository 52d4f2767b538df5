"""Where the traced functions of a cell's model are saved, and what they follow from."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..cache_folder import CacheFolder
from ..engine.model import Network, fingerprint
from ..engine.ops import Saved
from ..registry.code import code_of_entry
from ..registry.hookspecs import PROJECT
from ..registry.manager import Registry
from ..registry.probe_cache import environment, folder as folder_of_plugins
from ..types import Cell, digest

SWITCH, OFF = "NTKBENCH_FUNCTION_CACHE", "off"
FORMAT = 1
NOT_OF_MODEL = frozenset(
    {"measurement", "measurement_plugin", "measurement_version", "measurement_code", "quantities", "settings"}
)
"""What does not change the model of a cell. The functions of measurements from elsewhere are not saved."""
READ_BY_TENSORFLOW = ("TF_", "XLA_", "KERAS_")  # environment variables


def opened() -> CacheFolder | None:
    """Return the user's folder of saved functions; None if it is switched off, or other users could change it."""
    if os.environ.get(SWITCH, "").lower() == OFF:
        return None
    return CacheFolder.opened(folder_of_plugins().with_name("functions"))


def saved_functions(
    folder: CacheFolder, cell: Cell, network: Network, inputs: tf.Tensor, registry: Registry, device: str, **about: Any
) -> Saved | None:
    """Return where the functions of a network are saved; None for a model whose code or constants are not known.

    The graph of a model from elsewhere counts too, because its constants need not follow from its code and seed.

    Args:
        folder: The folder.
        cell: The cell for which the network was built.
        network: The network.
        inputs: Inputs of the network.
        registry: The registered entries.
        device: Name of the device.
        about: What the model depends on besides the cell; its `repr` must tell it apart.
    """
    model = {name: value for name, value in cell.identity().items() if name not in NOT_OF_MODEL}
    built_in = cell.architecture_plugin == PROJECT
    if not (built_in or cell.source_hash or cell.architecture_code):
        return None
    try:
        graph = "" if built_in else fingerprint(network, inputs)
    except Exception:  # measurements report it, if they need the graph
        return None
    if graph is None:
        return None
    rules = [entry for entry in registry.layer_rules.values() if entry.distribution != PROJECT]
    everything = {
        "format": FORMAT,
        "code": own_code(),
        "versions": versions(),
        "machine": [platform.system(), platform.machine(), device],
        "environment": {name: os.environ[name] for name in sorted(os.environ) if name.startswith(READ_BY_TENSORFLOW)},
        "settings": settings(),
        "graph": graph,
        "installed": "" if built_in else environment(),
        "rules": [[rule.name, rule.distribution, rule.version, code_of_entry(rule).fingerprint] for rule in rules],
        "model": model,
        "network": [network.dtype.name, network.shapes, repr(about)],
    }
    return Saved(folder, digest(everything), network.all_variables)


def versions() -> list[str]:
    """Return the versions of Python and of the libraries that take part in tracing."""
    return [platform.python_version(), tf.version.GIT_VERSION, tf.__version__, keras.__version__, np.__version__]


def settings() -> list[Any]:
    """Return the global settings of TensorFlow and Keras that traces depend on."""
    from tensorflow.python.eager import context

    return [
        hashlib.sha256(context.context().function_call_options.config_proto_serialized).hexdigest(),
        tf.config.experimental.tensor_float_32_execution_enabled(),
        context.context().soft_device_placement,
        keras.config.floatx(),
        keras.config.epsilon(),
        keras.config.image_data_format(),
        keras.config.dtype_policy().name,
    ]


@functools.cache
def own_code(root: Path = Path(__file__).parents[1]) -> str:
    """Return a hash of this package's source files."""
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        found.update(f"{path.relative_to(root).as_posix()}\0".encode())
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()

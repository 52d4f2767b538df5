"""Refuse attention in bfloat16 on CPUs: oneDNN overwrites memory there, and the process aborts.

Seen with TensorFlow 2.21 in the gradients of attention, with more than one thread.
"""

from __future__ import annotations

import os
import platform

import tensorflow as tf

from ...errors import NtkbenchError
from ..model import Network, layer_of, trace_of

PRODUCTS = frozenset({"BatchMatMulV2", "BatchMatMulV3", "Einsum"})


def require_no_crash(net: Network, x: tf.Tensor) -> None:
    """Raise NtkbenchError, naming the layer, if the model runs attention in bfloat16 on a CPU with oneDNN."""
    traced = trace_of(net, x)
    if traced.coarsest != tf.bfloat16 or not _uses_onednn():
        return
    for op in traced.graph.get_operations():
        if op.type not in PRODUCTS or op.outputs[0].dtype != tf.bfloat16:
            continue
        if op.outputs[0].shape.rank == 4 or "attention" in op.name.lower():
            raise NtkbenchError(
                f"The derivatives of attention in bfloat16, here in {layer_of(op.name, net)}, can abort the process on "
                "a CPU, because oneDNN overwrites memory. Use another dtype policy, or set TF_ENABLE_ONEDNN_OPTS=0 "
                "before Python starts."
            )


def _uses_onednn() -> bool:
    switched_off = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1").lower() in ("0", "false")
    return platform.machine() in ("x86_64", "AMD64") and not switched_off and not tf.config.list_logical_devices("GPU")

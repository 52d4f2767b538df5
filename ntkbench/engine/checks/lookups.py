"""Check the indices that a model looks up in tables against the sizes of the tables.

On a CPU TensorFlow rejects an index out of range. On a GPU, and in code compiled with XLA, it reads zeros or another
row.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_callbacks

from ...errors import NtkbenchError, reason_of
from ..model import Network
from ..ops import full_precision

BATCH = 64  # samples per eager call
ADVICE = "Check the encoding of the inputs and the sizes of the model's embedding tables."


def require_lookups(net: Network, x: tf.Tensor, name: str = "x") -> None:
    """Raise NtkbenchError with the index of the sample if the model looks up an index out of range.

    The model is called eagerly on all of x: [N, ...]. One-hot encodings may use the index −1, which is defined as a row
    of zeros.
    """
    for start in range(0, len(x), BATCH):
        found = _out_of_range(net, x[start : start + BATCH])
        if found:
            alone = (n for n in range(start, min(start + BATCH, len(x))) if _out_of_range(net, x[n : n + 1]))
            sample = next(alone, start)
            name += _culprit(net, x[sample : sample + 1])
            raise NtkbenchError(f"Input {sample} of {name} is out of range for the model: {found}. {ADVICE}")


def _culprit(net: Network, one: tf.Tensor) -> str:
    """Return the name of the part of a nest, such as "['tokens']", without which a sample is in range, or ""."""
    if net.layout is None:
        return ""
    parts = net.layout.tensors(one)
    for i, part in enumerate(net.layout.parts):
        others = [tf.zeros_like(each) if i == j else each for j, each in enumerate(parts)]
        if not _out_of_range(net, net.layout.pack(others, one.dtype)):
            return part.name
    return ""


def _out_of_range(net: Network, x: tf.Tensor) -> str:
    """Return a description of the first index out of range in an eager call at x: [n, ...], or "" if there is none."""
    found: list[str] = []

    def inspect(
        kind: Any, inputs: Sequence[Any], attrs: Any, outputs: Any, op_name: Any = None, graph: Any = None
    ) -> None:
        kind = kind.decode() if isinstance(kind, bytes) else kind
        if graph is None and not found and (bad := _index(kind, inputs)) is not None:
            found.append(bad)

    try:
        with full_precision(), _op_callback(inspect):
            net.outputs(x)
    except NtkbenchError as error:
        if found or "not in [0" in str(error):
            return found[0] if found else reason_of(error.__cause__ or error)
        raise
    return found[0] if found else ""


def _index(kind: str, inputs: Sequence[Any]) -> str | None:
    """Return a description of an index out of range in an executed operation, or None."""
    if kind == "OneHot":
        least, index, size = -1, inputs[0], int(inputs[1])
    elif kind in ("Gather", "GatherV2"):
        axis = int(inputs[2]) if kind == "GatherV2" else 0
        least, index, size = 0, inputs[1], inputs[0].shape[axis]
    elif kind == "ResourceGather":
        shape = inputs[0]._handle_data.shape_and_type[0].shape  # of the variable
        least, index, size = 0, inputs[1], shape.dim[0].size
    elif kind == "SparseSoftmaxCrossEntropyWithLogits":
        least, index, size = 0, inputs[1], inputs[0].shape[-1]
    elif kind == "DenseBincount":  # CategoryEncoding's: without a word, what is beyond counts for nothing
        least, index, size = 0, inputs[0], int(inputs[1])
    else:
        return None
    numbers = np.asarray(index)
    bad = numbers[(numbers < least) | (numbers >= size)]
    return f"index {bad[0]} into a table of size {size}" if bad.size else None


@contextlib.contextmanager
def _op_callback(inspect: Any) -> Iterator[None]:
    """Call a function for every executed operation, including those of compiled functions, within the scope."""
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    op_callbacks.add_op_callback(inspect)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(inspect)
        tf.config.run_functions_eagerly(eagerly)

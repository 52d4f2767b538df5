"""Indices that a model looks up in tables, checked against the sizes of the tables.

On a CPU TensorFlow refuses an index beyond a table; on a GPU, and in what XLA compiles, it reads a zero or another row.
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

AT_ONCE = 64  # samples of one plain call
ADVICE = "Check how the inputs are encoded, and the sizes of the model's tables."


def require_lookups(net: Network, x: tf.Tensor, name: str = "x") -> None:
    """Raise NtkbenchError, which names the sample, when the model looks up what its tables do not have.

    The model is called plainly on all of x: [N, ...]. The one index that is no row of ones by definition, −1, is left
    to one-hot encodings.
    """
    for start in range(0, len(x), AT_ONCE):
        found = _beyond(net, x[start : start + AT_ONCE])
        if found:
            alone = (n for n in range(start, min(start + AT_ONCE, len(x))) if _beyond(net, x[n : n + 1]))
            sample = next(alone, start)
            raise NtkbenchError(f"Input {sample} of {name} is beyond what the model knows: {found}. {ADVICE}")


def _beyond(net: Network, x: tf.Tensor) -> str:
    """Return what is wrong with the first index beyond a table in a plain call at x: [n, ...], "" for nothing."""
    found: list[str] = []

    def look(
        kind: Any, inputs: Sequence[Any], attrs: Any, outputs: Any, op_name: Any = None, graph: Any = None
    ) -> None:
        kind = kind.decode() if isinstance(kind, bytes) else kind
        if graph is None and not found and (bad := _index(kind, inputs)) is not None:
            found.append(bad)

    try:
        with full_precision(), _called_back(look):
            net.outputs(x)
    except NtkbenchError as error:
        if found or "not in [0" in str(error):
            return found[0] if found else reason_of(error.__cause__ or error)
        raise
    return found[0] if found else ""


def _index(kind: str, inputs: Sequence[Any]) -> str | None:
    """Return what is wrong with the indices of an operation that was run, or None."""
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
    return f"index {bad[0]} into a table of {size}" if bad.size else None


@contextlib.contextmanager
def _called_back(look: Any) -> Iterator[None]:
    """Let a function see every operation, those of compiled functions too, while the scope lasts."""
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    op_callbacks.add_op_callback(look)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(look)
        tf.config.run_functions_eagerly(eagerly)

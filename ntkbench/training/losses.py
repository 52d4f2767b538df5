"""Loss functions with their derivative in the outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import NtkbenchError

Loss = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def square(outputs: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return (1/N) Σ_n Σ_o (f_no − y_no)² / 2 and its derivative in the outputs f: [N, O]."""
    n = tf.cast(tf.shape(outputs)[0], outputs.dtype)
    residual = outputs - y
    return tf.reduce_sum(tf.square(residual)) / (2 * n), residual / n


def cross_entropy(outputs: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return −(1/N) Σ_n log softmax(f_n)[y_n] and its derivative in the logits f: [N, O], for labels y: [N]."""
    n = tf.cast(tf.shape(outputs)[0], outputs.dtype)
    logs = tf.nn.log_softmax(outputs)
    labels = tf.one_hot(y, outputs.shape[1], dtype=outputs.dtype)
    return -tf.reduce_sum(labels * logs) / n, (tf.exp(logs) - labels) / n


LOSSES: dict[str, Loss] = {"square": square, "cross_entropy": cross_entropy}


def targets(y: Any, loss: str, n: int, outputs: int, dtype: tf.DType) -> tf.Tensor:
    """Return the targets of a loss as a tensor: [N, O] in the model's precision, or labels [N] (int32).

    Args:
        y: The targets: [N, O], or [N] for a single output; for cross-entropy, integer labels [N].
        loss: Name of the loss.
        n: Number N of inputs.
        outputs: Number O of outputs of the model.
        dtype: Precision of the model.

    Raises:
        NtkbenchError: The targets do not fit the loss, the inputs or the outputs.
    """
    try:
        given = np.asarray(y)
    except ValueError:
        given = np.asarray(None)
    if given.dtype.kind not in "fiub":
        raise NtkbenchError(f"y is a {type(y).__name__}, not an array of numbers; expected one target per input.")
    if loss == "cross_entropy":
        return _labels(given, n, outputs)
    shape = given.shape
    if given.ndim == 1 and outputs == 1:
        given = given[:, None]
    if given.shape != (n, outputs):
        needed = f"[{n}, {outputs}]" + (f" or [{n}]" if outputs == 1 else "")
        raise NtkbenchError(f"y has shape {list(shape)}, but {n} inputs and {outputs} outputs need {needed}.")
    found = given.astype(dtype.as_numpy_dtype)
    if not np.isfinite(found).all():
        raise NtkbenchError(f"y contains NaN, infinity, or a number too large for {dtype.name}.")
    return tf.constant(found)


def _labels(given: np.ndarray, n: int, classes: int) -> tf.Tensor:
    if given.dtype.kind not in "iu" or given.shape != (n,):
        raise NtkbenchError(
            f"y has dtype {given.dtype} and shape {list(given.shape)}; loss='cross_entropy' needs integer labels [{n}]."
        )
    if classes < 2:
        raise NtkbenchError(
            "The model has one output, but loss='cross_entropy' needs one logit per class; build it with as many "
            "outputs as classes."
        )
    low, high = int(given.min()), int(given.max())
    if low < 0 or high >= classes:
        raise NtkbenchError(
            f"y contains labels from {low} to {high}, but the model has {classes} outputs; labels must be from 0 to "
            f"{classes - 1}."
        )
    return tf.constant(given.astype(np.int32))

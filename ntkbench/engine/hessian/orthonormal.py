"""Building blocks of Lanczos: orthonormal rows, and the leading eigenvalues of the projections."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

ROUNDING = 20  # units in the last place that orthogonalisation leaves of a linearly dependent vector


def orthonormal(w: tf.Tensor, least: tf.Tensor, s: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return orthonormal rows Q: [B, s, D] and R: [B, s, s] with w_j = Σ_i R_ij q_i.

    A row whose remaining norm is at most `least` [B, s] is set to zero.
    """
    return without_short(w, least, s)[:2]


def without_short(w: tf.Tensor, least: tf.Tensor, s: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return what `orthonormal` returns, and the norms of what was set to zero: [B, s]."""
    rows: list[tf.Tensor] = []
    columns, dropped = [], []
    for j in range(s):
        rest, column = w[:, j], []
        for done in rows:
            part = tf.reduce_sum(done * rest, 1, keepdims=True)
            rest = rest - part * done
            column.append(part)
        length = tf.norm(rest, axis=1, keepdims=True)
        norm = tf.where(length <= least[:, j : j + 1], tf.zeros_like(length), length)
        dropped.append(length - norm)
        rows.append(tf.math.divide_no_nan(rest, norm))
        columns.append(tf.concat([*column, norm, *[tf.zeros_like(norm)] * (s - 1 - j)], 1))
    return tf.stack(rows, 1), tf.stack(columns, 2), tf.concat(dropped, 1)


def rounding_length(w: tf.Tensor) -> tf.Tensor:
    """Return the norm below which the remainder of each row is rounding error: [B, s]."""
    return ROUNDING * eps(w) * tf.norm(w, axis=2)


def eps(w: tf.Tensor) -> float:
    """Return the spacing of the numbers at 1 of a tensor's type."""
    return float(np.finfo(w.dtype.as_numpy_dtype).eps)


def largest_of(projected: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k eigenvalues of largest magnitude [B, k] of symmetric matrices, and eigenvectors [B, n, k].

    The first entry fixes the sign of a vector, so that it does not depend on rounding.
    """
    # TensorFlow's eigh, because NumPy's starts threads for matrices of this size and waits for them. On the CPU, since
    # GPUs are slower at many small matrices.
    with tf.device("CPU"):
        values, vectors = (part.numpy() for part in tf.linalg.eigh(projected))
    order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :k]
    values = np.take_along_axis(values, order, 1)
    vectors = np.take_along_axis(vectors, order[:, None, :], 2)
    return values, np.where(vectors[:, :1] < 0, -vectors, vectors)

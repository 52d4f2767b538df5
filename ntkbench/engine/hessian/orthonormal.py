"""What every Lanczos is made of: orthonormal rows, and the largest eigenvalues of the projections."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

ROUNDING = 20  # units in the last place of a vector that orthogonalising it leaves of one that is dependent
LARGE = 2**18  # numbers in the vectors of one step, from which on compiling with XLA pays


def orthonormal(w: tf.Tensor, least: tf.Tensor, s: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Return orthonormal rows Q: [B, s, D] and R: [B, s, s] with w_j = Σ_i R_ij q_i.

    A row of which no more than `least` [B, s] is left becomes zero.
    """
    rows: list[tf.Tensor] = []
    columns = []
    for j in range(s):
        rest, column = w[:, j], []
        for done in rows:
            part = tf.reduce_sum(done * rest, 1, keepdims=True)
            rest = rest - part * done
            column.append(part)
        norm = tf.norm(rest, axis=1, keepdims=True)
        norm = tf.where(norm <= least[:, j : j + 1], tf.zeros_like(norm), norm)
        rows.append(tf.math.divide_no_nan(rest, norm))
        columns.append(tf.concat([*column, norm, *[tf.zeros_like(norm)] * (s - 1 - j)], 1))
    return tf.stack(rows, 1), tf.stack(columns, 2)


def rounding_length(w: tf.Tensor) -> tf.Tensor:
    """Return the length below which what is left of each row is rounding: [B, s]."""
    return ROUNDING * eps(w) * tf.norm(w, axis=2)


def eps(w: tf.Tensor) -> float:
    """Return the spacing of the numbers at 1 of a tensor's type."""
    return float(np.finfo(w.dtype.as_numpy_dtype).eps)


def largest_of(projected: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k eigenvalues of largest magnitude [B, k] of symmetric matrices, and eigenvectors [B, n, k].

    The sign of a vector is that of its first entry, so that it does not hang on rounding.
    """
    # TensorFlow's eigh: NumPy's starts threads for matrices of this size and waits for them. Not on a GPU, which is
    # slower at many small ones than its processor.
    with tf.device("CPU"):
        values, vectors = (part.numpy() for part in tf.linalg.eigh(projected))
    order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :k]
    values = np.take_along_axis(values, order, 1)
    vectors = np.take_along_axis(vectors, order[:, None, :], 2)
    return values, np.where(vectors[:, :1] < 0, -vectors, vectors)

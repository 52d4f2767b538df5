"""Eigenpairs of largest magnitude of symmetric operators, including repeated eigenvalues.

A Krylov space contains at most as many copies of an eigenvalue as it has start vectors. Lanczos is therefore restarted
at random vectors orthogonal to the eigenvectors found so far, until no eigenvalue larger than the smallest of the k
appears.

Source: Parlett 1998, section 13.10 (selective deflation) for the restarts, section 11.3 for the final Rayleigh–Ritz
step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import frozen

from .extreme import CHECK_EVERY, MIN_STEPS
from .lanczos import Lanczos


@frozen
class Eigenpairs:
    """At most k eigenpairs of each of B operators on vectors of length D, by falling magnitude.

    Attributes:
        values: Signed eigenvalues [B, k].
        residuals: Norms of the residuals [B, k].
        vectors: Eigenvectors [B, k, D].
        steps: Total number of Lanczos steps.
    """

    values: np.ndarray
    residuals: np.ndarray
    vectors: tf.Tensor
    steps: int


def leading(operator: Any, k: int, rng: np.random.Generator, *, tol: float, max_steps: int) -> Eigenpairs:
    """Return the min(k, D) eigenpairs of largest magnitude of each operator, to residuals of tol·|largest|.

    Args:
        operator: Object with start(rng) -> [B, s, D] and matvec: [B, s, D] -> [B, s, D].
        k: Number of eigenpairs.
        rng: Generator of the start vectors.
        tol: Relative tolerance of the residuals.
        max_steps: Maximum number of steps of each Lanczos run.
    """
    first = operator.start(rng)
    batch, _, size = first.shape
    k = min(k, size)
    values, vectors, steps = np.zeros((batch, 0)), first[:, :0], 0
    for _ in range(k + 1):
        start = first if not steps else operator.start(rng)
        run, found = _run(operator, start, vectors, values, k, tol, max_steps)
        steps += run.steps
        if vectors.shape[1] and not np.any(np.abs(found) > _least(values, k, tol)):
            break
        coefficients = run.eigen(k)[2]
        new = tf.stack([run.vectors(coefficients[:, :, i]) for i in range(found.shape[1])], 1)
        values, vectors = np.concatenate([values, found], 1), tf.concat([vectors, new], 1)
        order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :k]
        values, vectors = np.take_along_axis(values, order, 1), tf.gather(vectors, order, batch_dims=1)
    return _rayleigh_ritz(operator, first, vectors, k, steps)


def _run(
    operator: Any, start: tf.Tensor, known: tf.Tensor, values: np.ndarray, k: int, tol: float, max_steps: int
) -> tuple[Lanczos, np.ndarray]:
    """Run Lanczos orthogonally to the known eigenvectors [B, q, D]; return it with its k leading Ritz values.

    It stops when all Ritz values that belong to the k largest overall have residuals of tol·|largest|.
    """
    run = Lanczos(operator.matvec, start, known)
    least = _least(values, k, tol)
    for step in range(1, max_steps + 1):
        run.step()
        if run.exhausted or step == max_steps or (step >= MIN_STEPS and step % CHECK_EVERY == 0):
            found, residual, _ = run.eigen(k)
            top = np.abs(np.concatenate([values, found], 1)).max(1, keepdims=True)
            enough = found.shape[1] == min(k, start.shape[2]) or run.exhausted
            if enough and np.all((residual <= tol * top) | (np.abs(found) + residual <= least)):
                break
    return run, found


def _least(values: np.ndarray, k: int, tol: float) -> np.ndarray:
    """Return the magnitude that a further eigenvalue must exceed, [B, 1]: that of the k-th one, or 0."""
    if not values.shape[1]:
        return np.full((len(values), 1), -math.inf)
    magnitudes = np.abs(values)
    kth = magnitudes[:, k - 1 :] if values.shape[1] == k else 0.0
    return kth + tol * magnitudes[:, :1]


def _rayleigh_ritz(operator: Any, start: tf.Tensor, vectors: tf.Tensor, k: int, steps: int) -> Eigenpairs:
    """Return the Ritz pairs of the operators on the span of vectors, padded to k dimensions, with true residuals."""
    copies = start.shape[1]
    missing = k - vectors.shape[1]
    vectors = tf.concat([vectors, tf.zeros([*vectors.shape[:1], missing, vectors.shape[2]], vectors.dtype)], 1)
    basis = tf.linalg.matrix_transpose(tf.linalg.qr(tf.linalg.matrix_transpose(vectors))[0])  # rows, [B, k, D]
    padded = tf.pad(basis, [[0, 0], [0, -k % copies], [0, 0]])
    images = tf.concat([operator.matvec(padded[:, i : i + copies]) for i in range(0, k, copies)], 1)[:, :k]
    projected = tf.cast(tf.matmul(basis, images, transpose_b=True), tf.float64).numpy()
    values, coefficients = np.linalg.eigh((projected + projected.transpose(0, 2, 1)) / 2)
    order = np.argsort(-np.abs(values), axis=1, kind="stable")
    values = np.take_along_axis(values, order, 1)
    rotation = tf.cast(np.take_along_axis(coefficients, order[:, None], 2), basis.dtype)
    pairs, images = (tf.matmul(rotation, t, transpose_a=True) for t in (basis, images))
    rest = images - tf.cast(values[:, :, None], pairs.dtype) * pairs
    # The component along the first start vector fixes the sign of a vector, so that it does not depend on rounding.
    sign = tf.where(tf.matmul(pairs, start[:, :1], transpose_b=True) < 0, -tf.ones([], pairs.dtype), 1)
    return Eigenpairs(values, tf.norm(rest, axis=2).numpy().astype(np.float64), sign * pairs, steps)

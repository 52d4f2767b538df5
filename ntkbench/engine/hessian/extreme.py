"""The eigenvalue of largest magnitude of many symmetric operators side by side, with certified errors."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from attrs import frozen

from .lanczos import Lanczos, Matvec
from .recurrence import Recurrence

CHECK_EVERY = 3
MIN_STEPS = 6  # before these, a small residual may be that of a cluster of eigenvalues that hides a larger one
LOOSE = 1e-4  # relative: a smaller tolerance is met with a basis that is kept orthogonal


@frozen
class Extreme:
    """values: of largest magnitude, signed, [B].   residual: [B], a bound on the distance to an eigenvalue.
    steps: of Lanczos.
    """

    values: np.ndarray
    residual: np.ndarray
    steps: int


@frozen
class Ritz(Extreme):
    """The same, with the Ritz pairs of the last step. pairs: the two leading values [B, 2] (or [B, 1])."""

    run: Lanczos
    pairs: np.ndarray
    coefficients: np.ndarray

    def vectors(self, i: int = 0) -> tf.Tensor:
        """Return the Ritz vectors of the leading values (i = 0), or of the second ones (1): [B, D], of unit length."""
        if i >= self.coefficients.shape[2]:
            return tf.zeros_like(self.run.vectors_now[:, 0])
        return self.run.vectors(self.coefficients[:, :, i])


def extreme(matvec: Matvec, start: tf.Tensor, *, tol: float, max_steps: int) -> Extreme:
    """Return for each operator the eigenvalue of largest magnitude, to a residual of tol·|value|. start: [B, s, D]."""
    if tol < LOOSE:
        return extreme_pairs(matvec, start, tol=tol, max_steps=max_steps)
    run = Recurrence(matvec, start)
    values, residual = np.zeros(start.shape[0]), np.zeros(start.shape[0])
    open_ones = np.arange(start.shape[0])
    for step in range(1, max_steps + 1):
        run.step()
        last = run.exhausted or step == max_steps
        if last or _to_check(step):
            values[open_ones], residual[open_ones] = run.largest(open_ones)
            open_ones = open_ones[residual[open_ones] > tol * np.abs(values[open_ones])]
            if last or not len(open_ones):
                break
    return Extreme(values, residual, run.steps)


def extreme_pairs(matvec: Matvec, start: tf.Tensor, *, tol: float, max_steps: int) -> Ritz:
    """Return the same with the two leading Ritz pairs of each operator, from a basis that is kept orthogonal."""
    run = Lanczos(matvec, start)
    settled = np.zeros(start.shape[0], bool)
    values, residual = np.zeros(start.shape[0]), np.zeros(start.shape[0])
    for step in range(1, max_steps + 1):
        run.step()
        last = run.exhausted or step == max_steps
        if last or _to_check(step):
            found, residuals, coefficients = run.eigen(2)
            values = np.where(settled, values, found[:, 0])
            residual = np.where(settled, residual, residuals[:, 0])
            settled = residual <= tol * np.abs(values)
            if last or settled.all():
                break
    return Ritz(values, residual, run.steps, run, found, coefficients)


def _to_check(step: int) -> bool:
    return step >= MIN_STEPS and step % CHECK_EVERY == 0

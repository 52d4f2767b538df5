"""Find the eigenvalue of largest magnitude of many symmetric operators in parallel, with certified errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from attrs import frozen

from .lanczos import Lanczos, Matvec
from .recurrence import Recurrence

CHECK_EVERY = 3
MIN_STEPS = 6  # earlier, a small residual may belong to a cluster of eigenvalues that hides a larger one
# A value is final at this share of the tolerance: among nearly equal eigenvalues, a Ritz value is close to one that has
# many eigenvectors before it reaches a slightly larger one that has few. Bounds r²/gap (Kato–Temple) would end earlier,
# but gaps are known from Ritz values only: two of 6,000 random operators were wrong by more than the tolerance.
FINAL = 0.5
RECURRENCE_TOL = 1e-4  # smallest relative tolerance for which the recurrence is used
NARROWER = 4  # the operators are narrowed to a share of 1/NARROWER once no more are unsettled


@frozen
class Extreme:
    """Extreme eigenvalues of B operators.

    Attributes:
        values: Signed eigenvalues of largest magnitude, [B].
        residual: Error of each value, see `_error`: [B].
        steps: Number of Lanczos steps taken.
    """

    values: np.ndarray
    residual: np.ndarray
    steps: int


@frozen
class Ritz(Extreme):
    """Extreme eigenvalues with the Ritz pairs of the last step.

    Attributes:
        run: The Lanczos run.
        pairs: The two leading Ritz values, [B, 2] (or [B, 1]).
        coefficients: Coefficients of the Ritz vectors in the basis of the run.
    """

    run: Lanczos
    pairs: np.ndarray
    coefficients: np.ndarray

    def vectors(self, i: int = 0) -> tf.Tensor:
        """Return the unit Ritz vectors [B, D] of the largest values (i = 0) or the second largest (i = 1)."""
        if i >= self.coefficients.shape[2]:
            return tf.zeros_like(self.run.vectors_now[:, 0])
        return self.run.vectors(self.coefficients[:, :, i])


def needs_basis(tol: float, dtype: tf.DType) -> bool:
    """Return whether a relative tolerance is so small that the basis must be stored and orthogonalised.

    The recurrence drops remainders of √ε of the norm, from each of the two vectors of a step at most once.
    """
    return tol < max(RECURRENCE_TOL, 2 * float(np.finfo(dtype.as_numpy_dtype).eps) ** 0.5)


def extreme(
    matvec: Matvec,
    start: tf.Tensor,
    *,
    tol: float,
    max_steps: int,
    narrowed: Callable[[np.ndarray], Matvec | None] = lambda _: None,
    xla: bool = False,
) -> Extreme:
    """Return the eigenvalue of largest magnitude of each operator, to an error of tol·|value|.

    Args:
        matvec: Product with the operators, [B, s, D] -> [B, s, D].
        start: Start vectors [B, s, D].
        tol: Relative tolerance of the error.
        max_steps: Maximum number of Lanczos steps.
        narrowed: Returns the product with some of the operators only, given their indices [b], or None if all are to be
            multiplied on. It is asked when a quarter of them or fewer are unsettled, and again for a quarter of those.
        xla: Whether XLA may compile the steps with large vectors.
    """
    if needs_basis(tol, start.dtype):
        return extreme_pairs(matvec, start, tol=tol, max_steps=max_steps)
    run = Recurrence(matvec, start, xla)
    values, residual = np.zeros(start.shape[0]), np.zeros(start.shape[0])
    present = unsettled = np.arange(start.shape[0])  # the operators of the run, and those among them
    for step in range(1, max_steps + 1):
        run.step()
        last = bool(run.ended.all()) or step == max_steps
        if last or _is_check(step):
            places = np.searchsorted(present, unsettled)
            found, residuals = run.leading(places, 2)
            values[unsettled], residual[unsettled] = found[:, 0], _error(found, residuals)
            final = residual[unsettled] <= FINAL * tol * np.abs(values[unsettled])
            unsettled = unsettled[~final & ~run.ended[places]]
            if last or not len(unsettled):
                break
            fewer = -(-len(present) // NARROWER)
            if len(unsettled) <= fewer < len(present):
                others = np.setdiff1d(present, unsettled)[: fewer - len(unsettled)]  # so that few sizes are compiled
                chosen = np.sort(np.concatenate([unsettled, others]))
                product = narrowed(chosen)
                if product is not None:
                    run.narrow(np.searchsorted(present, chosen), product)
                    present = chosen
    return Extreme(values, residual, run.steps)


def extreme_pairs(matvec: Matvec, start: tf.Tensor, *, tol: float, max_steps: int) -> Ritz:
    """Return the result of `extreme` with the two leading Ritz pairs, from a fully orthogonalised basis.

    A value is final once its error meets the tolerance; the pairs are those of the last step.
    """
    run = Lanczos(matvec, start)
    settled = np.zeros(start.shape[0], bool)
    values, residual = np.zeros(start.shape[0]), np.zeros(start.shape[0])
    for step in range(1, max_steps + 1):
        run.step()
        last = run.exhausted or step == max_steps
        if last or _is_check(step):
            found, residuals, coefficients = run.eigen(2)
            values = np.where(settled, values, found[:, 0])
            residual = np.where(settled, residual, _error(found, residuals))
            settled = residual <= FINAL * tol * np.abs(values)
            if last or settled.all():
                break
    return Ritz(values, residual, run.steps, run, found, coefficients)


def _error(values: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """Return the errors [B] of the largest of the leading Ritz values [B, k], from their residuals [B, k].

    An eigenvalue is as close to each Ritz value as its residual. The largest one may be near the second Ritz value,
    whose sign is often the other one, and which may not have converged yet.
    """
    sizes = np.abs(values)
    return np.maximum(residuals[:, 0], (sizes + residuals).max(1) - sizes[:, 0])


def _is_check(step: int) -> bool:
    return step >= MIN_STEPS and step % CHECK_EVERY == 0

"""Ridge regression on features, for more samples than memory holds."""

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ntkbench import NtkbenchError

from .transformer import DTYPES, blocks_of_rows, is_dask, require_one_of, require_whole

RANK = 256  # of the preconditioner
TOLERANCE = 1e-10  # of conjugate gradients: norm of the residual over that of the right-hand side
ITERATIONS = 10_000


class StreamingRidge(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Ridge regression min |Z w − y|² + alpha |w|² without intercept, from sums over any number of batches.

    It accumulates ZᵀZ and Zᵀy in float64, so memory does not grow with the number of samples: [m, m] numbers for m
    features. The system is solved after every call: pass more samples than features at a time. On features of a kernel
    this is kernel ridge regression with that kernel and the same alpha.

    Dask arrays are read one block of rows at a time, and the predictions for one are a Dask array.

    Args:
        alpha: The ridge, a positive number.
        solver: "cholesky", which costs m³/3 operations, or "cg": conjugate gradients with a randomised Nyström
            preconditioner, from the last coefficients on. It costs a few products with ZᵀZ if alpha is not far below
            its 256th eigenvalue.
        batch_size: Samples that are converted to float64 at a time.

    Attributes:
        coef_: Coefficients w [m] or [m, O], float64.
        gram_: ZᵀZ [m, m].
        moments_: Zᵀy [m] or [m, O].
        n_samples_seen_: Number of samples.
    """

    def __init__(self, alpha=1.0, *, solver="cholesky", batch_size=4096):
        self.alpha = alpha
        self.solver = solver
        self.batch_size = batch_size

    def fit(self, X, y):
        """Fit from scratch.

        Args:
            X: Features [N, m].
            y: Targets [N] or [N, O].

        Returns:
            The regressor.

        Raises:
            NtkbenchError: A parameter is invalid.
        """
        for name in ("gram_", "moments_", "coef_", "n_samples_seen_"):
            self.__dict__.pop(name, None)
        return self.partial_fit(X, y)

    def partial_fit(self, X, y):
        """Add samples to those seen.

        Args:
            X: Features [N, m].
            y: Targets [N] or [N, O].

        Returns:
            The regressor.

        Raises:
            NtkbenchError: A parameter is invalid, the number of targets differs from that of earlier samples, or the
                system cannot be solved at this alpha.
        """
        numeric = isinstance(self.alpha, (int, float, np.number)) and not isinstance(self.alpha, bool)
        if not numeric or not 0 < self.alpha < np.inf:
            raise NtkbenchError(f"alpha={self.alpha!r} is invalid; pass a positive number.")
        solve, size = require_one_of("solver", self.solver, SOLVERS), require_whole("batch_size", self.batch_size, 1)
        for block, targets in blocks_of_rows(X, y):
            self._add(block, targets, size)
        if not (np.isfinite(self.gram_).all() and np.isfinite(self.moments_).all()):
            raise NtkbenchError("The sums of products of features and targets overflow; scale both down.")
        self.coef_ = solve(self.gram_, self.alpha, self.moments_, getattr(self, "coef_", None))
        return self

    def _add(self, X, y, size):
        """Add samples to the sums."""
        first = not hasattr(self, "gram_")
        X, y = validate_data(self, X, y, dtype=DTYPES, multi_output=True, y_numeric=True, reset=first)
        if y.dtype.kind not in "fiub":
            raise NtkbenchError(f"The targets are {y.dtype}, not numbers; pass numbers [N] or [N, O].")
        if first:
            self.gram_, self.n_samples_seen_ = np.zeros((X.shape[1], X.shape[1])), 0
            self.moments_ = np.zeros((X.shape[1], *y.shape[1:]))
        if y.shape[1:] != self.moments_.shape[1:]:
            raise NtkbenchError(
                f"The targets of one sample have shape {list(y.shape[1:])}, those of earlier samples "
                f"{list(self.moments_.shape[1:])}; pass targets of one shape."
            )
        for start in range(0, len(X), size):
            z = X[start : start + size].astype(np.float64)
            self.gram_ += z.T @ z
            self.moments_ += z.T @ y[start : start + size]
        self.n_samples_seen_ += len(X)

    def predict(self, X):
        """Return predictions: [N, m] → [N] or [N, O].

        Args:
            X: Features [N, m].
        """
        check_is_fitted(self)
        if is_dask(X):
            return X @ self.coef_
        X = validate_data(self, X, dtype=DTYPES, reset=False)
        return X @ self.coef_


def by_cholesky(gram, alpha, moments, start):
    """Return the solution w of (G + alpha I) w = b: [m, m], [m, O] → [m, O]; `start` is not used.

    Raises:
        NtkbenchError: G + alpha I is singular up to rounding.
    """
    try:
        return scipy.linalg.solve(gram + alpha * np.eye(len(gram)), moments, assume_a="pos", overwrite_a=True)
    except np.linalg.LinAlgError:
        raise NtkbenchError(
            f"The features are linearly dependent up to rounding, so there is no solution at alpha={alpha:g}; use a "
            "larger alpha."
        ) from None


def by_conjugate_gradients(gram, alpha, moments, start):
    """Return the solution w of (G + alpha I) w = b, by conjugate gradients from `start`: [m, m], [m, O] → [m, O].

    Raises:
        NtkbenchError: The residual does not fall to 1e-10 of b.
    """
    m = len(gram)
    system = scipy.sparse.linalg.LinearOperator((m, m), lambda w: gram @ w + alpha * w)
    options = {"rtol": TOLERANCE, "maxiter": ITERATIONS, "M": preconditioner(gram, alpha)}
    columns = moments.reshape(m, -1)
    starts = np.zeros_like(columns) if start is None else start.reshape(m, -1)
    found = np.empty_like(columns)
    for number, (column, first) in enumerate(zip(columns.T, starts.T, strict=True)):
        found[:, number], failed = scipy.sparse.linalg.cg(system, column, first, **options)
        if failed:
            raise NtkbenchError(
                f"Conjugate gradients did not reach a residual of {TOLERANCE:g} at alpha={alpha:g}; use a larger alpha "
                "or solver='cholesky'."
            )
    return found.reshape(moments.shape)


def preconditioner(gram, alpha, rank=RANK):
    """Return the inverse of a randomised Nyström preconditioner of G + alpha I, an operator on vectors; None if G = 0.

    Args:
        gram: The matrix G [m, m], positive semidefinite.
        alpha: The ridge.
        rank: Number of leading eigenvalues that it approximates.

    Source: Frangella, Tropp, Udell 2021 (arXiv 2110.02820), algorithms 2.1 and 5.1.
    """
    m = len(gram)
    test = np.linalg.qr(np.random.default_rng(0).standard_normal((m, min(rank, m))))[0]
    shift = np.sqrt(m) * np.finfo(np.float64).eps * np.linalg.norm(gram)
    if not shift:
        return None  # G = 0
    image = gram @ test + shift * test
    root = scipy.linalg.cholesky(test.T @ image)
    vectors, singular, _ = scipy.linalg.svd(scipy.linalg.solve_triangular(root, image.T, trans="T").T, False)
    values = np.maximum(singular**2 - shift, 0)
    factors = (values[-1] + alpha) / (values + alpha) - 1
    return scipy.sparse.linalg.LinearOperator((m, m), lambda w: w + vectors @ (factors * (vectors.T @ w)))


SOLVERS = {"cholesky": by_cholesky, "cg": by_conjugate_gradients}

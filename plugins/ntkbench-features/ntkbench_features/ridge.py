"""Ridge regression on features, for more samples than memory holds."""

import numpy as np
import scipy.linalg
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ntkbench import NtkbenchError

from .transformer import DTYPES, require_whole


class StreamingRidge(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Ridge regression min |Z w − y|² + alpha |w|² without intercept, from sums over any number of batches.

    It accumulates ZᵀZ and Zᵀy in float64, so memory does not grow with the number of samples: [m, m] numbers for m
    features. The system is solved by Cholesky after every call, which costs m³/3 operations: pass more samples than
    features at a time. On features of a kernel this is kernel ridge regression with that kernel and the same alpha.

    Args:
        alpha: The ridge, a positive number.
        batch_size: Samples that are converted to float64 at a time.

    Attributes:
        coef_: Coefficients w [m] or [m, O], float64.
        gram_: ZᵀZ [m, m].
        moments_: Zᵀy [m] or [m, O].
        n_samples_seen_: Number of samples.
    """

    def __init__(self, alpha=1.0, *, batch_size=4096):
        self.alpha = alpha
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
        for name in ("gram_", "moments_", "n_samples_seen_"):
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
            NtkbenchError: A parameter is invalid, or the number of targets differs from that of earlier samples.
        """
        if isinstance(self.alpha, bool) or not isinstance(self.alpha, (int, float, np.number)) or not self.alpha > 0:
            raise NtkbenchError(f"alpha={self.alpha!r} is invalid; pass a positive number.")
        size = require_whole("batch_size", self.batch_size, 1)
        first = not hasattr(self, "gram_")
        X, y = validate_data(self, X, y, dtype=DTYPES, multi_output=True, y_numeric=True, reset=first)
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
        system = self.gram_ + self.alpha * np.eye(len(self.gram_))
        self.coef_ = scipy.linalg.solve(system, self.moments_, assume_a="pos", overwrite_a=True)
        return self

    def predict(self, X):
        """Return predictions: [N, m] → [N] or [N, O].

        Args:
            X: Features [N, m].
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=DTYPES, reset=False)
        return X @ self.coef_

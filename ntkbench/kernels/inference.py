"""Predictions of an ensemble of infinitely wide networks, after any time of training."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
from attrs import frozen

from ..errors import NtkbenchError, did_you_mean

METHODS = ("ntk", "nngp", "nngp_gradient")
LARGEST_JITTER = 1e-3  # of the mean of the diagonal


@frozen
class Prediction:
    """mean: [M, O].   covariance: [M, M] of one output, the same for all.   jitter: what was added to the diagonal.

    mean and covariance are those of the outputs over the ensemble; at trained inputs they go to the targets and to 0.
    """

    mean: np.ndarray
    covariance: np.ndarray
    jitter: float

    @property
    def std(self) -> np.ndarray:
        """The standard deviation of one output: [M]."""
        return np.sqrt(np.maximum(np.diagonal(self.covariance), 0))


class Ensemble:
    """Infinitely wide networks that start at random and are trained on (x, y), by gradient flow on the square loss.

    Args:
        kernel: an `InfiniteWidth` kernel.
        x: [N, *F].   y: [N] or [N, O].
        train: "ntk": all weights are trained. "nngp": the posterior of the Gaussian process of the outputs at
            initialisation, that is Bayesian networks. "nngp_gradient": the last layer alone is trained.
        noise: the variance of the targets' noise for "nngp", and of the others the ridge λ of the loss
            Σ (f − y)² / 2 + λ ‖w − w0‖² / 2.
        jitter: relative to the mean of the diagonal of the training kernel, what is added to it. None: 0, or the least
            power of ten from 1e-14 (float64) on with which a Cholesky decomposition succeeds.
        block: inputs to be predicted at a time; their covariances [N, block] are what is held.
        progress: is called with the share of blocks that are done.

    The decomposition takes O(N³) operations and [N, N] numbers, each block O(N² · block). All in float64.
    Raises NtkbenchError for data that do not fit together, and where no jitter helps.

    Source: Lee et al. 2019 (arXiv 1902.06720), equations 14–16; with ridge: Hu, Li, Yu 2020 (arXiv 1905.11368).
    """

    def __init__(
        self,
        kernel: Any,
        x: Any,
        y: Any,
        *,
        train: str = "ntk",
        noise: float = 0.0,
        jitter: float | None = None,
        block: int = 1024,
        progress: Callable[[float], None] | None = None,
    ):
        if train not in METHODS:
            raise NtkbenchError(f"An ensemble cannot be trained by {train!r}. {did_you_mean(str(train), METHODS)}")
        self.kernel, self.train, self.noise = kernel, train, float(noise)
        self.x, targets = np.asarray(x, np.float64), np.asarray(y, np.float64)
        self.y = targets.reshape(len(targets), -1)
        if len(self.y) != len(self.x) or not len(self.x):
            raise NtkbenchError(f"There are {len(self.x)} inputs and {len(self.y)} targets; give one target for each.")
        self.block, self.progress = int(block), progress
        nngp, ntk = (k.numpy() for k in kernel.both(self.x))
        self._nngp = nngp
        self._train_kernel = ntk if train == "ntk" else nngp
        self.jitter, self._factor = _cholesky(self._train_kernel, self.noise, jitter)
        self._spectrum: tuple[np.ndarray, np.ndarray] | None = None

    def predict(self, x: Any, time: float | None = None, *, covariance: bool = True) -> Prediction:
        """Return the outputs at inputs x [M, *F] after training for `time`, None for ever.

        time: of gradient flow on Σ (f − y)² / 2, in units of 1 / step size: step η for T steps is η · T. For "nngp",
        which is no training, time has to be None. covariance: False leaves it out (zeros [0, 0]).
        """
        if time is not None and (self.train == "nngp" or not time >= 0):
            raise NtkbenchError(
                f"time={time!r} makes no sense with train={self.train!r}; give None, or a time of at least 0 for a "
                "network that is trained."
            )
        x = np.asarray(x, np.float64)
        parts = [slice(start, start + self.block) for start in range(0, len(x), self.block)]
        columns: list[tuple[np.ndarray, np.ndarray]] = []
        means = []
        for number, part in enumerate(parts, 1):
            nngp, ntk = (k.numpy() for k in self.kernel.both(self.x, x[part]))
            weights = self._weights(ntk if self.train == "ntk" else nngp, time)
            means.append(weights.T @ self.y)
            columns.append((weights, nngp))
            if not covariance:
                columns.clear()
            if self.progress is not None:
                self.progress(number / len(parts))
        mean = np.concatenate(means) if means else np.zeros((0, self.y.shape[1]))
        return Prediction(mean, self._covariance(x, columns) if covariance else np.zeros((0, 0)), self.jitter)

    def _weights(self, cross: np.ndarray, time: float | None) -> np.ndarray:
        """Return A [N, M] with mean = Aᵀ y: what training has made of the targets."""
        if time is None:
            return scipy.linalg.cho_solve(self._factor, cross)
        if self._spectrum is None:
            self._spectrum = np.linalg.eigh(self._train_kernel + self._diagonal() * np.eye(len(self.x)))
        values, vectors = self._spectrum
        # (1 − e^{−λt}) / λ, which is t at λ = 0
        safe = np.where(values > 0, values, 1.0)
        factor = np.where(values > 0, -np.expm1(-safe * time) / safe, time)
        return vectors @ (factor[:, None] * (vectors.T @ cross))

    def _diagonal(self) -> float:
        return self.noise + self.jitter

    def _covariance(self, x: np.ndarray, columns: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Return cov[f(x) − Aᵀ (f(X) − y)] of initial outputs that are a Gaussian process."""
        if not columns:
            return np.zeros((0, 0))
        weights, cross = (np.concatenate(parts, 1) for parts in zip(*columns, strict=True))
        prior = self.kernel.nngp.matrix(x).numpy()
        mixed = weights.T @ cross
        if self.train == "nngp":  # A is that of the posterior, and noise is part of it
            return prior - (mixed + mixed.T) / 2
        return prior - mixed - mixed.T + weights.T @ self._nngp @ weights


def _cholesky(kernel: np.ndarray, noise: float, jitter: float | None) -> tuple[float, tuple[np.ndarray, bool]]:
    """Return the jitter that was added and the Cholesky factor."""
    scale = float(np.mean(np.diagonal(kernel))) or 1.0
    tried = [0.0, *(10.0**power for power in range(-14, round(math.log10(LARGEST_JITTER)) + 1))]
    for share in tried if jitter is None else [jitter]:
        try:
            factor = scipy.linalg.cho_factor(kernel + (noise + share * scale) * np.eye(len(kernel)), lower=True)
        except scipy.linalg.LinAlgError:
            continue
        return share * scale, factor
    raise NtkbenchError(
        f"The training kernel of {len(kernel)} inputs is singular, also with a jitter of "
        f"{LARGEST_JITTER if jitter is None else jitter:g} of its diagonal; take out inputs that come "
        "twice, or give noise."
    )

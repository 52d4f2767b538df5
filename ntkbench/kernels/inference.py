"""Predictions of an ensemble of infinitely wide networks, after any time of training."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
from attrs import frozen

from ..errors import NtkbenchError, did_you_mean

log = logging.getLogger("ntkbench")

METHODS = ("ntk", "nngp", "nngp_gradient")
SINGULAR = 1e-12  # of the largest eigenvalue: smaller ones, and what targets have along them, may be rounding
MISSED = 1e-3  # of the largest target: predictions that are further from a target are reported


@frozen
class Prediction:
    """Outputs of an ensemble at some inputs, as returned by `Ensemble.predict`.

    At trained inputs the mean goes to the targets and the covariance to 0. If an input has several targets, the mean
    goes to their mean.

    Attributes:
        mean: Mean over the ensemble, [M, O].
        covariance: Covariance of one output, [M, M], the same for all outputs.
        jitter: What was added to the diagonal of the training kernel.
    """

    mean: np.ndarray
    covariance: np.ndarray
    jitter: float

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of one output, [M]."""
        return np.sqrt(np.maximum(np.diagonal(self.covariance), 0))


class Ensemble:
    """Infinitely wide networks that start at random and are trained on (x, y) by gradient flow on the square loss.

    The decomposition takes O(N³) operations and [N, N] numbers, each block O(N² · block), all in float64.

    Args:
        kernel: An `InfiniteWidth` kernel.
        x: Training inputs [N, *F].
        y: Targets [N] or [N, O].
        train: "ntk": all weights are trained. "nngp": the posterior of the Gaussian process of the outputs at
            initialisation, that is, Bayesian networks. "nngp_gradient": only the last layer is trained.
        noise: Variance of the targets' noise for "nngp"; otherwise the ridge λ of the loss
            Σ (f − y)² / 2 + λ ‖w − w0‖² / 2.
        jitter: Added to the diagonal of the training kernel, relative to its mean.
        block: Number of inputs predicted at a time; their covariances [N, block] are held in memory.
        progress: Called with the share of blocks that are done.

    Attributes:
        condition: Condition number of the training kernel with noise and jitter, in the 1-norm; infinity if it is
            singular.
        rank: Number of its eigenvalues above 1e-12 of the largest one. If this is fewer than N (a repeated input, or
            more inputs than the kernel has features), predictions are those of the least-norm solution: they fit what
            the network can fit, in the least-squares sense, and a warning says by how much targets are missed.

    Raises:
        NtkbenchError: The data do not fit together or are not finite.

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
        jitter: float = 0.0,
        block: int = 1024,
        progress: Callable[[float], None] | None = None,
    ):
        if train not in METHODS:
            raise NtkbenchError(f"An ensemble cannot be trained by {train!r}. {did_you_mean(str(train), METHODS)}")
        self.kernel, self.train = kernel, train
        self.noise, jitter = _not_negative("noise", noise), _not_negative("jitter", jitter)
        self.x, targets = _numbers("inputs", x), _numbers("targets", y)
        if self.x.ndim <= kernel.feature_ndims or targets.ndim == 0:
            raise NtkbenchError(
                f"The inputs have shape {list(self.x.shape)} and the targets {list(targets.shape)}; need [N, ...] with "
                f"inputs of rank {kernel.feature_ndims}, and [N] or [N, O]."
            )
        if len(targets) != len(self.x) or not len(self.x):
            raise NtkbenchError(f"There are {len(self.x)} inputs and {len(targets)} targets; give one target for each.")
        self.y = targets.reshape(len(targets), -1)
        self.block, self.progress = int(block), progress
        nngp, ntk = (k.numpy() for k in kernel.both(self.x))
        self._nngp = nngp
        self._train_kernel = ntk if train == "ntk" else nngp
        if not np.isfinite(self._train_kernel).all():
            raise NtkbenchError("The training kernel is not finite: the inputs are too large for it. Scale them down.")
        self.jitter = jitter * float(np.mean(np.diagonal(self._train_kernel)))
        self._factor, self.condition = _cholesky(self._regularised())
        self.rank = len(self.x) if self._factor is not None else int(np.count_nonzero(self._spectrum[0]))
        self._warn_of_missed_targets()

    def predict(self, x: Any, time: float | None = None, *, covariance: bool = True) -> Prediction:
        """Return the outputs after training for some time.

        Args:
            x: Inputs [M, *F].
            time: Time of gradient flow on Σ (f − y)² / 2, in units of 1 / step size: T steps of size η are η · T. None
                means the limit of infinite time. "nngp" involves no training, so its time must be None.
            covariance: Whether to compute the covariance; otherwise it is [0, 0].

        Returns:
            Mean and covariance over the ensemble.
        """
        if time is not None and (self.train == "nngp" or not time >= 0):
            raise NtkbenchError(
                f"time={time!r} makes no sense with train={self.train!r}; give None, or a time of at least 0 for a "
                "network that is trained."
            )
        x = _numbers("inputs", x)
        if x.shape[1:] != self.x.shape[1:] or x.ndim != self.x.ndim:
            raise NtkbenchError(f"The inputs have shape {list(x.shape)}; those trained on have {list(self.x.shape)}.")
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
        if time is None and self._factor is not None:
            return scipy.linalg.cho_solve(self._factor, cross)
        values, vectors = self._spectrum
        kept = values > 0
        safe = np.where(kept, values, 1.0)
        # (1 − e^{−λt}) / λ; what is 0 up to rounding stays where it started
        factor = np.where(kept, 1.0 if time is None else -np.expm1(-safe * time), 0.0) / safe
        return vectors @ (factor[:, None] * (vectors.T @ cross))

    @cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """Return eigenvalues [N] of the kernel with noise and jitter, 0 where they are rounding, and eigenvectors."""
        values, vectors = np.linalg.eigh(self._regularised())
        return np.where(values > SINGULAR * np.abs(values).max(), values, 0.0), vectors

    def _regularised(self) -> np.ndarray:
        return self._train_kernel + (self.noise + self.jitter) * np.eye(len(self.x))

    def _warn_of_missed_targets(self) -> None:
        """Say how far targets are from what the network can fit, where its kernel is singular."""
        if self.rank == len(self.x):
            return
        values, vectors = self._spectrum
        null = vectors[:, values == 0]
        missed = float(np.abs(null @ (null.T @ self.y)).max())
        if missed > MISSED * np.abs(self.y).max():
            log.warning(
                "ntkbench: the training kernel of %d inputs has rank %d up to rounding, and predictions at these "
                "inputs miss their targets by up to %.2g: inputs that come twice have different targets, or the "
                "network cannot tell them apart. noise= makes a model of it.",
                len(self.x), self.rank, missed,
            )  # fmt: skip

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


def _cholesky(kernel: np.ndarray) -> tuple[tuple[np.ndarray, bool] | None, float]:
    """Return the Cholesky factor, None where it would make more of rounding, and the condition number."""
    try:
        factor = scipy.linalg.cho_factor(kernel, lower=True)
    except scipy.linalg.LinAlgError:
        return None, math.inf
    inverse, _ = scipy.linalg.lapack.dpocon(factor[0], np.linalg.norm(kernel, 1), uplo="L")
    # The condition number in the 1-norm is up to N times that of eigenvalues.
    return (factor if inverse > SINGULAR * len(kernel) else None), 1 / inverse if inverse > 0 else math.inf


def _numbers(what: str, given: Any) -> np.ndarray:
    """Return an array in float64; raise NtkbenchError where it holds anything but finite numbers."""
    try:
        found = np.asarray(given)
        found = found.astype(np.float64) if found.dtype.kind in "fiub" else np.asarray(None)
    except ValueError:
        found = np.asarray(None)
    if found.dtype == object:
        raise NtkbenchError(f"The {what} are a {type(given).__name__} that is no array of real numbers.")
    if not np.isfinite(found).all():
        raise NtkbenchError(f"The {what} hold NaN or infinity; every entry must be finite.")
    return found


def _not_negative(name: str, value: Any) -> float:
    if not 0 <= value < math.inf:
        raise NtkbenchError(f"{name}={value!r} is no variance; give a number of at least 0.")
    return float(value)

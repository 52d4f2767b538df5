"""Predict with an ensemble of infinitely wide networks, after any training time."""

from __future__ import annotations

import logging
import math
import operator
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
import tensorflow as tf
from attrs import frozen

from ..errors import NtkbenchError, did_you_mean
from .pair import paired

log = logging.getLogger("ntkbench")

METHODS = ("ntk", "nngp", "nngp_gradient")
SINGULAR = 1e-12  # relative to the largest eigenvalue: smaller eigenvalues may be rounding error
MISSED = 1e-3  # relative to the largest target: larger prediction errors at trained inputs are reported


@frozen
class Prediction:
    """Outputs of an ensemble at some inputs, as returned by `Ensemble.predict`.

    At trained inputs, as training time grows, the mean converges to the targets and the covariance to 0. If an input
    has several targets, the mean converges to their average.

    Attributes:
        mean: Mean over the ensemble, [M, O].
        covariance: Covariance of one output, [M, M], the same for all outputs.
        jitter: Value added to the diagonal of the training kernel.
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
        kernel: An `InfiniteWidth` kernel, or any other kernel of TensorFlow Probability. A kernel without a property
            `nngp` is that of a linear model on fixed features, so that the mean is kernel regression.
        x: Training inputs [N, *F], or a nest of arrays for a kernel of nests.
        y: Targets [N] or [N, O].
        train: "ntk": all weights are trained. "nngp": the posterior of the Gaussian process of the outputs at
            initialisation, that is, Bayesian networks. "nngp_gradient": only the last layer is trained.
        noise: Noise variance of the targets for "nngp"; otherwise the ridge λ of the loss
            Σ (f − y)² / 2 + λ ‖w − w0‖² / 2.
        jitter: Value added to the diagonal of the training kernel, relative to the diagonal's mean.
        block: Number of inputs predicted at a time; their covariances [N, block] are held in memory.
        progress: Called with the fraction of completed blocks.

    Attributes:
        condition: Condition number of the training kernel with noise and jitter, in the 1-norm; infinity if it is
            singular.
        rank: Number of its eigenvalues above 1e-12 times the largest one. If it is below N (a repeated input, or more
            inputs than the kernel has features), predictions are those of the least-norm least-squares solution, and a
            warning reports by how much they miss the targets.

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
            raise NtkbenchError(f"Unknown training method {train!r}. {did_you_mean(str(train), METHODS)}")
        self.kernel, self.train = paired(kernel), train
        self.noise, jitter = _not_negative("noise", noise), _not_negative("jitter", jitter)
        self.x, targets = _inputs(x, kernel.feature_ndims), _numbers("targets", y)
        ranks = tf.nest.flatten(kernel.feature_ndims)
        if targets.ndim == 0 or any(part.ndim <= rank for part, rank in zip(_parts(self.x), ranks, strict=True)):
            raise NtkbenchError(
                f"The inputs have shape {_shape(self.x)} and the targets {list(targets.shape)}; expected [N, ...] "
                f"with inputs of rank {kernel.feature_ndims}, and targets [N] or [N, O]."
            )
        counts = {len(part) for part in _parts(self.x)}
        if counts != {len(targets)} or not len(targets):
            number = " or ".join(map(str, sorted(counts)))
            raise NtkbenchError(f"Got {number} inputs and {len(targets)} targets; pass one target per input.")
        self.y = targets.reshape(len(targets), -1)
        self.block, self.progress = int(block), progress
        nngp, ntk = (k.numpy() for k in self.kernel.both(self.x))
        self._nngp = nngp
        self._train_kernel = ntk if train == "ntk" else nngp
        if not np.isfinite(self._train_kernel).all():
            raise NtkbenchError("The training kernel is not finite, because the inputs are too large. Rescale them.")
        self.jitter = jitter * float(np.mean(np.diagonal(self._train_kernel)))
        self._factor, self.condition = _cholesky(self._regularised())
        self.rank = len(self.y) if self._factor is not None else int(np.count_nonzero(self._spectrum[0]))
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

        Raises:
            NtkbenchError: The time is not allowed for the training method, or the inputs have another shape than those
                of training.
        """
        if time is not None and (self.train == "nngp" or not time >= 0):
            raise NtkbenchError(
                f"time={time!r} is invalid for train={self.train!r}; pass None, or a time of at least 0 unless "
                "train='nngp'."
            )
        x = _inputs(x, self.kernel.feature_ndims)
        alike = (
            a.ndim == b.ndim and a.shape[1:] == b.shape[1:] for a, b in zip(_parts(x), _parts(self.x), strict=True)
        )
        count = len(_parts(x)[0]) if _parts(x)[0].ndim else 0
        if not all(alike) or any(len(part) != count for part in _parts(x)):
            raise NtkbenchError(f"The inputs have shape {_shape(x)}; the training inputs have {_shape(self.x)}.")
        parts = [slice(start, start + self.block) for start in range(0, count, self.block)]
        columns: list[tuple[np.ndarray, np.ndarray]] = []
        means = []
        for number, part in enumerate(parts, 1):
            nngp, ntk = (k.numpy() for k in self.kernel.both(self.x, _map(operator.itemgetter(part), x)))
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
        """Return the matrix A [N, M] with mean = Aᵀ y after training."""
        if time is None and self._factor is not None:
            return scipy.linalg.cho_solve(self._factor, cross)
        values, vectors = self._spectrum
        kept = values > 0
        safe = np.where(kept, values, 1.0)
        # (1 − e^{−λt}) / λ; directions whose eigenvalue is 0 up to rounding do not move
        factor = np.where(kept, 1.0 if time is None else -np.expm1(-safe * time), 0.0) / safe
        return vectors @ (factor[:, None] * (vectors.T @ cross))

    @cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """Return eigenvalues [N], with rounding errors set to 0, and eigenvectors of the regularised kernel."""
        values, vectors = np.linalg.eigh(self._regularised())
        return np.where(values > SINGULAR * np.abs(values).max(), values, 0.0), vectors

    def _regularised(self) -> np.ndarray:
        return self._train_kernel + (self.noise + self.jitter) * np.eye(len(self.y))

    def _warn_of_missed_targets(self) -> None:
        """Warn if the kernel is singular and the network cannot fit the targets."""
        if self.rank == len(self.y):
            return
        values, vectors = self._spectrum
        null = vectors[:, values == 0]
        missed = float(np.abs(null @ (null.T @ self.y)).max())
        if missed > MISSED * np.abs(self.y).max():
            log.warning(
                "ntkbench: the training kernel of %d inputs has rank %d up to rounding, so predictions at these "
                "inputs miss their targets by up to %.2g. Repeated inputs have different targets, or the network "
                "cannot distinguish the inputs. Use noise= to model noisy targets.",
                len(self.y), self.rank, missed,
            )  # fmt: skip

    def _covariance(self, x: np.ndarray, columns: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Return cov[f(x) − Aᵀ (f(X) − y)], where the initial outputs f are a Gaussian process."""
        if not columns:
            return np.zeros((0, 0))
        weights, cross = (np.concatenate(parts, 1) for parts in zip(*columns, strict=True))
        prior = self.kernel.nngp.matrix(x).numpy()
        mixed = weights.T @ cross
        if self.train == "nngp":  # A belongs to the posterior and includes the noise
            return prior - (mixed + mixed.T) / 2
        return prior - mixed - mixed.T + weights.T @ self._nngp @ weights


def _cholesky(kernel: np.ndarray) -> tuple[tuple[np.ndarray, bool] | None, float]:
    """Return the Cholesky factor, None if it would amplify rounding errors, and the condition number."""
    try:
        factor = scipy.linalg.cho_factor(kernel, lower=True)
    except scipy.linalg.LinAlgError:
        return None, math.inf
    inverse, _ = scipy.linalg.lapack.dpocon(factor[0], np.linalg.norm(kernel, 1), uplo="L")
    # The condition number in the 1-norm is at most N times that in the 2-norm.
    return (factor if inverse > SINGULAR * len(kernel) else None), 1 / inverse if inverse > 0 else math.inf


def _inputs(x: Any, ranks: Any) -> Any:
    """Return a nest of arrays of the structure of `ranks`, each array as `_numbers`.

    Integer and boolean parts of a nest keep their type.
    """
    if isinstance(ranks, int):
        return _numbers("inputs", x)

    def array(_: int, part: Any) -> np.ndarray:
        found = np.asarray(part)
        return found if found.dtype.kind in "iub" else _numbers("inputs", found)

    try:
        return tf.nest.map_structure(array, ranks, x, check_types=False)
    except (TypeError, ValueError) as error:
        raise NtkbenchError(f"The kernel takes inputs of the structure {ranks}: {error}.") from error


def _parts(x: Any) -> list[Any]:
    return list(tf.nest.flatten(x))


def _map(function: Callable[[Any], Any], x: Any) -> Any:
    return tf.nest.map_structure(function, x)


def _shape(x: Any) -> Any:
    """Return the shapes of the arrays, for messages."""
    return _map(lambda array: list(array.shape), x)


def _numbers(what: str, given: Any) -> np.ndarray:
    """Convert to a float64 array. Raises NtkbenchError unless all entries are finite numbers."""
    try:
        found = np.asarray(given)
        found = found.astype(np.float64) if found.dtype.kind in "fiub" else np.asarray(None)
    except ValueError:
        found = np.asarray(None)
    if found.dtype == object:
        raise NtkbenchError(f"The {what} are a {type(given).__name__}, not an array of real numbers.")
    if not np.isfinite(found).all():
        raise NtkbenchError(f"The {what} contain NaN or infinity; every entry must be finite.")
    return found


def _not_negative(name: str, value: Any) -> float:
    if not 0 <= value < math.inf:
        raise NtkbenchError(f"{name}={value!r} is invalid; pass a number of at least 0.")
    return float(value)

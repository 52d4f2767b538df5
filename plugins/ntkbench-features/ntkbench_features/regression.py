"""Ridge regression with an approximate kernel beside that with the exact one, at a ridge chosen for the exact one.

Source of the bound: Avron, Kapralov, Musco, Musco, Velingker, Zandieh 2017 (arXiv 1702.00063), theorems 7 and 12: with
an approximation of spectral error ε at the ridge, the risk of kernel ridge regression grows by at most a factor
1/(1 − ε), up to noise. Features sampled by ridge leverage reach ε with (8/3) ε⁻² s_λ ln(16 s_λ/δ) features, where s_λ
is the statistical dimension.
"""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.optimize

import ntkbench as nb
from ntkbench.nests import map_leaves

from .approximation import spectral_error, statistical_dimension

GRID = 10.0 ** np.arange(-6, 2.1, 0.5)  # ridges, in units of the mean of the exact kernel's diagonal
EPSILON, DELTA = 0.5, 0.1  # spectral error of `covered_ridge`, and the probability that the bound fails


class Kernels(NamedTuple):
    """Values of one kernel on a task.

    Attributes:
        train: K of the train part [n, n], symmetric.
        test: K between test part and train part [t, n].
    """

    train: Any
    test: Any

    def predict(self, targets, ridge):
        """Return predictions of ridge regression at the test part: [n, O] → [t, O]."""
        shifted = self.train + ridge * np.eye(len(self.train))
        return self.test @ scipy.linalg.solve(shifted, targets, assume_a="pos")


def cross_validated_ridge(kernel, targets, ridges=GRID):
    """Return the ridge with the smallest squared error of kernel ridge regression in leave-one-out cross-validation.

    Without sample i, the prediction at i is off by [(K + λI)⁻¹ y]_i / [(K + λI)⁻¹]_ii.

    Args:
        kernel: The matrix K [n, n] of the train part.
        targets: Targets [n, O] of the train part.
        ridges: Ridges to choose from in units of the mean of K's diagonal, in ascending order; of equal errors the
            first one wins.

    Returns:
        The ridge λ, in the unit of K.

    Source: Wahba 1990, "Spline models for observational data", section 4.2.
    """
    values, vectors = np.linalg.eigh(kernel)
    projected, squares = vectors.T @ targets, vectors**2
    ridges = np.mean(np.diag(kernel)) * np.asarray(ridges)
    errors = []
    for ridge in ridges:
        inverse = 1 / (np.maximum(values, 0) + ridge)
        errors.append(np.sum((vectors @ (inverse[:, None] * projected) / (squares @ inverse)[:, None]) ** 2))
    return float(ridges[np.argmin(errors)])


def covered_ridge(kernel, features, epsilon=EPSILON, delta=DELTA):
    """Return the smallest ridge at which the bound promises a spectral error: (8/3) ε⁻² s_λ ln(16 s_λ/δ) = m.

    Args:
        kernel: The matrix K [n, n].
        features: Number of features m.
        epsilon: The spectral error ε.
        delta: The probability that the bound fails.
    """
    values = np.maximum(np.linalg.eigvalsh(kernel), 0)

    def needed(log_ridge):
        dimension = np.sum(values / (values + np.exp(log_ridge)))
        return 8 / 3 / epsilon**2 * dimension * np.log(16 * dimension / delta) - features

    mean = np.log(np.mean(np.diag(kernel)))
    low, high = mean - 30, mean + 30
    return float(np.exp(scipy.optimize.brentq(needed, low, high))) if needed(low) > 0 else float(np.exp(low))


class Comparison:
    """Ridge regression of a task with an approximate and the exact kernel, at one ridge.

    Args:
        task: The task.
        exact: `Kernels` of the exact kernel.
        approximate: `Kernels` of the approximate one.
        ridge: The ridge; by default that of `cross_validated_ridge` for the exact kernel.
    """

    def __init__(self, task, exact, approximate, ridge=None):
        self.task, self.exact, self.approximate = task, exact, approximate
        self.targets, self.scale = task.targets(task.train[1]), float(np.mean(np.diag(exact.train)))
        if ridge is None:
            ridge = cross_validated_ridge(exact.train, self.targets)
        self.ridge = ridge

    @cached_property
    def predictions(self):
        """Predictions of the approximate and of the exact kernel at the test part, [t, O] each."""
        approximate, exact = (each.predict(self.targets, self.ridge) for each in (self.approximate, self.exact))
        return approximate, exact

    @property
    def errors(self):
        """Test errors of both: share wrong, or squared error over the variance."""
        approximate, exact = (self.task.error(each, self.task.test[1]) for each in self.predictions)
        return approximate, exact

    @property
    def ratio(self):
        """Mean squared test error of the approximate kernel over that of the exact one, on the targets."""
        wanted = self.task.targets(self.task.test[1])
        approximate, exact = (float(np.sum((each - wanted) ** 2)) for each in self.predictions)
        return approximate / exact

    @property
    def spectral_error(self):
        """Spectral error of the approximate kernel on the train part at the ridge."""
        return spectral_error(self.approximate.train, self.exact.train, self.ridge)

    @property
    def dimension(self):
        """Statistical dimension of the exact kernel on the train part at the ridge."""
        return statistical_dimension(self.exact.train, self.ridge)


def measure(ctx):
    """Return how ridge regression with the tangent kernel K(w0) compares with that of its limit K∞ on the task.

    The ridge is chosen by leave-one-out cross-validation of K∞ on the train part. At infinite width, both are K∞.

    Raises:
        Unsupported: No limit is known.
    """
    (x, _), (x_test, _) = ctx.task.train, ctx.task.test
    x, x_test = (map_leaves(_in_float64, part) for part in (x, x_test))
    exact = Kernels(_symmetric(ctx.limit.matrix(x, x)), np.asarray(ctx.limit.matrix(x_test, x)))
    if np.isinf(ctx.width):
        approximate = exact
    else:
        approximate = Kernels(_symmetric(ctx.empirical_ntk(x)), np.asarray(ctx.empirical_ntk(x_test, x), np.float64))
    found = Comparison(ctx.task, exact, approximate)
    error, of_exact = found.errors
    precision = "float64" if np.isinf(ctx.width) else ctx.precision
    values = {
        "test_error_ridge": error,
        "test_error_ridge_exact": of_exact,
        "test_ridge_ratio": found.ratio,
        "ridge": found.ridge / found.scale,
        "ridge_dimension": found.dimension,
        "ridge_spectral_error": found.spectral_error,
    }
    return {name: nb.Value(value, precision=precision) for name, value in values.items()}


def _in_float64(part):
    part = np.asarray(part)
    return part.astype(np.float64) if part.dtype.kind == "f" else part


def _symmetric(kernel):
    kernel = np.asarray(kernel, np.float64)
    return (kernel + kernel.T) / 2

"""ntkbench's checks of both measurements, and tests with matrices of known spectrum."""

import numpy as np
import pytest

import ntkbench as nb
from ntkbench.testing import MeasurementChecks
from ntkbench_features import NTKRandomFeatures, frobenius_error, relu_ntk, spectral_error, statistical_dimension


class TestSpectralError(MeasurementChecks):
    measurement = "spectral_error"


class TestStatisticalDimension(MeasurementChecks):
    measurement = "statistical_dimension"


Q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))
VALUES = np.array([4.0, 2.0, 1.0, 0.5, 0.0, 0.0])
K = Q * VALUES @ Q.T


def test_errors_of_matrices_with_the_same_eigenvectors():
    changed = VALUES + np.array([0.5, 0, -0.4, 0, 0.2, 0])
    approximate = Q * changed @ Q.T
    assert frobenius_error(approximate, K) == pytest.approx(np.linalg.norm(changed - VALUES) / np.linalg.norm(VALUES))
    assert spectral_error(approximate, K, 0.3) == pytest.approx(0.2 / 0.3)
    assert spectral_error(approximate, K, 3.0) == pytest.approx(0.4 / 4.0)


def test_the_spectral_error_is_the_tightest_bound():
    rng = np.random.default_rng(1)
    b = rng.standard_normal((6, 6))
    approximate, shift = K + 0.1 * (b + b.T), 0.3 * np.eye(6)

    def violation(e):
        above = approximate + shift - (1 + e) * (K + shift)
        below = (1 - e) * (K + shift) - approximate - shift
        return max(np.linalg.eigvalsh(above).max(), np.linalg.eigvalsh(below).max())

    epsilon = spectral_error(approximate, K, 0.3)
    assert violation(epsilon) < 1e-10 and violation(0.99 * epsilon) > 1e-4


@pytest.mark.parametrize("ridge", [0, -1.0])
def test_a_singular_matrix_without_a_ridge_is_a_sentence(ridge):
    with pytest.raises(nb.NtkbenchError, match=rf"not positive definite at the ridge λ = {ridge:g}, .* larger ridge"):
        spectral_error(np.eye(6), np.zeros((6, 6)), ridge)
    assert spectral_error(2 * np.eye(6), np.eye(6), 0) == pytest.approx(1)


def test_the_statistical_dimension():
    assert statistical_dimension(K, 0.5) == pytest.approx(np.sum(VALUES / (VALUES + 0.5)))
    assert statistical_dimension(K, 1e-9) == pytest.approx(4, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ridge", [0, 1e-300])
def test_the_statistical_dimension_falls_to_the_rank(dtype, ridge):
    assert statistical_dimension(K.astype(dtype), ridge) == 4
    assert statistical_dimension(np.zeros((3, 3), dtype), ridge) == 0
    assert statistical_dimension(np.eye(3, dtype=dtype), ridge) == 3


@pytest.mark.parametrize("ridge", [-0.1, np.nan, np.inf])
def test_no_statistical_dimension_at_a_ridge_that_is_none(ridge):
    with pytest.raises(nb.NtkbenchError, match=rf"ridge={ridge!r} is invalid"):
        statistical_dimension(K, ridge)
    if not np.isfinite(ridge):
        with pytest.raises(nb.NtkbenchError, match=rf"ridge={ridge!r} is invalid"):
            spectral_error(K, K, ridge)


@pytest.mark.parametrize(
    ("kernel", "sentence"), [(K[:3], "pass a square matrix"), (K[0], "square"), (K * np.nan, "entry must be finite")]
)
def test_a_matrix_that_is_no_kernel_is_a_sentence(kernel, sentence):
    for call in (statistical_dimension, lambda k, ridge: spectral_error(K, k, ridge)):
        with pytest.raises(nb.NtkbenchError, match=sentence):
            call(kernel, 1.0)
    with pytest.raises(nb.NtkbenchError, match="they must be equal"):
        spectral_error(K, np.eye(3), 1.0)


def test_the_error_of_a_zero_matrix():
    assert frobenius_error(np.eye(2), np.zeros((2, 2))) == np.inf
    assert frobenius_error(np.zeros((2, 2)), np.zeros((2, 2))) == 0


def test_the_spectral_error_of_random_features_falls():
    """Slope −0.6 ± 0.15 in the number of features at λ = 0.1 tr K / n, as in the reference implementation."""
    x = np.random.default_rng(0).standard_normal((60, 16))
    norms = np.linalg.norm(x, axis=1)
    cosine = x @ x.T / np.outer(norms, norms)
    exact = np.outer(norms, norms) * relu_ntk(np.clip(cosine, -1, 1), 1)
    ridge, sizes, errors = 0.1 * np.trace(exact) / 60, (256, 1024, 4096), []
    for m in sizes:
        z = [NTKRandomFeatures(m, random_state=seed).fit_transform(x) for seed in range(6)]
        errors.append(np.mean([spectral_error(f @ f.T, exact, ridge) for f in z]))
    slope, _ = np.polyfit(np.log(sizes), np.log(errors), 1)
    assert slope == pytest.approx(-0.6, abs=0.15)
    assert errors[-1] < 0.35

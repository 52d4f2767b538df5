"""Classical kernels against scikit-learn and against what their names say."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor, kernels as gaussian
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import pairwise

from ntkbench import kernels as k
from ntkbench.kernels.pair import KernelPair, paired
from ntkbench.testing import KernelChecks

RNG = np.random.default_rng(0)
D = 5
X, NEW = RNG.normal(size=(12, D)), RNG.normal(size=(4, D))
Y = RNG.normal(size=12)


class TestRbf(KernelChecks):
    kernel = "rbf"
    params = {"bandwidth": 0.5}  # noqa: RUF012


class TestLaplace(KernelChecks):
    kernel = "laplace"


class TestPolynomial(KernelChecks):
    kernel = "polynomial"
    params = {"degree": 2, "offset": 0.0}  # noqa: RUF012


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_values(scale):
    rbf = pairwise.rbf_kernel(X, NEW, gamma=1 / (2 * scale**2 * D))
    np.testing.assert_allclose(k.named("rbf", bandwidth=scale).matrix(X, NEW), rbf, rtol=1e-10)
    laplace = np.exp(-np.linalg.norm(X[:, None] - NEW, axis=-1) / (scale * np.sqrt(D)))
    np.testing.assert_allclose(k.named("laplace", bandwidth=scale).matrix(X, NEW), laplace, rtol=1e-10)
    for degree in (1, 2, 5):
        polynomial = pairwise.polynomial_kernel(X, NEW, degree=degree, gamma=1 / D, coef0=scale)
        found = k.named("polynomial", degree=degree, offset=scale).matrix(X, NEW)
        np.testing.assert_allclose(found, polynomial, rtol=1e-10, atol=1e-12)


def test_ensemble_of_a_plain_kernel_is_kernel_regression_and_a_gaussian_process():
    kernel = k.named("rbf")
    found = k.Ensemble(kernel, X, Y, noise=0.1).predict(NEW)
    ridge = KernelRidge(kernel="rbf", gamma=1 / (2 * D), alpha=0.1).fit(X, Y)
    np.testing.assert_allclose(found.mean[:, 0], ridge.predict(NEW), rtol=1e-9)
    posterior = k.Ensemble(kernel, X, Y, train="nngp", noise=0.1).predict(NEW)
    process = GaussianProcessRegressor(gaussian.RBF(np.sqrt(D)), alpha=0.1, optimizer=None).fit(X, Y)
    mean, covariance = process.predict(NEW, return_cov=True)
    np.testing.assert_allclose(posterior.mean[:, 0], mean, rtol=1e-9)
    np.testing.assert_allclose(posterior.covariance, covariance, rtol=1e-7, atol=1e-12)
    exact = [k.Ensemble(kernel, X, Y, train=train).predict(NEW).covariance for train in ("ntk", "nngp")]
    np.testing.assert_allclose(*exact, rtol=1e-6, atol=1e-9)


def test_views_of_a_kernel_with_its_own_nngp():
    network = k.named("fully-connected")
    assert paired(network) is network

    class Tangent(type(k.named("rbf"))):
        """A kernel that knows its NNGP, but has no `both`."""

        nngp = k.named("laplace")

    base = k.named("rbf")
    tangent = Tangent(base.kernel, base.transformation_fn)
    pair = paired(tangent)
    assert isinstance(pair, KernelPair) and pair.ntk is pair
    nngp, ntk = pair.both(X)
    np.testing.assert_array_equal(nngp, k.named("laplace").matrix(X, X))
    np.testing.assert_array_equal(ntk, base.matrix(X, X))
    np.testing.assert_array_equal(pair.apply(X[:4], NEW, example_ndims=1), np.diagonal(base.matrix(X[:4], NEW)))
    plain = paired(base)
    assert (plain.nngp is plain and plain.both(X)[0] is plain.both(X, X)[0]) or np.array_equal(*plain.both(X))


def test_tangent_kernels_with_a_plain_nngp_in_an_ensemble():
    """The ensemble's covariance uses the NNGP, and its mean the tangent kernel (Lee et al. 2019, equations 14-16)."""

    class Tangent(type(k.named("rbf"))):
        nngp = k.named("laplace")

    base = k.named("rbf")
    found = k.Ensemble(Tangent(base.kernel, base.transformation_fn), X, Y).predict(NEW)
    t, s = (kernel.matrix for kernel in (base, k.named("laplace")))
    a = np.linalg.solve(t(X, X).numpy(), t(X, NEW).numpy())
    np.testing.assert_allclose(found.mean[:, 0], a.T @ Y, rtol=1e-8)
    mixed = a.T @ s(X, NEW).numpy()
    covariance = s(NEW, NEW).numpy() - mixed - mixed.T + a.T @ s(X, X).numpy() @ a
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-7, atol=1e-9)

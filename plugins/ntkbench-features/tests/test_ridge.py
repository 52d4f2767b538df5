"""Streaming ridge regression is ridge regression, and on features it is kernel ridge regression."""

import dask.array
import numpy as np
import pytest
import scipy.sparse.linalg
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import ntkbench as nb
from ntkbench_features import NTKRandomFeatures, NystroemNTK, StreamingRidge, relu_ntk
from ntkbench_features.ridge import by_conjugate_gradients, preconditioner

RNG = np.random.default_rng(0)


@parametrize_with_checks([StreamingRidge(), StreamingRidge(solver="cg")])
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("solver", ["cholesky", "cg"])
@pytest.mark.parametrize("outputs", [(), (3,)])
def test_batches_add_up(outputs, solver):
    z, y = RNG.standard_normal((50, 7)), RNG.standard_normal((50, *outputs))
    expected = Ridge(0.3, fit_intercept=False).fit(z, y)
    whole = StreamingRidge(0.3, solver=solver, batch_size=8).fit(z, y)
    parts = StreamingRidge(0.3, solver=solver)
    for start in range(0, 50, 20):
        parts.partial_fit(z[start : start + 20], y[start : start + 20])
        parts.predict(z)  # solving does not disturb the sums
    for found in (whole, parts, whole.fit(z, y)):
        np.testing.assert_allclose(found.predict(z), expected.predict(z), rtol=1e-8, atol=1e-9)
        assert found.n_samples_seen_ == 50


def decaying(m=400):
    """Return a Gram matrix [m, m] whose eigenvalues fall from 1 to 1e-12, and a right-hand side."""
    q, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((m, m)))
    return q * np.logspace(0, -12, m) @ q.T, q.sum(1)


def test_the_preconditioner_saves_iterations():
    gram, b = decaying()
    counts = []
    for operator in (None, preconditioner(gram, 1e-6, rank=250)):
        seen = []
        shifted = gram + 1e-6 * np.eye(len(gram))
        w, failed = scipy.sparse.linalg.cg(shifted, b, rtol=1e-10, maxiter=5000, M=operator, callback=seen.append)
        counts.append(len(seen))
    assert not failed and counts[1] < 20 < counts[0] / 5
    np.testing.assert_allclose(w, np.linalg.solve(shifted, b), rtol=1e-4, atol=1e-4 * np.abs(w).max())
    np.testing.assert_allclose(by_conjugate_gradients(gram, 1e-6, b, None), w, atol=1e-6 * np.abs(w).max())
    near = by_conjugate_gradients(gram, 1e-6, b, w)
    np.testing.assert_allclose(near, w, atol=1e-6 * np.abs(w).max())


def test_dask_arrays():
    x, y = RNG.standard_normal((70, 5)), RNG.standard_normal((70, 2))
    lazy, targets = (dask.array.from_array(each, chunks=(30, 2)) for each in (x, y))
    for map_ in (NTKRandomFeatures(8, random_state=0), NystroemNTK(n_components=6, random_state=0)):
        z = map_.fit_transform(x)
        lazy_z = map_.fit(lazy).transform(lazy)
        assert isinstance(lazy_z, dask.array.Array) and lazy_z.chunks[0] == (30, 30, 10)
        np.testing.assert_allclose(lazy_z.compute(), z, rtol=1e-6, atol=1e-8)
        expected = StreamingRidge(0.3).fit(z, y)
        found = StreamingRidge(0.3).fit(lazy_z, targets)
        assert found.n_samples_seen_ == 70
        np.testing.assert_allclose(found.predict(lazy_z).compute(), expected.predict(z), rtol=1e-6, atol=1e-8)


def test_errors_are_sentences():
    z = np.ones((4, 2))
    with pytest.raises(nb.NtkbenchError, match="'cholesky', 'cg'"):
        StreamingRidge(solver="lu").fit(z, z)
    with pytest.raises(nb.NtkbenchError, match="alpha=0"):
        StreamingRidge(0).fit(z, z)
    with pytest.raises(nb.NtkbenchError, match="shape"):
        StreamingRidge().fit(z, z).partial_fit(z, z[:, 0])
    with pytest.raises(nb.NtkbenchError, match="alpha=inf"):
        StreamingRidge(np.inf).fit(z, z)
    with pytest.raises(nb.NtkbenchError, match="larger alpha"):
        StreamingRidge(1e-300).fit(z, z)
    with pytest.raises(nb.NtkbenchError, match="not numbers"):
        StreamingRidge().fit(z, list("abcd"))
    for solver in ("cholesky", "cg"):
        with pytest.raises(nb.NtkbenchError, match="overflow"):
            StreamingRidge(solver=solver).fit(1e200 * z, z)


@pytest.mark.parametrize("targets", [30, 80])
def test_dask_arrays_need_one_target_for_each_sample(targets):
    x, y = (dask.array.from_array(RNG.standard_normal(size), chunks=20) for size in ((70, 5), (targets,)))
    with pytest.raises(nb.NtkbenchError, match=f"70 samples and {targets} targets"):
        StreamingRidge().fit(x, y)
    with pytest.raises(nb.NtkbenchError, match="compute_chunk_sizes"):
        StreamingRidge().fit(x[x[:, 0] > 0], y)


@pytest.mark.parametrize(("load", "alpha"), [(load_diabetes, 30.0), (load_digits, 100.0)])
def test_ridge_on_features_is_kernel_ridge(load, alpha):
    """With 4096 features the test error is within 5 % of the exact kernel's, if the ridge is not far below it."""
    x, y = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))[:900]
    x, y = StandardScaler().fit_transform(x)[order], y[order].astype(float)
    targets = (y[:, None] == np.unique(y)) - 0.1 if load is load_digits else (y - y.mean())[:, None] / y.std()
    n = 2 * len(x) // 3
    norms = np.linalg.norm(x, axis=1)
    u = x / norms[:, None]
    k = np.outer(norms, norms) * relu_ntk(u @ u.T, 1)
    exact = k[n:, :n] @ np.linalg.solve(k[:n, :n] + alpha * np.eye(n), targets[:n])
    z = NTKRandomFeatures(4096, random_state=0).fit_transform(x)
    found = StreamingRidge(alpha).fit(z[:n], targets[:n]).predict(z[n:])
    errors = [np.mean((each - targets[n:]) ** 2) for each in (found, exact)]
    assert errors[0] / errors[1] == pytest.approx(1, abs=0.05)

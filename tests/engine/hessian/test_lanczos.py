"""Lanczos on explicit symmetric matrices: what it reports as error bounds the true one."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import ntkbench as nb
from ntkbench.engine.hessian import lanczos, recurrence
from ntkbench.engine.hessian.extreme import extreme, extreme_pairs
from ntkbench.engine.hessian.lanczos import Lanczos
from ntkbench.engine.hessian.norm import ROUNDING, STARTS

SIZE = 24


def with_spectrum(values, rng):
    q = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0]
    return (q * values) @ q.T


def spectra(rng):
    """Ten draws each: any, ± pairs at the top, a cluster at the top, rank one, and geometric decay."""
    for _ in range(10):
        yield rng.standard_normal(SIZE)
        pairs = np.sort(np.abs(rng.standard_normal(SIZE // 2)))
        yield np.concatenate([pairs, -pairs])
        yield np.concatenate([3 + 1e-4 * rng.standard_normal(4), rng.uniform(-1, 1, SIZE - 4)])
        yield np.concatenate([[rng.standard_normal()], np.zeros(SIZE - 1)])
        yield rng.choice([-1, 1], SIZE) * 2.0 ** -np.arange(SIZE)


def matrices():
    rng = np.random.default_rng(0)
    return np.array([with_spectrum(values, rng) for values in spectra(rng)])


def multiply(a):
    return lambda v: tf.matmul(v, tf.constant(a, v.dtype))


def starts(count, s, seed=1):
    return tf.constant(np.random.default_rng(seed).standard_normal((count, s, SIZE)))


def assert_same(found, other, a):
    """Both searches end alike; at a ± pair, rounding chooses the sign, and differs between processors."""
    np.testing.assert_allclose(np.abs(found.values), np.abs(other.values), rtol=1e-9)
    eigenvalues = np.linalg.eigvalsh(a)
    single = ~np.isclose(eigenvalues[:, 0], -eigenvalues[:, -1], rtol=1e-9)
    np.testing.assert_array_equal(np.sign(found.values)[single], np.sign(other.values)[single])
    assert single.any()
    assert (np.abs(found.residual - other.residual) <= 1e-9 * np.abs(other.values)).all()


@pytest.mark.parametrize("s", [2, 3])
@pytest.mark.parametrize("tol", [1e-1, 1e-3, 1e-8])
@pytest.mark.parametrize("least", [0, 2**18], ids=["large", "small"])
def test_residual_bounds_the_error(tol, s, least, monkeypatch):
    """At tol 0.1 the answer may be another member of a cluster that is 1e-4 wide: that is no miss."""
    monkeypatch.setattr(lanczos, "LARGE", least)
    a = matrices()
    ritz = extreme(multiply(a), starts(len(a), s), tol=tol, max_steps=SIZE)
    exact = np.abs(np.linalg.eigvalsh(a)).max(1)
    value = np.abs(ritz.values)
    cluster = 1e-4 if tol == 1e-1 else 1e-12
    assert (np.abs(value - exact) <= ritz.residual + cluster * exact).all()
    assert (value <= exact * (1 + 1e-12)).all()
    assert (ritz.residual <= tol * value + 1e-12).all()


def random_spectrum(rng, size):
    """Return eigenvalues of one of six kinds, as Hessians of networks have them and worse."""
    kind, top = rng.integers(6), 10.0 ** rng.uniform(-6, 6)
    if kind == 0:
        values = rng.standard_normal(size)
    elif kind == 1:  # pairs ±λ, as of nets that are linear in each of two layers
        half = np.abs(rng.standard_normal(size // 2))
        values = np.concatenate([half, -half])
    elif kind == 2:  # a few outliers over a bulk
        values = np.concatenate([rng.uniform(-3, 3, 5), 0.3 * rng.standard_normal(size - 5)])
    elif kind == 3:  # a power law
        values = rng.choice([-1, 1], size) * np.arange(1.0, size + 1) ** -rng.uniform(0.2, 2)
    elif kind == 4:  # low rank
        rank = rng.integers(1, 9)
        values = np.concatenate([rng.standard_normal(rank), np.zeros(size - rank)])
    else:  # almost a tie at the top
        values = np.concatenate([[1.0, rng.choice([-1, 1]) * (1 - 10.0 ** rng.uniform(-6, -1))], np.zeros(size - 2)])
        values[2:] = rng.uniform(-0.9, 0.9, size - 2)
    return top * values


@pytest.mark.parametrize("search", [extreme, extreme_pairs])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_thousand_random_operators(dtype, search):
    """The error is at least the true error in 999 of 1,000, and no eigenvalue is missed by more than 5·tol."""
    rng, size, tol, wrong, cases = np.random.default_rng(7), 96, 1e-3, 0, 0
    for _ in range(5):
        q = np.linalg.qr(rng.standard_normal((200, size, size)))[0]
        values = np.array([random_spectrum(rng, size) for _ in range(len(q))])
        a = np.einsum("bij,bj,bkj->bik", q, values, q).astype(dtype)
        start = tf.constant(rng.standard_normal((len(a), STARTS, size)), dtype)
        ritz = search(multiply(a), start, tol=tol, max_steps=size)
        exact = np.abs(np.linalg.eigvalsh(a.astype(np.float64))).max(1)
        value = np.abs(ritz.values)
        error = np.maximum(ritz.residual, ROUNDING * np.finfo(dtype).eps * value)
        assert (error <= tol * value).all(), "all converge"
        assert (np.abs(value - exact) <= 5 * tol * exact).all()
        wrong += np.sum(np.abs(value - exact) > error)
        cases += len(a)
    assert cases == 1000 and wrong <= 1


def test_a_step_that_xla_compiles_is_the_same(monkeypatch):
    a, start = matrices(), starts(50, STARTS)
    plain = extreme(multiply(a), start, tol=1e-3, max_steps=SIZE)
    monkeypatch.setattr(recurrence, "WORTH_XLA", 0)
    fused = extreme(multiply(a), start, tol=1e-3, max_steps=SIZE, xla=True)
    assert_same(fused, plain, a)


def test_settled_operators_are_dropped():
    """A search that goes on with the unsettled operators finds what one that multiplies all of them finds."""
    rng, size = np.random.default_rng(11), 120
    values = np.array([np.linspace(-0.9, 1, size) if i % 16 == 3 else random_spectrum(rng, size) for i in range(40)])
    q = np.linalg.qr(rng.standard_normal((len(values), size, size)))[0]
    a = np.einsum("bij,bj,bkj->bik", q, values, q)
    start = tf.constant(rng.standard_normal((len(a), STARTS, size)))
    asked = []

    def narrowed(which):
        asked.append(which)
        return multiply(a[which])

    found = extreme(multiply(a), start, tol=1e-3, max_steps=size, narrowed=narrowed)
    whole = extreme(multiply(a), start, tol=1e-3, max_steps=size)
    assert [len(which) for which in asked] == [10, 3, 1]
    assert set(asked[2]) < set(asked[1]) < set(asked[0])
    assert_same(found, whole, a)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [12, 21, 60])
def test_low_rank_and_steep_spectra(dtype, size):
    """The Krylov space ends, or nearly ends, long before the other operators of the batch have converged."""
    rng = np.random.default_rng(size)
    values = np.zeros((400, size))
    for i, each in enumerate(values):
        if i % 2:
            rank = rng.integers(1, 12)
            each[:rank] = rng.standard_normal(rank)
        else:
            each[:] = rng.choice([-1, 1], size) * 10.0 ** -(rng.uniform(0.5, 4) * np.arange(size))
    q = np.linalg.qr(rng.standard_normal((len(values), size, size)))[0]
    a = np.einsum("bij,bj,bkj->bik", q, values, q).astype(dtype)
    start = tf.constant(rng.standard_normal((len(a), STARTS, size)), dtype)
    found = extreme(multiply(a), start, tol=1e-3, max_steps=size)
    exact, value = np.abs(np.linalg.eigvalsh(a.astype(np.float64))).max(1), np.abs(found.values)
    rounding = 5 * ROUNDING * np.finfo(dtype).eps * exact
    assert (np.abs(value - exact) <= found.residual + rounding).all()
    assert (value <= exact + rounding).all()
    assert (found.residual <= 1e-3 * value + rounding).all()


def test_the_vector_belongs_to_the_value():
    a = matrices()
    ritz = extreme_pairs(multiply(a), starts(len(a), 2), tol=1e-8, max_steps=SIZE)
    v = ritz.vectors().numpy()
    np.testing.assert_allclose(np.linalg.norm(v, axis=1), 1, rtol=1e-10)
    left = np.linalg.norm(np.einsum("bij,bj->bi", a, v) - ritz.pairs[:, :1] * v, axis=1)
    assert (left <= ritz.residual + 1e-10).all(), "values settle before the last step, vectors are of the last step"


@pytest.mark.parametrize("least", [0, 2**18], ids=["large", "small"])
def test_zero(least, monkeypatch):
    monkeypatch.setattr(lanczos, "LARGE", least)
    ritz = extreme(lambda v: 0 * v, tf.ones([2, 1, 5], tf.float64), tol=1e-3, max_steps=5)
    np.testing.assert_array_equal(ritz.values, 0)
    np.testing.assert_array_equal(ritz.residual, 0)
    assert ritz.steps == 1


def test_a_zero_start_finds_nothing_and_stays_finite():
    ritz = extreme(lambda v: 2 * v, tf.zeros([1, 2, 5], tf.float64), tol=1e-3, max_steps=5)
    assert ritz.values == [0.0] and ritz.residual == [0.0]


def test_equal_starts_count_once():
    a = matrices()[:5]
    one = starts(5, 1)
    single = extreme(multiply(a), one, tol=1e-10, max_steps=SIZE)
    double = extreme(multiply(a), tf.concat([one, one], 1), tol=1e-10, max_steps=SIZE)
    np.testing.assert_allclose(double.values, single.values, rtol=1e-9)


def test_a_double_eigenvalue_is_found_twice():
    rng = np.random.default_rng(4)
    a = np.array([with_spectrum(np.concatenate([[3.0, 3.0], rng.uniform(-1, 1, SIZE - 2)]), rng)])
    run = Lanczos(multiply(a), starts(1, 2))
    for _ in range(SIZE // 2):
        run.step()
    np.testing.assert_allclose(run.eigen(2)[0], [[3.0, 3.0]], rtol=1e-12)


@pytest.mark.parametrize("least", [0, 2**18], ids=["large", "small"])
@pytest.mark.parametrize("s", [1, 2])
def test_basis_stays_orthonormal_when_it_is_long(s, least, monkeypatch):
    """Thirty steps: several blocks; the rank-one matrix ends early and the rest of its basis is zero."""
    monkeypatch.setattr(lanczos, "LARGE", least)
    a = matrices()[:5]
    big = np.kron(a, np.diag([1.0, 0.9, 0.8]))
    run = Lanczos(multiply(big), tf.constant(np.random.default_rng(2).standard_normal((5, s, 3 * SIZE))))
    for _ in range(60 // (2 * s)):
        run.step()
    basis = np.concatenate(run.basis, 1)
    assert basis.shape[1] == s * run.steps == 30
    gram = np.einsum("bid,bjd->bij", basis, basis)
    expected = np.array([np.diag((np.diag(g) > 0.5).astype(float)) for g in gram])
    np.testing.assert_allclose(gram, expected, atol=1e-12)
    projected = np.einsum("bid,bde,bje->bij", basis, big, basis)
    np.testing.assert_allclose(run.projected(), projected, atol=1e-12)


class Quadratic(tf.Module):
    """f(w; n) = ½ wᵀ A_n w: the Hessian of sample n is A_n."""

    def __init__(self, a):
        super().__init__()
        self.a = tf.constant(a)
        self.w = tf.Variable(tf.ones([a.shape[1]], tf.float64))

    def __call__(self, n):
        a = tf.gather(self.a, n[:, 0])
        return tf.einsum("i,nij,j->n", self.w, a, self.w)[:, None] / 2


def test_hessian_norm_of_given_hessians():
    a = np.concatenate([matrices()[:5], np.zeros((1, SIZE, SIZE))])
    exact = np.abs(np.linalg.eigvalsh(a)).max(1)
    found = nb.hessian_norm(Quadratic(a), np.arange(6)[:, None])
    assert (np.abs(found.value - exact) <= found.error + 1e-12).all()
    assert found.converged.all() and (found.error <= 1e-3 * found.value).all()
    assert found.value[-1] == found.error[-1] == 0.0


def test_too_few_steps_are_not_called_converged():
    a = matrices()[:5]
    found = nb.hessian_norm(Quadratic(a), np.arange(5)[:, None], max_iterations=3)
    exact = np.abs(np.linalg.eigvalsh(a)).max(1)
    assert found.iterations == 3
    assert found.converged.tolist() == [False, False, False, True, False]
    assert (np.abs(found.value - exact) <= found.error)[3:].all()

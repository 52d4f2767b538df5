"""Eigenvalues that repeat, cluster, vanish or have both signs: against dense matrices and finite differences."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import ntkbench as nb
from ntkbench.engine.hessian.eigenpairs import leading

RNG = np.random.default_rng(0)


class Dense:
    """Dense symmetric matrices [B, D, D] as operators on two vectors each."""

    def __init__(self, spectra, dtype="float64"):
        rotations = [np.linalg.qr(RNG.standard_normal((len(s), len(s))))[0] for s in spectra]
        self.matrices = np.stack([q @ np.diag(s) @ q.T for q, s in zip(rotations, spectra, strict=True)])
        self.dtype = dtype

    def start(self, rng):
        return tf.constant(rng.standard_normal((len(self.matrices), 2, self.matrices.shape[1])), self.dtype)

    def matvec(self, v):
        return tf.einsum("bde,bse->bsd", tf.constant(self.matrices, self.dtype), v)


def spectrum(*values, size=40):
    return np.concatenate([values, np.zeros(size - len(values))])


SPECTRA = {
    "many copies": spectrum(*[3.0] * 12, *[1.0] * 5),
    "both signs": spectrum(*[2.0] * 8, *[-2.0] * 8),
    "repeated and clustered": spectrum(5, *[-4.0] * 3, *(3 + np.linspace(0, 1e-2, 6)), *[-1.0] * 7),
    "negative": spectrum(*[-1.0] * 7, 0.5, 0.5),
    "rank one": spectrum(2.0),
    "zero": spectrum(),
    "identity": np.ones(40),
    "tail of small ones": spectrum(7.0, *[0.7] * 9, *[0.5] * 20),
    "decay": 2.0 ** -np.arange(40),
    "plain": np.linspace(-1.3, 2, 40),
}


@pytest.mark.parametrize(("dtype", "tol"), [("float64", 1e-8), ("float32", 1e-3)])
@pytest.mark.parametrize("k", [1, 2, 5, 10, 16])
def test_eigenvalues_come_as_often_as_they_occur(k, dtype, tol):
    """All spectra side by side, so that they end after different numbers of restarts."""
    operator = Dense(list(SPECTRA.values()), dtype)
    found = leading(operator, k, np.random.default_rng(1), tol=tol, max_steps=100)
    for values, residuals, name in zip(found.values, found.residuals, SPECTRA, strict=True):
        ordered = np.sort(np.abs(SPECTRA[name]))[::-1]
        assert np.abs(np.abs(values) - ordered[:k]).max() <= 3 * tol * ordered[0], name
        assert residuals.max() <= 3 * tol * ordered[0], name
        nearest = np.abs(SPECTRA[name][:, None] - values).min(0)
        assert (nearest <= residuals + 1e-5).all(), name
    gram = tf.matmul(found.vectors, found.vectors, transpose_b=True)
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(k), gram.shape), atol=1e-5)


@pytest.mark.parametrize("k", [3, 5, 9])
def test_more_eigenvalues_than_dimensions(k):
    found = leading(Dense([np.array([2.0, 2.0, -2.0, 1.0, 0.0])]), k, np.random.default_rng(0), tol=1e-8, max_steps=50)
    np.testing.assert_allclose(np.abs(found.values[0]), [2, 2, 2, 1, 0][:k], atol=1e-8)


def test_too_few_steps_are_not_converged():
    found = leading(Dense([np.linspace(1, 2, 400)]), 3, np.random.default_rng(0), tol=1e-6, max_steps=4)
    assert (found.residuals > 1e-6 * 2).all()
    inside = np.abs(found.values[0][:, None] - np.linspace(1, 2, 400)).min(1)
    assert (inside <= found.residuals[0]).all()


def deep_linear(width, outputs=1):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(width, use_bias=False), keras.layers.Dense(outputs, use_bias=False)]
    return keras.Sequential([keras.Input((4,)), *layers])


@pytest.mark.parametrize(("k", "width"), [(1, 8), (10, 16), (20, 8), (3, 1)])
def test_a_linear_network_of_two_layers_has_each_eigenvalue_as_often_as_it_is_wide(k, width):
    """f = v·(U x): eigenvalues ±‖x‖, `width` times each, and zeros."""
    model = deep_linear(width)
    x = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
    found = nb.hessian_eigs(model, x, k)
    expected = np.zeros((3, k))
    expected[:, : 2 * width] = np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs(found.value), expected, atol=1e-3 * np.linalg.norm(x, axis=1).max())
    assert found.converged.all() and found.error.shape == (3, k) and found.iterations > 0
    signs = (found.value > 1e-2).sum(1) - (found.value < -1e-2).sum(1)
    assert (np.abs(signs) <= max(0, min(k, 2 * width))).all()
    if k >= 2 * width:
        assert (signs == 0).all(), "as many of either sign"


class Readout(keras.layers.Layer):
    """A layer that no rule knows, so that its weights take the route by products with all weights."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1],), name="w")

    def call(self, h):
        return keras.ops.sum(h * self.w, axis=-1, keepdims=True)


def test_repeated_eigenvalues_by_products_with_all_weights():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6, use_bias=False), Readout()])
    x = np.random.default_rng(0).standard_normal((2, 4)).astype("float32")
    values, vectors = nb.hessian_eigs(model, x, 12, vectors=True, tol=1e-4)
    np.testing.assert_allclose(np.abs(values), np.repeat(np.linalg.norm(x, axis=1)[:, None], 12, 1), rtol=1e-3)
    assert vectors.shape == (2, 12, 30) and values.converged.all()


def test_zero_hessians_are_zero_and_converged():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    found = nb.hessian_eigs(model, np.ones((2, 3)), 3)
    assert (found.value == 0).all() and found.converged.all()


def test_it_is_its_values():
    found = nb.hessian_eigs(deep_linear(4), np.ones((2, 4)), 2)
    assert len(found) == 2 and found[0, 0] == found.value[0, 0] and np.abs(found).shape == (2, 2)
    np.testing.assert_array_equal(np.asarray(found, "float32"), found.value.astype("float32"))


@pytest.mark.parametrize("k", [0, -1, 1.5, "2", None, True])
def test_k_is_a_count(k):
    with pytest.raises(nb.NtkbenchError, match="is not possible; give a whole number"):
        nb.hessian_eigs(deep_linear(2), np.ones((1, 4)), k)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_errors_include_the_rounding_of_the_coarsest_type(policy):
    """As those of `hessian_norm` do: in bfloat16 residuals are themselves rounding, and say little."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).standard_normal((2, 4)).astype("float32")
    layers = [keras.layers.Dense(6, "tanh", dtype=policy), keras.layers.Dense(1, dtype=policy)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    pairs, norm = nb.hessian_eigs(model, x, 1), nb.hessian_norm(model, x)
    assert pairs.error[:, 0] == pytest.approx(norm.error, rel=0.1)
    assert np.all(np.abs(np.abs(pairs.value[:, 0]) - norm.value) <= norm.error)

"""Hermite expansions of activations, and sketches of networks with any activation."""

import numpy as np
import pytest
import tensorflow as tf

import ntkbench as nb
from ntkbench_features import NTKSketch
from ntkbench_features.activations import activation_of
from ntkbench_features.hermite import hermite_coefficients

X = np.random.default_rng(0).standard_normal((24, 6)) / np.sqrt(6)


def expanded(x, activation, depth, degree):
    """Return the tangent kernel with expansions up to a degree in place of the duals: [N, N]."""
    s = theta = x @ x.T
    for _ in range(depth):
        r = np.sqrt(np.diag(s))
        c, d = (
            hermite_coefficients(each, tf.constant(r), degree).numpy() for each in (activation.value, activation.slope)
        )
        powers = np.power((s / np.outer(r, r))[..., None], np.arange(degree + 1))
        s = np.einsum("ij,kj,ikj->ik", c, c, powers)
        theta = theta * np.einsum("ij,kj,ikj->ik", d, d, powers) + s
    return theta


def limit(activation, depth):
    scale, k = activation_of(activation).scale, nb.kernels
    blocks = [block for _ in range(depth) for block in (k.Activation(activation), k.Dense(scale))]
    return k.InfiniteWidth([k.Dense(np.sqrt(6)), *blocks]).matrix(X).numpy()


def test_coefficients_of_polynomials():
    """2 t² − 1 + 3 t = (2√2) he_2 + 3 he_1 + 1; at radius r, t is replaced by r t."""
    found = hermite_coefficients(lambda t: 2 * t**2 - 1 + 3 * t, tf.constant([1.0, 2.0], tf.float64), 4).numpy()
    expected = [[1, 3, 2 * np.sqrt(2), 0, 0], [7, 6, 8 * np.sqrt(2), 0, 0]]
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(("activation", "tolerance"), [("erf", 1e-6), ("gelu", 1e-5), ("sin", 1e-9), ("tanh", 1e-4)])
def test_the_expansion_converges_to_the_dual(activation, tolerance):
    """On unit vectors, with every degree nearer to the closed form."""
    phi, cosine = activation_of(activation), np.linspace(-1, 1, 41)
    exact = phi.dual.moments(tf.ones(41, tf.float64), tf.ones(41, tf.float64), tf.constant(cosine))[0].numpy()
    exact *= phi.scale**2
    c = hermite_coefficients(phi.value, tf.ones(1, tf.float64), 31).numpy()[0] ** 2
    errors = [np.abs(np.polynomial.polynomial.polyval(cosine, c[: q + 1]) - exact).max() for q in range(1, 32)]
    assert (np.diff(errors) < 1e-12).all() and errors[-1] < tolerance


@pytest.mark.parametrize(("activation", "depth"), [("erf", 1), ("erf", 2), ("gelu", 2), ("quadratic", 2), ("sin", 3)])
def test_the_expanded_kernel_converges_to_the_kernel(activation, depth):
    exact = limit(activation, depth)
    errors = [np.linalg.norm(expanded(X, activation_of(activation), depth, q) - exact) for q in (2, 8, 24)]
    assert errors[2] < 1e-3 * np.linalg.norm(exact)
    assert errors[2] <= max(errors[1], 1e-9) and errors[1] <= max(errors[0], 1e-9)


def test_one_layer_is_unbiased_and_its_scatter_falls_like_the_root_of_the_number_of_features():
    expected, draws, sizes = expanded(X[:2], activation_of("erf"), 1, 3)[0, 1], 120, (41, 161, 641)
    spread = []
    for m in sizes:
        maps = [NTKSketch(m, activation="erf", degree=3, random_state=seed) for seed in range(draws)]
        products = np.array([z[0] @ z[1] for z in (each.fit_transform(X[:2]) for each in maps)])
        assert abs(products.mean() - expected) < 4.5 * products.std() / np.sqrt(draws)
        spread.append(products.std())
    slope, _ = np.polyfit(np.log(sizes), np.log(spread), 1)
    assert slope == pytest.approx(-0.5, abs=0.1)


@pytest.mark.parametrize(("activation", "depth"), [("gelu", 1), ("erf", 2), ("tanh", 3)])
def test_the_sketch_converges_to_the_kernel(activation, depth):
    exact, errors = limit(activation, depth), []
    for m in (101, 1601):
        maps = [NTKSketch(m, depth=depth, activation=activation, random_state=seed) for seed in range(8)]
        grams = [z @ z.T for z in (each.fit_transform(X) for each in maps)]
        errors.append(np.median([np.linalg.norm(gram - exact) for gram in grams]) / np.linalg.norm(exact))
    assert errors[1] < 0.3 and 2 < errors[0] / errors[1] < 8  # 4 = √16

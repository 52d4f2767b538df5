"""The ReLU tangent kernel, its random features, and the polynomial fitted to it."""

import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

import ntkbench as nb
from ntkbench_features import NTKRandomFeatures, TensorSRHT, exact_features, relu_ntk
from ntkbench_features.activations import activation_of
from ntkbench_features.polynomial import _least_squares, coefficients
from ntkbench_features.sketches import in_dtype
from ntkbench_features.tangent import ExactLayer, draw_layers, features, k0, k1

X = np.random.default_rng(0).standard_normal((60, 16))
RELU = activation_of("relu")
GOLDEN = {
    1: [0, -0.057669, 0.318310, 0.942331, 2],
    2: [0.318310, 0.343862, 0.685709, 1.351480, 3],
    3: [0.685709, 0.742249, 1.060388, 1.737845, 4],
}


def kernel(x, depth):
    """Return the exact kernel [N, N]."""
    norms = np.linalg.norm(x, axis=1)
    cosine = x @ x.T / np.outer(norms, norms)
    np.fill_diagonal(cosine, 1)
    return np.outer(norms, norms) * relu_ntk(cosine, depth)


def error(psi, exact):
    return np.linalg.norm(psi @ psi.T - exact) / np.linalg.norm(exact)


def random_features(seed, depth, m, leverage=False, x=X):
    layers = draw_layers(np.random.default_rng(seed), x.shape[1], depth, (m, m, m), TensorSRHT, leverage)
    return features(tf.constant(x), in_dtype(layers, tf.float64), RELU).numpy()


@pytest.mark.parametrize("depth", GOLDEN)
def test_golden_values(depth):
    np.testing.assert_allclose(relu_ntk([-1, -0.5, 0, 0.5, 1], depth), GOLDEN[depth], atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_it_is_the_kernel_of_the_infinite_network(depth):
    """The registered kernel of weights of variance 2/fan-in has another factor 2/d."""
    limit = nb.kernels.named("fully-connected", activation="relu", depth=depth, weight_std=np.sqrt(2))
    np.testing.assert_allclose(kernel(X, depth), X.shape[1] / 2 * limit.matrix(X, X).numpy(), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_exact_features(depth):
    """The same pipeline with factors of each layer's kernels in place of random features, repeated inputs included."""
    x = np.concatenate([X, X[:2], 2 * X[:1]])
    psi, exact = exact_features(x, depth), kernel(x, depth)
    np.testing.assert_allclose(psi[:60] @ psi[:60].T, exact[:60, :60], atol=1e-8)
    np.testing.assert_allclose(psi @ psi.T, exact, atol=1e-5)  # the cosines of repeated inputs carry rounding


def network_kernel(activation, depth, d=16):
    """Return the registered kind of kernel whose layers are scaled as those of the features."""
    scale = activation_of(activation).scale
    k = nb.kernels
    blocks = [block for _ in range(depth) for block in (k.Activation(activation), k.Dense(scale))]
    return k.InfiniteWidth([k.Dense(np.sqrt(d)), *blocks])


@pytest.mark.parametrize(("activation", "depth"), [("erf", 1), ("erf", 2), ("gelu", 2), ("sin", 3), ("tanh", 1)])
def test_exact_features_of_other_activations(activation, depth):
    x = X[:20] / 4
    psi = exact_features(x, depth, activation)
    np.testing.assert_allclose(psi @ psi.T, network_kernel(activation, depth).matrix(x, x), atol=1e-8)


@pytest.mark.parametrize("activation", ["erf", "gelu", "quadratic"])
def test_random_features_of_other_activations(activation):
    """Their error falls like the root of the number of features."""
    x, sizes = X / 4, (256, 1024, 4096)
    exact = network_kernel(activation, 2).matrix(x, x).numpy()
    errors = []
    for m in sizes:
        maps = [NTKRandomFeatures(m, depth=2, activation=activation, random_state=seed) for seed in range(4)]
        errors.append(np.mean([error(each.fit_transform(x), exact) for each in maps]))
    slope, _ = np.polyfit(np.log(sizes), np.log(errors), 1)
    assert slope == pytest.approx(-0.5, abs=0.15)


def test_the_features_of_a_layer_are_unbiased():
    a, b = X[:2] / np.linalg.norm(X[:2], axis=1, keepdims=True)
    layer = in_dtype(draw_layers(np.random.default_rng(1), 16, 1, (200_000, 200_000, 2), TensorSRHT)[0], tf.float64)
    x = tf.constant([a, b])
    step, relu = layer.slopes(x, RELU).numpy(), layer.units(x, RELU).numpy()
    assert step[0] @ step[1] == pytest.approx(k0(a @ b), rel=0.02)
    assert relu[0] @ relu[1] == pytest.approx(k1(a @ b), rel=0.02)
    exact = ExactLayer().slopes(x, RELU).numpy()
    np.testing.assert_allclose(exact @ exact.T, k0(np.array([[1, a @ b], [a @ b, 1]])), atol=1e-8)


def test_leverage_scores_are_sampled_on_the_sphere():
    """Weighting Gaussian weights by |w|² gives the same mean and variance of a feature's product."""
    d, a, b = 8, X[0, :8] / np.linalg.norm(X[0, :8]), X[1, :8] / np.linalg.norm(X[1, :8])
    layer = draw_layers(np.random.default_rng(1), d, 1, (1, 200_000, 2), TensorSRHT, leverage=True)[0]
    found = 2 * np.maximum(a @ layer.unit_weights, 0) * np.maximum(b @ layer.unit_weights, 0)
    w = np.random.default_rng(2).standard_normal((d, 400_000))
    square = np.sum(w**2, axis=0)
    products = 2 * d * np.maximum(a @ w, 0) * np.maximum(b @ w, 0) / square  # of density |w|² N(0, I)
    for power in (1, 2):
        expected = np.mean(square / d * products**power)
        assert np.mean(found**power) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("depth", "leverage"), [(1, False), (2, False), (1, True)])
def test_the_error_falls_like_the_root_of_the_number_of_features(depth, leverage):
    """Both the relative Frobenius error and the spectral error at a ridge fall."""
    sizes, exact = (128, 256, 512, 1024), kernel(X, depth)
    found = [[random_features(seed, depth, m, leverage) for seed in range(8)] for m in sizes]
    frobenius = np.array([np.mean([error(psi, exact) for psi in draws]) for draws in found])
    slope, _ = np.polyfit(np.log(sizes), np.log(frobenius), 1)
    assert slope == pytest.approx(-0.5, abs=0.1)
    # [D] values of the reference implementation at L = 1: .260 .187 .130 .097
    if depth == 1:
        np.testing.assert_allclose(frobenius, [0.260, 0.187, 0.130, 0.097], rtol=0.15)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_fitted_polynomial(depth):
    """The fit improves with the degree, its coefficients are not negative, and its values rise from node to node."""
    grid = np.linspace(-1, 1, 201)
    errors = []
    for degree in (2, 4, 8, 16):
        c = np.array(coefficients(depth, degree))
        values = np.polynomial.polynomial.polyval(grid, c)
        assert len(c) == degree + 1 and (c >= 0).all()
        assert (np.diff(values) > -1e-4).all()
        errors.append(np.sqrt(np.mean((values - relu_ntk(grid, depth)) ** 2)))
    assert (np.diff(errors) < 0).all()
    assert errors[-1] < 0.02


def test_the_fit_at_depth_1_stays_at_six_percent():
    """The polynomial does not decrease, but Θ_1 does near cosine −1; at depth 2 the error goes on falling."""
    a = np.linspace(-1, 1, 401)
    errors = {}
    for depth, degree in ((1, 8), (1, 32), (2, 8), (2, 32)):
        fitted = np.polynomial.polynomial.polyval(a, coefficients(depth, degree))
        errors[depth, degree] = np.abs(fitted - relu_ntk(a, depth)).max() / (depth + 1)
    assert 0.06 < errors[1, 32] < errors[1, 8] < 0.07
    assert errors[2, 32] < 0.6 * errors[2, 8]


def test_constrained_least_squares():
    rng = np.random.default_rng(0)
    a, b, g = rng.standard_normal((30, 5)), rng.standard_normal(30), rng.standard_normal((6, 5))
    found = _least_squares(a, b, g)
    other = scipy.optimize.minimize(
        lambda c: np.sum((a @ c - b) ** 2),
        np.zeros(5),
        constraints={"type": "ineq", "fun": lambda c: g @ c},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    assert (g @ found).min() > -1e-9
    assert np.linalg.norm(np.linalg.lstsq(a, b)[0] - found) > 0.01  # a constraint binds
    np.testing.assert_allclose(found, other.x, atol=1e-6)

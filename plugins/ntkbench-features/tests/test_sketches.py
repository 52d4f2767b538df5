"""Sketches are unbiased, and their scatter falls like 1/√size."""

import numpy as np
import pytest
import tensorflow as tf

from ntkbench_features import SRHT, CountSketch, Outer, PolySketch, TensorCountSketch, TensorSRHT
from ntkbench_features.sketches import in_dtype, real

DRAWS = 200
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((2, 7)), RNG.standard_normal((2, 5))
OF_X, OF_Y = X[0] @ X[1], Y[0] @ Y[1]


def estimates(draw, apply):
    """Return the inner product of the features of two inputs, for each of `DRAWS` draws."""
    found = []
    for seed in range(DRAWS):
        z = apply(in_dtype(draw(np.random.default_rng(seed)), tf.float64)).numpy()
        found.append(z[0] @ z[1])
    return np.array(found)


def require_laws(at_size, exact):
    """Check the mean at every size against the exact value, and the slope of the standard deviation."""
    sizes = (16, 64, 256)
    found = [at_size(size) for size in sizes]
    for values in found:
        assert abs(values.mean() - exact) < 4.5 * values.std() / np.sqrt(DRAWS)
    slope, _ = np.polyfit(np.log(sizes), np.log([values.std() for values in found]), 1)
    assert slope == pytest.approx(-0.5, abs=0.1)


@pytest.mark.parametrize("kind", [TensorSRHT, TensorCountSketch])
def test_degree_two_sketches(kind):
    x, y = tf.constant(X), tf.constant(Y)
    require_laws(
        lambda size: estimates(lambda rng: kind.draw(rng, 7, 5, size), lambda sketch: sketch(x, y)), OF_X * OF_Y
    )


def test_a_count_sketch():
    """Its variance is (|x|²|x'|² + ⟨x, x'⟩² − 2 Σ x_i² x_i'²) / size."""
    x = tf.constant(X)
    require_laws(lambda size: estimates(lambda rng: CountSketch.draw(rng, 7, size), lambda sketch: sketch(x)), OF_X)
    found = estimates(lambda rng: CountSketch.draw(rng, 7, 8), lambda sketch: sketch(x))
    exact = (np.sum(X[0] ** 2) * np.sum(X[1] ** 2) + OF_X**2 - 2 * np.sum(X[0] ** 2 * X[1] ** 2)) / 8
    assert found.var() == pytest.approx(exact, rel=0.3)


def test_an_srht():
    x = tf.constant(X)
    require_laws(lambda size: estimates(lambda rng: SRHT.draw(rng, 7, size), lambda sketch: real(sketch(x))), OF_X)


def test_the_outer_product_is_exact():
    z = Outer.draw(None, 7, 5, 0)(tf.constant(X), tf.constant(Y)).numpy()
    np.testing.assert_allclose(z, [np.outer(x, y).ravel() for x, y in zip(X, Y, strict=True)])


@pytest.mark.parametrize(("degree", "power"), [(2, 1), (3, 3), (4, 2)])
def test_powers_of_a_polysketch(degree, power):
    x = X / np.linalg.norm(X, axis=1, keepdims=True)
    require_laws(
        lambda size: estimates(
            lambda rng: PolySketch.draw(rng, 7, degree, size), lambda tree: real(tree.powers(tf.constant(x))[power])
        ),
        (x[0] @ x[1]) ** power,
    )


@pytest.mark.parametrize("kind", [TensorSRHT, TensorCountSketch])
def test_a_sketch_is_bilinear(kind):
    sketch = in_dtype(kind.draw(np.random.default_rng(0), 7, 5, 16), tf.float64)
    x, y = tf.constant(X), tf.constant(Y)
    np.testing.assert_allclose(sketch(2 * x + x[::-1], y), 2 * sketch(x, y) + sketch(x[::-1], y), atol=1e-12)
    np.testing.assert_allclose(sketch(x, 2 * y + y[::-1]), 2 * sketch(x, y) + sketch(x, y[::-1]), atol=1e-12)

"""ntkbench's checks for both measurements, and tests with matrices of known spectrum."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import ntkbench as nb
from ntkbench import layers
from ntkbench.testing import MeasurementChecks
from ntkbench_spectrum import Density, density
from ntkbench_spectrum.__main__ import main
from ntkbench_spectrum.hessian import flat, powers, quadrature, split
from ntkbench_spectrum.kernel import decay_exponent, effective_rank


class TestKernel(MeasurementChecks):
    measurement = "ntk_spectrum"


class TestHessian(MeasurementChecks):
    measurement = "hessian_density"


def test_a_power_law_has_its_exponent():
    np.testing.assert_allclose(decay_exponent(3.0 * np.arange(1, 9) ** -1.7), 1.7)
    assert decay_exponent(np.ones(2)) is None


def test_effective_rank_of_equal_and_of_single_eigenvalues():
    np.testing.assert_allclose(effective_rank(np.full(5, 0.3)), 5)
    assert effective_rank(np.array([2.0])) == 1
    assert effective_rank(np.zeros(0)) is None


def test_quadrature_of_a_known_matrix():
    """With as many steps as eigenvalues, the only error is that of the random vectors."""
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.standard_normal((41, 41)))
    values = np.linspace(-1, 2, 41)
    found = quadrature(lambda v: q @ (values * (q.T @ v)), rng.standard_normal((200, 41)), 41)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1)
    assert found.nodes.min() == pytest.approx(-1) and found.nodes.max() == pytest.approx(2)
    np.testing.assert_allclose(found.trace(np.square).mean(), np.sum(values**2), rtol=0.02)


def test_moments_of_a_known_matrix():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((41, 41))
    a += a.T
    second, fourth = powers(lambda v: a @ v, rng.standard_normal((4000, 41))).mean(axis=1)
    values = np.linalg.eigvalsh(a)
    np.testing.assert_allclose([second, fourth], [np.sum(values**2), np.sum(values**4)], rtol=0.02)


def test_the_measurement_is_that_of_the_dense_hessian(model):
    """Sums over all unit vectors are exact traces."""
    x = np.random.default_rng(1).standard_normal((1, 4))
    shapes = [w.shape for w in model.trainable_variables]
    size = sum(int(np.prod(shape)) for shape in shapes)

    def product(v):
        return flat(nb.hvp(model, x, split(v, shapes))).astype(np.float64)

    dense = np.stack([product(unit) for unit in np.eye(size)])
    second, fourth = powers(product, np.eye(size)).sum(axis=1)
    np.testing.assert_allclose([second, fourth], [np.sum(dense**2), np.sum((dense @ dense) ** 2)], rtol=1e-5)


@pytest.fixture(scope="module")
def model():
    hidden = layers.Dense(6, activation="tanh", seed=1)
    return keras.Sequential([keras.Input((4,)), hidden, layers.Dense(1, seed=2)])


def test_the_density_of_a_network_has_the_moments_of_its_dense_hessian(model):
    x = np.random.default_rng(1).standard_normal((1, 4))
    shapes = [w.shape for w in model.trainable_variables]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])

    def column(unit):
        parts = [part.reshape(shape) for part, shape in zip(np.split(unit, ends[:-1]), shapes, strict=True)]
        return np.concatenate([part.ravel() for part in nb.hvp(model, x, parts)])

    dense = np.stack([column(unit) for unit in np.eye(ends[-1])])
    found = density(model, x, vectors=60)
    np.testing.assert_allclose(found.trace(np.square).mean(), np.sum(dense**2), rtol=0.15)
    np.testing.assert_allclose(found.nodes.max(), np.linalg.eigvalsh(dense)[-1], rtol=1e-4)
    grid = np.linspace(-3, 3, 4001)
    np.testing.assert_allclose(np.trapezoid(found.on(grid, 0.05), grid), 1, rtol=1e-3)


def test_a_linear_model_has_a_hessian_of_zero():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, seed=2)])
    found = density(model, np.ones((1, 4)))
    assert not found.nodes.any()
    assert isinstance(found, Density)


def test_the_picture(model, tmp_path, capsys):
    """In a separate process, which knows only those layers that the command itself imports."""
    model.save(tmp_path / "net.keras")
    command = [sys.executable, "-m", "ntkbench_spectrum", "net.keras", "-o", "density.png"]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout == "density.png\n", done.stderr
    assert (tmp_path / "density.png").stat().st_size > 10_000


@pytest.mark.parametrize("content", [None, b"no model"])
def test_a_file_that_is_no_model_is_a_sentence(tmp_path, capsys, content):
    path = tmp_path / "none.keras"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Error: ") and "could not be loaded" in err and err.count("\n") == 1

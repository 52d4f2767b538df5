"""ntkbench's checks of both architectures, and their limits."""

import keras
import numpy as np
import pytest

import ntkbench as nb
from ntkbench.testing import ArchitectureChecks
from ntkbench_features import networks, relu_ntk
from ntkbench_features.polynomial import coefficients

X = np.random.default_rng(0).standard_normal((30, 16))


class TestNtkFeatures(ArchitectureChecks):
    architecture = "ntk-features"


class TestNtkSketch(ArchitectureChecks):
    architecture = "ntk-sketch"


def kernel(function):
    norms = np.linalg.norm(X, axis=1)
    cosine = X @ X.T / np.outer(norms, norms)
    np.fill_diagonal(cosine, 1)
    return np.outer(norms, norms) * function(cosine) / 16


@pytest.mark.parametrize("depth", [1, 3])
def test_the_limits_are_their_formulas(depth):
    limit = networks.relu_limit(depth=depth)
    np.testing.assert_allclose(limit.matrix(X, X), kernel(lambda a: relu_ntk(a, depth)), rtol=1e-12, atol=1e-12)
    limit, c = networks.polynomial_limit(depth=depth, degree=5), coefficients(depth, 5)
    expected = kernel(lambda a: np.polynomial.polynomial.polyval(a, c))
    np.testing.assert_allclose(limit.matrix(X, X), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(limit.apply(X, X[::-1].copy()), np.diag(expected[:, ::-1]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["ntk-features:sketch=count,sampling=leverage", "ntk-sketch"])
def test_the_kernel_converges_to_the_limit_like_one_over_the_root_of_the_width(name, tmp_path):
    run = nb.run([name], widths=[64, 256, 1024], seeds=4, probes=12, measure="kernel_convergence", out=tmp_path / "run")
    laws = run.fits()
    law = laws[(laws.quantity == "kernel_convergence")].iloc[0]
    assert law.slope == pytest.approx(-0.5, abs=0.15)


@pytest.mark.parametrize("build", [networks.build_features, networks.build_sketch])
def test_a_saved_network_is_the_same(build, tmp_path):
    model = build(33, input_shape=(16,), outputs=2, seed=3)
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_allclose(again(X), model(X), rtol=1e-6)
    assert len(again.trainable_variables) == 1 and again.output_shape == (None, 2)


def test_measured_at_infinite_width(tmp_path):
    run = nb.run(["ntk-features"], widths=[32, np.inf], seeds=1, measure=["gradient", "kernel"], out=tmp_path / "run")
    assert set(run.frame().status) == {"ok"}


def test_images_are_refused():
    with pytest.raises(nb.NtkbenchError, match="take vectors"):
        networks.build_features(8, input_shape=(4, 4, 1), seed=0)

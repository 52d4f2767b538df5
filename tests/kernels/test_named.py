"""Registered kernels: they go through the hook, are listed without TensorFlow, and are what they say."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import ntkbench as nb
from ntkbench import kernels as k
from ntkbench.registry.current import registry

X = {1: np.random.default_rng(0).normal(size=(4, 6)), 3: np.random.default_rng(1).normal(size=(4, 5, 5, 2))}


@pytest.mark.parametrize(
    "name", [name for name, e in registry().kernels.items() if e.distribution == "ntkbench" and "kind" in e.params]
)
@pytest.mark.parametrize("kind", ["ntk", "nngp"])
def test_registered_kernels_are_kernels(name, kind):
    kernel = k.named(name, kind=kind, depth=2, weight_std=1.2, activation="erf")
    matrix = kernel.matrix(X[kernel.feature_ndims]).numpy()
    assert np.linalg.eigvalsh(matrix)[0] > 0


@pytest.mark.parametrize(
    ("name", "architecture"),
    [("fully-connected", "fc"), ("residual", "resnet"), ("densely-connected", "densenet"), ("convolutional", "cnn")],
)
def test_they_are_the_limits_of_the_architectures(name, architecture):
    kernel = k.named(name, activation="gelu")
    x = X[kernel.feature_ndims]
    entry = registry().architectures[architecture]
    model = entry.load()(8, input_shape=x.shape[1:], seed=0, **entry.resolve({"activation": "gelu"}))
    np.testing.assert_allclose(kernel.matrix(x), k.infinite_width(model).matrix(x), rtol=1e-12)


def test_wrong_names_are_sentences():
    with pytest.raises(nb.NtkbenchError, match="Did you mean 'residual'"):
        k.named("residal")
    with pytest.raises(nb.NtkbenchError, match="depth=0 is out of bounds"):
        k.named("residual", depth=0)


def test_listing_imports_no_tensorflow():
    code = (
        "import sys; from ntkbench.cli.main import main; main(['list', 'kernels']); "
        "assert not {'tensorflow', 'keras', 'scipy'} & set(sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert "fully-connected" in found.stdout

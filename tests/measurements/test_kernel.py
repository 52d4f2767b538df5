"""The spectrum of a kernel at infinite width, with its error."""

from __future__ import annotations

import numpy as np
import pytest

from ntkbench import kernels as k
from ntkbench.engine.infinite_context import InfiniteContext
from ntkbench.measurements.kernel import measure
from ntkbench.registry.current import registry
from ntkbench.types import Settings


def context(kernel, x):
    return InfiniteContext(
        x,
        np.ones(len(x)),
        seed=0,
        precision="float64",
        device="cpu",
        settings=Settings(),
        architecture=registry().subject("rbf"),
        make_rng=lambda name: np.random.default_rng(0),
        make_limit=lambda: kernel,
    )


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_error_covers_rounding_and_quadrature(activation):
    x = np.random.default_rng(0).normal(size=(6, 8))
    kernel = k.named("fully-connected", activation=activation)
    finer = np.linalg.eigvalsh(kernel.copy(layers=kernel.graph.refined()).matrix(x))
    found = measure(context(kernel, x))
    for name, value in (("lambda_min", finer[0]), ("condition", finer[-1] / finer[0])):
        assert abs(found[name].value - value) <= found[name].error <= 1e-10 * value
        assert (found[name].error_kind, found[name].precision) == ("rounding", "float64")


def test_a_singular_kernel_has_no_condition():
    x = np.random.default_rng(0).normal(size=(6, 2))
    found = measure(context(k.named("polynomial", degree=1), x))
    assert abs(found["lambda_min"].value) <= found["lambda_min"].error
    assert found["condition"].value is None or found["condition"].value > 1e14

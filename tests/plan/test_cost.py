"""Predicted parameters and memory."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ntkbench.errors import NtkbenchError
from ntkbench.plan.cost import SMALL_WIDTHS, estimate, memory_gib, polynomial, refuse_what_cannot_fit
from ntkbench.plan.options import RunOptions
from ntkbench.plan.plan import make_plan


def build(width, *, input_shape):
    shapes = [(input_shape[0], width), (width, width), (width, 1)]
    return SimpleNamespace(trainable_variables=[np.zeros(shape) for shape in shapes])


@pytest.fixture
def plan(registry):
    registry.register("architectures", "dense", build, distribution="test")
    return make_plan(RunOptions(arch="dense", widths=[100, 1000, 2000, 10**5], seeds=1), with_headlines(registry))


def with_headlines(registry):
    from ntkbench.types import Quantity

    names = ("gradient_norm", "hessian_norm", "kernel_change_worst", "kernel_change_gd")
    quantities = [Quantity(name, name) for name in names]
    registry.register("measurements", "headlines", "a:b", distribution="test", quantities=quantities)
    return registry


def test_the_count_is_the_exact_quadratic(plan):
    (found,) = estimate(plan, (8.0, "this machine"))
    assert found.parameters == tuple(6 * m + m * m + m for m in found.widths)
    assert found.memory_gib[-1] == memory_gib(found.parameters[-1], 8, "float32")
    assert memory_gib(10**9, 8, "float64") > 1.9 * memory_gib(10**9, 8, "float32")


@pytest.mark.parametrize("law", [lambda m: 5, lambda m: 3 * m + 2, lambda m: m**2 + m, lambda m: m**3 // 8 + 61 * m])
def test_a_count_up_to_a_cubic_is_predicted_exactly(law):
    predicted = polynomial({width: law(width) for width in SMALL_WIDTHS})
    assert [predicted(width) for width in (8, 64, 1024)] == [law(width) for width in (8, 64, 1024)]


def test_a_width_that_cannot_fit_is_named_with_what_fits(plan):
    estimates = estimate(plan, (8.0, "this machine"))
    with pytest.raises(NtkbenchError, match=r"dense at width 100000 needs about .* GiB .* Width 8192 fits"):
        refuse_what_cannot_fit(estimates)
    refuse_what_cannot_fit(estimate(plan, (1e6, "this machine")))


def test_an_architecture_that_cannot_be_built_small_is_not_predicted(registry):
    registry.register("architectures", "odd", lambda width: 1 / 0, distribution="test")
    made = make_plan(RunOptions(arch="odd", seeds=1), with_headlines(registry))
    (found,) = estimate(made, (1.0, "this machine"))
    assert (found.parameters, found.seconds) == ((), None)
    refuse_what_cannot_fit([found])

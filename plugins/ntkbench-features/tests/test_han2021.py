"""The suite han2021: its claims can be read, its functions return what they say, and a run judges them."""

import math

import numpy as np
import pytest

from ntkbench.plan.suite import load_suite
from ntkbench.registry import registry
from ntkbench.runner.suite import load_function
from ntkbench.testing import SuiteChecks
from ntkbench_features import costs, han2021, relu_ntk


class TestHan2021(SuiteChecks):
    suite = "han2021"


def test_every_check_is_a_function():
    claims = load_suite("han2021", registry()).claims
    assert len(claims) > 20
    for claim in claims:
        assert callable(load_function(claim.check, claim.id)), claim.id


@pytest.mark.parametrize("check", [han2021.closed_form, han2021.exact_mode])
def test_exact_claims_hold(check):
    assert np.abs(check(1)).max() < (1e-6 if check is han2021.closed_form else 1e-8)


def test_the_kernel_is_that_of_the_network():
    x, y = han2021.inputs(0, 5, 3), han2021.inputs(1, 4, 3)
    sizes = np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1))
    np.testing.assert_allclose(han2021.kernel(x, y, 2), sizes * relu_ntk(x @ y.T / sizes, 2))
    np.testing.assert_allclose(np.diag(han2021.kernel(x)), 2 * np.sum(x**2, 1), rtol=1e-14)


def test_gradients_need_more_features():
    assert np.mean([han2021.gradients_need_more(seed) for seed in (0, 1)]) > 1.5


def test_the_error_falls():
    found = han2021.rate_one(3)
    assert found[2048] < 0.5 * found[128]


@pytest.mark.parametrize(("power", "expected"), [(2, 1000.0), (1, math.inf)])
def test_the_crossing_of_two_power_laws(power, expected):
    """n² = 1000 n at n = 1000; two lines of the same slope never cross."""
    sizes = (100, 400, 1600)
    exact, features = {n: float(n) ** power for n in sizes}, {n: 1000.0 * n for n in sizes}
    assert costs.crossing(exact, features) == pytest.approx(expected)
    assert costs.crossing(dict.fromkeys(sizes, 1000000000.0), features) == 100


def test_both_methods_of_the_timings_solve_ridge_regression():
    x, rng = han2021.inputs(0, 30, 4), np.random.default_rng(0)
    y = rng.standard_normal(30)
    dual = costs.exact_ridge(x, y, alpha=5.0)
    k = han2021.kernel(x) / 2  # the registered kernel has the factor 2/d
    np.testing.assert_allclose(dual, np.linalg.solve(k + 5 * np.eye(30), y), rtol=1e-5)
    assert costs.feature_ridge(x, y, features=64).shape == (64,)


def test_the_peak_of_memory_is_seen():
    def allocate():
        np.ones(2**23).sum()  # 64 MiB

    assert 2**25 < costs.peak_memory(allocate) < 2**28

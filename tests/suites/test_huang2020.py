"""The suite huang2020: its claims can be measured, and its functions know their closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from ntkbench.layers import draws
from ntkbench.plan.suite import load_suite, plans
from ntkbench.registry.current import registry
from ntkbench.seeds import seed_for
from ntkbench.suites import huang2020
from ntkbench.suites.huang2020 import conditions, deep, lazy, limits, panels, variances
from ntkbench.types import Line


@pytest.fixture(scope="module")
def suite():
    return load_suite("huang2020", registry())


@pytest.fixture
def small(monkeypatch):
    """Nets of a few units, with empty caches before and after."""
    cached = [each for module in (deep, lazy) for each in vars(module).values() if hasattr(each, "cache_clear")]
    for module, sizes in {
        lazy: {"LAZY_WIDTHS": (4, 8), "LAZY_STEPS": 5},
        deep: {
            "DEPTHS": (1, 2), "DEEP_WIDTH": 8, "DEEP_INPUTS": 16, "STEPS": 60, "TARGET": 0.6,
            "RATES": (2.0**-8, 2.0**-7, 64.0),
        },
        panels: {"CURVE_SEEDS": 2, "CURVE_STEPS": 6},
    }.items():  # fmt: skip
        for name, value in sizes.items():
            monkeypatch.setattr(module, name, value)
    for each in cached:
        each.cache_clear()
    yield
    for each in cached:
        each.cache_clear()


def test_the_suite_is_sound(suite):
    assert len(suite.claims) >= 20 and all(claim.source and claim.says for claim in suite.claims)
    functions = [claim.check.partition(":")[2] for claim in suite.claims if claim.check]
    assert len(set(functions)) == len(functions) and all(callable(getattr(huang2020, each)) for each in functions)
    planned = plans(suite, registry())
    assert {claim.id for _, claims in planned for claim in claims} == {c.id for c in suite.claims if not c.check}
    assert callable(getattr(huang2020, suite.curves.partition(":")[2]))


# -- the limit ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_relu_limit_at_equal_inputs(depth):
    """Θ(x, x) = (L + 1) |x|²/d / 2^L, |x|² = d: every layer halves both, and adds one share."""
    np.testing.assert_allclose(np.diag(limits.limit("fc", "relu", depth)), (depth + 1) / 2**depth, rtol=1e-12)


@pytest.mark.parametrize(
    ("arch", "init", "activation", "depth"),
    [
        ("fc", "orthogonal", "relu", 3),
        ("fc", "gaussian", "erf", 3),
        ("cnn", "gaussian", "relu", 2),
        ("cnn", "orthogonal", "relu", 2),
        ("cnn", "delta-orthogonal", "relu", 2),
    ],
)
def test_mean_kernels_of_finite_nets_are_the_limit(arch, init, activation, depth):
    """40 nets of width 64: scatter 0.3/√40 and a bias of order 1/64; the delta's limit is 50 % off the others."""
    mean = np.mean([limits.kernel(arch, 64, init, seed, activation, depth) for seed in range(40)], axis=0)
    assert limits.distance(mean, limits.limit(arch, activation, depth, init)) < 0.1


def test_the_delta_limit_is_another_one():
    assert huang2020.gap_of_cnn_delta(0)[0] > 0.3


# -- isometry and variance ---------------------------------------------------------------------------------------


def test_linear_orthogonal_nets_are_isometries():
    assert huang2020.condition_linear(0) == [pytest.approx(1, abs=1e-12)]
    one = conditions.log_conditions("gaussian", 0, (1,), linear=True, n=6)[1]
    kernel = draws.draw("gaussian", (6, 6), seed_for("condition", 0, 1))
    assert one == pytest.approx(math.log(np.linalg.cond(kernel)), rel=1e-9)


def test_the_nearly_linear_net_starts_at_its_fixed_point():
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    tanh2 = np.tanh(math.sqrt(conditions.SETTLED) * nodes) ** 2 @ weights / math.sqrt(2 * math.pi)
    assert conditions.SW2 * tanh2 + conditions.SB2 == pytest.approx(conditions.SETTLED, rel=1e-3)


def test_variance_of_the_first_layer(monkeypatch):
    """Gaussian: m·q is χ² of m degrees, so m Var(q)/q² = 2; orthogonal: ‖g‖ = ‖x‖ exactly."""
    monkeypatch.setattr(variances, "DEPTHS_OF_VARIANCE", (1,))
    assert variances.variances("gaussian", 0, n=16, nets=4000)[1] == pytest.approx(2, abs=0.25)
    assert variances.variances("orthogonal", 0, n=16, nets=50)[1] < 1e-20


# -- training ----------------------------------------------------------------------------------------------------


def test_deep_descent_is_gradient_descent(small):
    x, y = deep.digits(3, 10)
    assert y.shape == (16, 10) and (y.sum(axis=1) == 1).all()
    losses = deep.losses_at(2, "orthogonal", 3, 0.125, 10, 0.0, 20)
    assert len(losses) == 21 and all(a > b for a, b in itertools.pairwise(losses))
    model = deep.network(2, "orthogonal", 3, 10)
    f = np.asarray(model(x.astype("float32")))
    assert losses[0] == pytest.approx(np.mean(np.sum((f - y) ** 2, axis=1)) / 2, rel=1e-5)
    u, b, v, c, w, d = (np.asarray(each, np.float64) for each in model.trainable_variables)
    last = np.tanh(np.tanh(x @ u + b) @ v + c)
    gradient = last.T @ (last @ w + d - y) / len(x)
    before = deep.training_step(2, 10)[0]
    before.set_weights(model.get_weights())
    deep.training_step(2, 10)[1](*(np.float32(each) for each in (x, y)), np.float32(0.125))
    np.testing.assert_allclose(before.trainable_variables[4], w - 0.125 * gradient, atol=1e-5)


def test_steps_until_trained(small):
    steps = deep.sweep(1, "gaussian", 0)
    assert steps[0] > steps[1] > 0 and steps[2] is None  # half the rate, twice the steps; 64 diverges
    losses = deep.losses_at(1, "gaussian", 0, deep.RATES[0], 10, 0.6, 60)
    assert losses[-1] <= 0.6 * losses[0] < losses[-2]


def test_ratios_of_steps(monkeypatch):
    found = {"gaussian": [None, 60, 30, None], "orthogonal": [100, 40, 10, 20]}
    monkeypatch.setattr(deep, "sweep", lambda depth, init, seed, outputs=10: found[init])
    assert huang2020.speed_up_shallow(0) == [1.5] and huang2020.speed_up_deep(0) == [3.0]
    assert huang2020.speed_up_by_rate(0) == [2.0] and huang2020.speed_up_best(0) == [3.0]


def test_lazy_losses_start_at_one_and_fall(small):
    losses = lazy.lazy_losses(8, "orthogonal", 0)
    assert losses[0] == 1 and len(losses) == 6 and losses[-1] < losses[0]
    assert set(huang2020.lazy_curves(0)) == {4, 8}


def test_curves(small):
    drawn = huang2020.curves()
    assert [line.label for panel in drawn for line in panel.lines] == ["gaussian", "orthogonal"] * 4
    shallow, deepest, by_depth, by_rate = drawn
    assert shallow.lines[0].x == (0, 1, 2, 3, 4, 5) and shallow.lines[0].y[0] == pytest.approx(1)
    assert len(deepest.lines[1].x) == 7 and by_depth.lines[0].x == (1, 2)
    assert by_rate.lines[0].x == (-8, -7)  # no net trains at the third rate


def test_a_panel_leaves_out_what_not_every_seed_has():
    panel = panels.panel_of_means("t", "x", "y", (1, 2, 3), {"gaussian": [[1, 4, None], [4, 4, 2]]})
    assert panel.lines == (Line("gaussian", (1.0, 2.0), (pytest.approx(2), pytest.approx(4)), (1, 4), (4, 4)),)

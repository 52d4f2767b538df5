"""The physics of the standard preset: exponents in width at metrics' sizes, in the windows that theory and earlier
measurements give (Liu, Zhu, Belkin 2020, arXiv 2010.01092). About half an hour on two cores: `pytest -m slow`.
"""

from __future__ import annotations

import pytest

import ntkbench as nb

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

WINDOWS = {
    ("fc", "hessian_norm"): (-0.6, -0.35),
    ("fc", "kernel_change_worst"): (-0.65, -0.4),
    ("fc", "kernel_change_gd"): (-1.2, -0.8),
    ("fc-relu", "kernel_change_gd"): (-0.95, -0.6),
    ("fc", "kernel_convergence"): (-0.6, -0.4),
    ("cnn", "kernel_convergence"): (-0.6, -0.4),
    ("cnn", "hessian_norm"): (-0.6, -0.3),
    ("cnn", "kernel_change_worst"): (-0.7, -0.35),
    ("dag", "hessian_norm"): (-0.6, -0.3),
    ("dag", "kernel_change_worst"): (-0.7, -0.35),
    ("densenet", "hessian_norm"): (-0.6, -0.3),
    ("densenet", "kernel_change_worst"): (-0.7, -0.35),
    ("fc-square-output", "hessian_norm"): (-0.2, 0.2),
    ("fc-softplus-output", "hessian_norm"): (-0.2, 0.2),
}
COUNTER_EXAMPLES = (
    "fc-square-output",
    "fc-softplus-output",
    "fc-sigmoid-output",
    "fc-softmax-output",
    "fc-bottleneck",
    "cnn-bottleneck",
    "linear-bottleneck",
)


@pytest.fixture(scope="module")
def standard(tmp_path_factory):
    return nb.run(arch="all", preset="standard", out=tmp_path_factory.mktemp("standard"))


def test_every_cell_is_ok(standard):
    rows = standard.frame()
    assert set(rows["status"]) == {"ok"}, rows[rows["status"] != "ok"][["architecture", "width", "message"]]


@pytest.mark.parametrize(("architecture", "quantity"), WINDOWS)
def test_exponent(standard, architecture, quantity):
    low, high = WINDOWS[architecture, quantity]
    assert low <= _slope(standard, architecture, quantity) <= high


def test_linear_is_exactly_linear(standard):
    rows = standard.frame().query("architecture == 'linear'")
    for quantity in ("hessian_norm", "kernel_change_worst", "kernel_change_gd", "kernel_change_random"):
        assert rows.query("quantity == @quantity")["value"].abs().max() <= 1e-5, quantity


@pytest.mark.parametrize("architecture", COUNTER_EXAMPLES)
def test_counter_examples_optimise_too(standard, architecture):
    rows = standard.frame().query("architecture == @architecture and quantity == 'final_loss_ratio'")
    assert rows["value"].max() <= 1e-2


def test_bottleneck_of_one_unit_stays_curved(tmp_path):
    run = nb.run(arch="fc-bottleneck:k=1", preset="standard", seeds=20, measure=["hessian_norm"], out=tmp_path)
    fit = _fit(run, "fc-bottleneck", "hessian_norm")
    assert fit["low"] <= 0 <= fit["high"]
    assert not fit["low"] <= -0.4 <= fit["high"]


def _fit(run, architecture, quantity):
    fits = run.fits()
    found = fits[(fits["architecture"] == architecture) & (fits["quantity"] == quantity)]
    return found[found["reduction"] != "max"].iloc[0] if quantity == "hessian_norm" else found.iloc[0]


def _slope(run, architecture, quantity):
    return _fit(run, architecture, quantity)["slope"]

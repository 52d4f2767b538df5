"""The self-test of single models: which of them accept the inputs, and what is reported."""

from __future__ import annotations

from ntkbench.plan.arch_spec import parse_arch
from ntkbench.registry.current import registry
from ntkbench.runner import examine


def test_an_architecture_that_the_data_do_not_fit_is_left_out():
    kept, left_out = examine.Inputs(registry(), "diabetes").accepted(parse_arch("all", registry()))
    assert "fc" in [request.name for request in kept] and "cnn" not in [request.name for request in kept]
    assert left_out["cnn"].startswith("'cnn' takes images")


def test_numbers_that_are_not_finite_are_null():
    assert [examine._finite(number) for number in (float("nan"), float("inf"), None, 0.5)] == [None, None, None, 0.5]

"""The marks of theory: agreement needs evidence, a rival within the interval leaves it undecided."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ntkbench.analysis.agreement import MARGIN, agreement, excess, theory_of
from ntkbench.analysis.scaling import Fit
from ntkbench.types import Theory

EXPONENTS = st.floats(-3, 3)


def fitted(low, high, from_width=64):
    return Fit(slope=(low + high) / 2, low=low, high=high, from_width=from_width)


@given(slope=EXPONENTS, half=st.floats(0, 1), exponent=EXPONENTS)
def test_a_rate_disagrees_where_the_interval_misses_it(slope, half, exponent):
    answer = agreement(fitted(slope - half, slope + half), Theory(exponent, ""), "hessian_norm")
    if abs(abs(slope - exponent) - half - MARGIN) > 1e-9:
        assert (answer == "disagrees") == (abs(slope - exponent) > half + MARGIN)


@given(slope=EXPONENTS, half=st.floats(0, 1), exponent=st.floats(-3, -0.01))
def test_an_upper_bound_disagrees_with_shallower_slopes_only(slope, half, exponent):
    fit = fitted(slope - half, slope + half)
    bound, rate = (agreement(fit, Theory(exponent, "", kind), "hessian_norm") for kind in ("upper bound", "rate"))
    assert bound == rate or (rate == "disagrees" and slope + half < exponent)
    assert agreement(fitted(-9.0, exponent - 1), Theory(exponent, "", "upper bound"), "hessian_norm") == "agrees"


@given(low=EXPONENTS, width=st.floats(0, 2), exponent=st.sampled_from([-1.0, -0.5, -1 / 3, 0.5, 1.0]))
def test_no_agreement_with_an_interval_that_holds_the_rival(low, width, exponent):
    fit = fitted(low, low + width)
    for kind in ("rate", "upper bound"):
        answer = agreement(fit, Theory(exponent, "", kind), "kernel_change_gd")
        assert answer != "agrees" or not low <= 0 <= low + width


@pytest.mark.parametrize(
    ("low", "high", "theory", "quantity", "answer"),
    [
        (-0.34, -0.26, Theory(-0.5, ""), "hessian_norm", "disagrees"),
        (-0.45, -0.35, Theory(-0.5, ""), "hessian_norm", "agrees"),
        (-0.6, 0.0, Theory(0.0, ""), "hessian_norm", "undecided"),
        (-0.6, 0.0, Theory(-0.5, ""), "hessian_norm", "undecided"),
        (-0.4, 0.0, Theory(0.0, ""), "hessian_norm", "agrees"),
        (-0.4, 0.0, Theory(0.0, ""), "kernel_change_worst", "undecided"),
        (-0.4, 0.0, Theory(0.0, ""), "kernel_change_worst:max", "undecided"),
        (-0.2, 0.6, Theory(0.0, ""), "gradient_norm", "undecided"),
        (-0.2, 0.6, Theory(0.0, ""), "hessian_norm", "agrees"),
        (0.05, 0.6, Theory(0.5, ""), "gradient_norm", "agrees"),
        (-0.05, 0.6, Theory(0.5, ""), "gradient_norm", "undecided"),
        (-0.9, 0.05, Theory(-0.5, "", "upper bound"), "kernel_change_worst", "undecided"),
        (-0.9, -0.7, Theory(-0.5, "", "upper bound"), "kernel_change_worst", "agrees"),
        (-0.3, -0.2, Theory(-0.5, "", "upper bound"), "kernel_change_worst", "disagrees"),
        (-0.9, 0.05, Theory(0.0, "", "upper bound"), "kernel_change_worst", "agrees"),
        (-0.9, 0.55, Theory(0.0, "", "upper bound"), "kernel_change_worst", "undecided"),
    ],
)
def test_the_three_answers(low, high, theory, quantity, answer):
    assert agreement(fitted(low, high), theory, quantity) == answer


def test_no_claim():
    claim = Theory(-0.5, "")
    for fit, theory in ((fitted(-0.6, -0.4), None), (Fit(note="exactly 0"), claim), (Fit(slope=-0.5), claim)):
        assert agreement(fit, theory, "hessian_norm") is None and excess(fit, theory) is None


def test_a_second_reduction_follows_the_first():
    theory, fit = {"fc:depth=3": {"hessian_norm": Theory(-0.5, "L10")}}, fitted(-0.6, -0.4)
    assert theory_of(theory, "fc:depth=3", "hessian_norm:max", fit) == Theory(-0.5, "L10")
    assert theory_of(theory, "fc:depth=3", "other", fit) is None
    assert theory_of(theory, "fc", "hessian_norm", fit) is None


def test_a_claim_on_large_widths_is_silent_below():
    theory = {"neck:k=8": {"hessian_norm": Theory(0.0, "us", from_width=64)}}
    answers = [theory_of(theory, "neck:k=8", "hessian_norm", fitted(-0.6, -0.4, width)) for width in (32, 64, None)]
    assert answers == [None, Theory(0.0, "us", from_width=64), None]

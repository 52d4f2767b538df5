"""Agreement is the meeting of two intervals."""

from __future__ import annotations

from hypothesis import given, strategies as st

from ntkbench.analysis.agreement import MARGIN, agrees, theory_of
from ntkbench.analysis.scaling import Fit
from ntkbench.types import Theory

EXPONENTS = st.floats(-3, 3)


@given(slope=EXPONENTS, half=st.floats(0, 1), exponent=EXPONENTS)
def test_agreement_is_symmetric(slope, half, exponent):
    fit, mirrored = (Fit(slope=s, low=s - half, high=s + half) for s in (slope, -slope))
    answer = agrees(fit, Theory(exponent, ""))
    assert answer == agrees(mirrored, Theory(-exponent, ""))
    swapped = Fit(slope=exponent, low=exponent - MARGIN, high=exponent + MARGIN)
    if abs(abs(slope - exponent) - half - MARGIN) > 1e-9:
        assert answer == agrees(swapped, Theory(slope, ""), margin=half)
        assert answer == (abs(slope - exponent) <= half + MARGIN)


def test_no_claim():
    fit = Fit(slope=-0.5, low=-0.6, high=-0.4)
    assert agrees(fit, None) is None
    assert agrees(Fit(note="exactly 0"), Theory(-0.5, "")) is None
    assert agrees(Fit(slope=-0.5), Theory(-0.5, "")) is None


def test_the_margin():
    fit = Fit(slope=-0.3, low=-0.34, high=-0.26)
    assert agrees(fit, Theory(-0.5, "")) is False
    assert agrees(Fit(slope=-0.3, low=-0.36, high=-0.24), Theory(-0.5, "")) is True


def test_a_second_reduction_follows_the_first():
    theory = {"fc": {"hessian_norm": Theory(-0.5, "L10")}}
    assert theory_of(theory, "fc", "hessian_norm:max") == Theory(-0.5, "L10")
    assert theory_of(theory, "fc", "other") is None and theory_of(theory, "cnn", "hessian_norm") is None

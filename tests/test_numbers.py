"""Numbers are printed with the digits they have earned."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ntkbench import numbers


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
        (0.0, "0"),
        (0.21, "0.210"),
        (0.06812, "0.0681"),
        (-1.5, "-1.50"),
        (1234.5, "1230"),
        (9999.0, "1.00e4"),
        (0.001, "0.00100"),
        (0.0009999, "0.00100"),
        (0.00068, "6.80e-4"),
        (1e-300, "1.00e-300"),
        (123456.0, "1.23e5"),
    ],
)
def test_values(number, text):
    assert numbers.value(number) == text


@pytest.mark.parametrize(
    ("slope", "half", "text"),
    [
        (None, None, "–"),
        (-0.451, 0.0254, "-.45±.03"),
        (0.018, 0.056, "+.02±.06"),
        (-0.001, 0.03, "+.00±.03"),
        (-1.05, 0.12, "-1.05±.12"),
        (-0.5, 1e-12, "-.50±.01"),
        (-0.84, 2.13, "-.8±2.2"),
        (1.0, 0.992, "+1.0±1.0"),
        (3.2, 9.95, "+3±10"),
        (3.2, 45.6, "+3±46"),
        (-0.5, None, "-.50±?"),
    ],
)
def test_exponents(slope, half, text):
    assert numbers.exponent(slope, half) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (-0.5, "-½"),
        (-0.75, "-¾"),
        (-1, "-1"),
        (-1.5, "-3/2"),
        (-0.33, "-0.33"),
        (-1 / 3, "-⅓"),
        (0.5, "½"),
    ],
)
def test_theory(number, text):
    assert numbers.theory_exponent(number) == text


@given(st.floats(-1e308, 1e308))
def test_a_printed_value_is_near_the_value(number):
    assert float(numbers.value(number)) == pytest.approx(number, rel=0.0051, abs=1e-323)


@given(slope=st.floats(-9, 9), half=st.floats(0, 9))
def test_a_printed_half_width_is_never_too_small(slope, half):
    printed = numbers.exponent(slope, half).split("±")
    assert float(printed[1]) >= half - 1e-8
    assert float(printed[0]) == pytest.approx(slope, abs=0.0501)
    assert len("±".join(printed)) <= 9


@pytest.mark.parametrize(("seconds", "text"), [(4.6, "0:05"), (750, "12:30"), (3723, "1:02:03")])
def test_clock(seconds, text):
    assert numbers.clock(seconds) == text

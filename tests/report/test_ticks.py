"""Labels of widths do not touch; every axis of values has at least two labels, all within it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from ntkbench.report.ticks import labelled, log_numbers, round_numbers


@pytest.mark.parametrize(
    ("widths", "shown"),
    [
        ([64, 128, 256, 512], [64, 128, 256, 512]),
        ([16, 20, 32, 40, 52, 64, 80, 104, 128, 208, 256, 512], [16, 32, 64, 128, 256, 512]),
        ([7], [7]),
        ([], []),
    ],
)
def test_neighbours_are_left_out(widths, shown):
    assert labelled(widths) == shown


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (0.69, 0.85, [0.7, 0.75, 0.8, 0.85]),
        (0.55, 1.25, [0.6, 0.8, 1.0, 1.2]),
        (0.15, 1.5, [0.2, 0.5, 1]),
        (1.2, 60, [2, 5, 10, 20, 50]),
        (0.05, 200, [0.1, 1, 10, 100]),
    ],
)
def test_small_ranges_of_a_logarithmic_axis_have_labels(low, high, shown):
    assert log_numbers(math.log10(low), math.log10(high)) == pytest.approx(shown)


@given(st.floats(-320, 305), st.floats(0.02, 600))
def test_every_logarithmic_axis_has_at_least_two_different_labels(low, decades):
    high = min(low + decades, 308.2)
    shown = log_numbers(low, high)
    assert 2 <= len({f"{number:g}" for number in shown}) == len(shown) < 20
    assert all(low - 1e-9 <= math.log10(number) <= high + 1e-9 for number in shown)


@given(st.floats(-1e30, 1e30), st.floats(1e-3, 1e3))
def test_every_linear_axis_has_labels_within_it(low, spread):
    high = low + spread * max(abs(low), 1e-3)
    shown = round_numbers(low, high)
    assert 2 <= len(shown) < 8
    assert all(low - 1e-9 * (high - low) <= number <= high + 1e-9 * (high - low) for number in shown)

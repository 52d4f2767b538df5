"""Texts on verdicts."""

from __future__ import annotations

import pytest
from factories import QUANTITIES, SLOPES, sweep

from ntkbench.analysis.verdicts import GD, WORST, verdicts
from ntkbench.report.verdict_words import tenth

WIDTHS = (64, 128, 256, 512, 1024)
CATALOGUE = {name: {quantity.key: quantity for quantity in quantities} for name, quantities in QUANTITIES.items()}


def judged(slope, scale):
    slopes = SLOPES | {WORST: slope, GD: slope}
    return verdicts(sweep(slopes=slopes, scale=scale, noise=0.01, widths=WIDTHS, seeds=5), CATALOGUE, {})[0]


def test_the_width_of_a_change_of_a_tenth_follows_from_the_law():
    found = judged(-0.5, 0.25)
    last = found.laws[WORST].fit.last_value
    assert float(tenth(found)) == pytest.approx(1024 * (last / 0.1) ** 2, rel=0.06)


@pytest.mark.parametrize(
    ("slope", "scale", "text"),
    [(-0.5, 0.7, "> 1024"), (-0.5, 0.05, "< 64"), (0.0, 0.7, "∞"), (0.0, 0.05, "< 64"), (0.5, 0.05, "∞")],
)
def test_beyond_the_measured_widths_only_the_side_is_known(slope, scale, text):
    assert tenth(judged(slope, scale)) == text


def test_a_law_that_does_not_fall_has_no_width_of_a_tenth():
    found = verdicts(sweep("fe", slopes=SLOPES | {WORST: 0.05, GD: -0.5}, noise=0.4, seeds=2), CATALOGUE, {})[0]
    assert found.states[WORST].name == "open" and found.laws[WORST].fit.slope > 0
    assert tenth(found) == "", "by the law, it would be 0.1 at a width of about 1e-14"

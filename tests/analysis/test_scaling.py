"""Exact laws are recovered, the interval covers, and what has no law says why."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, strategies as st

from ntkbench.analysis.scaling import fit_power_law, rounding_level, student_t
from ntkbench.errors import NtkbenchError

WIDTHS = (64, 128, 256, 512)
SLOPES = st.floats(-3, 3)


def grid(law, widths=WIDTHS, seeds=3):
    places = [(width, seed) for width in widths for seed in range(seeds)]
    return [w for w, _ in places], [s for _, s in places], [law(w, s) for w, s in places]


@given(slope=SLOPES, scale=st.floats(1e-6, 1e6), effect=st.floats(0, 2))
def test_exact_laws_are_recovered(slope, scale, effect):
    fit = fit_power_law(*grid(lambda width, seed: scale * math.exp(effect * seed) * width**slope))
    assert fit.slope == pytest.approx(slope, abs=1e-9)
    assert fit.low <= fit.slope <= fit.high and fit.high - fit.low < 1e-6
    assert (fit.n, fit.n_widths, fit.n_seeds, fit.first_width, fit.last_width) == (12, 4, 3, 64, 512)
    assert fit.first_value == pytest.approx(scale * math.exp(effect) * 64**slope)
    assert fit.note == ""


@given(
    values=st.lists(st.floats(0.01, 100), min_size=12, max_size=12),
    scale=st.floats(1e-3, 1e3),
    order=st.randoms(use_true_random=False),
)
def test_slope_ignores_scale_and_order(values, scale, order):
    widths, seeds, _ = grid(lambda width, seed: 0.0)
    fit = fit_power_law(widths, seeds, values)
    rows = list(zip(widths, seeds, [scale * value for value in values], strict=True))
    order.shuffle(rows)
    moved = fit_power_law(*zip(*rows, strict=True))
    for name in ("slope", "low", "high", "stderr"):
        assert getattr(moved, name) == pytest.approx(getattr(fit, name), abs=1e-8)


def test_against_the_textbook():
    """One seed: scipy's simple regression is the second route."""
    stats = pytest.importorskip("scipy.stats")
    values = [1.0, 0.8, 0.45, 0.37]
    fit = fit_power_law(WIDTHS, [0] * 4, values)
    other = stats.linregress([math.log(w) for w in WIDTHS], [math.log(v) for v in values])
    assert fit.slope == pytest.approx(other.slope, rel=1e-12)
    assert fit.stderr == pytest.approx(other.stderr, rel=1e-12)
    assert fit.r_squared == pytest.approx(other.rvalue**2, rel=1e-12)
    assert fit.high - fit.slope == pytest.approx(stats.t.ppf(0.975, 2) * other.stderr, rel=1e-9)
    assert student_t(2) == pytest.approx(stats.t.ppf(0.975, 2), rel=1e-9)


def test_the_interval_covers_in_95_of_100_draws():
    """Binomial: 0.95 ± 0.011 at 400 draws; the gate is three of these wide."""
    draw = random.Random(20)
    covered = 0
    for _ in range(400):
        effects = [draw.gauss(0, 0.5) for _ in range(3)]
        fit = fit_power_law(*grid(lambda w, s: math.exp(effects[s] + draw.gauss(0, 0.1)) * w**-0.5))  # noqa: B023
        covered += fit.low is not None and fit.low <= -0.5 <= fit.high  # a refused exponent does not cover
    assert 0.92 <= covered / 400 <= 0.98


def test_zeros_have_no_exponent():
    exact = fit_power_law(*grid(lambda width, seed: 0.0), floors=1e-6)
    assert exact.slope is None and exact.is_zero and exact.last_value == 0 and exact.note == "exactly 0"
    rounding = fit_power_law(*grid(lambda width, seed: 1e-7 * (seed - 1)), floors=rounding_level("float32"))
    assert rounding.slope is None and rounding.is_zero and rounding.note == "0 to rounding"
    some = fit_power_law(*grid(lambda width, seed: float(width > 64)))
    assert some.slope is None and not some.is_zero and some.note.startswith("3 of 12 values are 0")
    assert rounding_level("float64") < 1e-13
    assert rounding_level("float32") > 5e-6


def test_negative_values_have_no_exponent():
    fit = fit_power_law(*grid(lambda width, seed: -1.0 if width == 64 else 1.0))
    assert fit.slope is None and fit.note == "3 of 12 values are negative" and fit.first_value == -1


def test_missing_values_are_left_out_and_counted():
    widths, seeds, values = grid(lambda width, seed: width**-0.5)
    values[0], values[5] = None, math.nan
    fit = fit_power_law(widths, seeds, values)
    assert fit.slope == pytest.approx(-0.5) and fit.n == 10 and fit.note == "2 of 12 values are missing"
    assert fit_power_law(widths, seeds, [None] * 12).note == "no value"
    assert fit_power_law([], [], []).note == "no value"


def test_small_designs():
    assert fit_power_law([64, 64], [0, 1], [1.0, 3.0]).note == "one width"
    assert fit_power_law([64, 64], [0, 1], [1.0, 3.0]).first_value == 2
    two = fit_power_law([64, 128], [0, 0], [1.0, 0.5])
    assert two.slope == pytest.approx(-1) and two.low is None and "interval" in two.note
    three = fit_power_law([64, 128, 256], [0, 0, 0], [1.0, 0.5, 0.3])
    assert three.low < three.slope < three.high
    crossed = fit_power_law([64, 128], [0, 1], [1.0, 0.5])
    assert crossed.slope is None and crossed.note == "no seed has two widths"
    assert fit_power_law(*grid(lambda width, seed: 2.0)).slope == 0


def test_lengths_must_match():
    with pytest.raises(NtkbenchError, match="equally many widths"):
        fit_power_law([1, 2], [0], [1.0])


PLACES = [(width, seed) for width in (64, 128, 256, 512, 1024) for seed in range(5)]


def fitted(law, scatter=0.01):
    values = [law(width) * (1 + scatter * ((7 * seed + width // 64) % 5 - 2)) for width, seed in PLACES]
    return fit_power_law(*zip(*PLACES, strict=True), values)


def test_an_exact_power_law_has_no_misfit():
    assert fitted(lambda width: width**-0.5, scatter=0).misfit < 1e-9


def test_a_bend_is_refused():
    fit = fitted(lambda width: 4 if width in (128, 512) else 1)
    assert fit.slope is None and fit.from_width is None and fit.note == "no power law fits the values"
    assert fit.misfit > 0.3 and fit.misfit_p < 0.01


def test_the_law_holds_from_a_width_on():
    fit = fitted(lambda width: max(width, 256) ** -1.0)
    assert fit.from_width == 256 and fit.slope == pytest.approx(-1, abs=0.02) and "from width 256 on" in fit.note
    assert fit.first_width == 64


def test_a_bend_within_the_scatter_is_no_reason():
    fit = fitted(lambda width: 1.2 if width == 256 else 1, scatter=0.3)
    assert fit.misfit_p > 0.01 and fit.slope is not None and fit.from_width == 64

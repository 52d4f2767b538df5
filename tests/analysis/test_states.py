"""States of single series: what decays, falls, is flat, plateaus, grows, and what stays open."""

from __future__ import annotations

import math

import numpy as np
import pytest
from law_coverage import CASES, KINDS, NOISES, rates

from ntkbench.analysis.scaling import fit_power_law
from ntkbench.analysis.states import state_of

WIDTHS = (64, 128, 256, 512, 1024)


def state(law, widths=WIDTHS, seeds=5, noise=0.02, seed=1, **options):
    random = np.random.default_rng(seed)
    levels = random.normal(size=seeds) * 0.3
    points = [(m, s, law(m) * math.exp(levels[s] + noise * random.normal())) for m in widths for s in range(seeds)]
    return state_of(fit_power_law(*map(list, zip(*points, strict=True))), points, **options)


def floor(share, slope=-0.5, last=1024):
    return lambda m: (1 - share) * (m / last) ** slope + share


def saturated(m):
    return 1 / (1 + math.sqrt(m / 1024))


@pytest.mark.parametrize(
    ("law", "options", "name"),
    [
        (lambda m: m**-0.5, {"noise": 0.01}, "decays"),
        (lambda m: m**-1.0, {}, "decays"),
        (lambda m: m**-0.5, {"noise": 0.1}, "falls"),
        (floor(0.25), {}, "falls"),
        (floor(0.5), {"seeds": 3}, "falls"),
        (floor(0.5, -1.0), {}, "plateaus"),
        (lambda m: m**-0.5 * (1 + 3 * (m / 64) ** -0.5), {"seeds": 10}, "falls"),
        (lambda m: 1.0, {}, "flat"),
        (lambda m: m**-0.1, {}, "flat"),
        (lambda m: max(m / 256, 1) ** -0.5, {"widths": (16, 32, 64, 128, 256, 512)}, "open"),
        (lambda m: max(64 / m, 0.25) + 0.01 * (m / 1024) ** -0.5, {"widths": (64, 128, 256, 512, 1024, 2048)}, "flat"),
        (lambda m: m**0.5, {}, "grows"),
        (lambda m: m**-0.2, {"noise": 0.1}, "open"),
    ],
)
def test_the_states(law, options, name):
    assert state(law, **options).name == name


def test_flat_in_the_end_says_from_where():
    """A bottleneck of 256 swept from 64 on: it falls while the swept layers are the narrow ones, then stays."""
    found = state(lambda m: max(256 / m, 1.0) ** 0.5, (64, 128, 256, 512, 1024), noise=0.01)
    assert found.name == "flat" and found.from_width in (128, 256) and abs(found.slope) < 0.2


@pytest.mark.parametrize(
    ("law", "widths", "seeds", "noise"),
    [
        (lambda m: m**-0.25, (32, 64, 128, 256, 512, 1024), 5, 0.25),
        (lambda m: m**-0.25, (32, 80, 208, 512), 3, 0.25),
        (lambda m: 1 / (1 + math.sqrt(m / 256)), (32, 80, 208, 512), 3, 0.25),
    ],
)
def test_noisy_slow_falls_are_seldom_called_flat(law, widths, seeds, noise):
    """400 draws of one quantity: half of 2.5 %, for a verdict has two, and three binomial standard errors."""
    found = [state(law, widths, seeds, noise, seed=draw).name for draw in range(400)]
    assert found.count("flat") / 400 <= 0.0125 + 3 * (0.0125 * 0.9875 / 400) ** 0.5


def test_noisy_constants_are_mostly_called_flat():
    found = [state(lambda m: 1.0, (32, 80, 208, 512), 3, 0.25, seed=draw).name for draw in range(200)]
    assert found.count("flat") / 200 >= 0.4


def test_what_may_grow_but_does_not_fall_is_flat():
    found = state(lambda m: m**0.1, (32, 80, 208, 512), 3, 0.1, seed=3)
    assert found.name == "flat" and found.high > 0.2


def test_four_widths_do_not_tell_a_floor_from_a_correction():
    assert state(floor(0.5, -1.0, 512), WIDTHS[:4]).name == "falls"
    assert state(floor(0.5, -1.0), WIDTHS).name == "plateaus"


def test_a_floor_has_to_survive_without_the_smallest_width():
    """One value that is too large at the smallest width looks like a fall to a floor."""
    assert state(lambda m: m**-0.3 * (1.6 if m == 64 else 1.0)).name != "plateaus"


def test_what_steepens_is_not_flat():
    assert state(saturated, noise=0.005).name != "flat"


def test_a_floor_is_measured_by_the_scale_that_is_given():
    """A floor of kernel_change_gd that is small beside the last kernel_change_worst does not count."""
    assert state(lambda m: m**-1.0, noise=0.3, seeds=5).name == "falls"
    assert state(lambda m: m**-1.0, noise=0.3, seeds=5, scale=10.0).name == "decays"
    assert state(lambda m: 1.0, noise=0.05, scale=10.0).name == "flat"


def test_a_wider_confidence_decides_less():
    assert state(lambda m: m**-0.5, noise=0.025).name == "decays"
    assert state(lambda m: m**-0.5, noise=0.025, confidence=0.9999).name == "falls"


def test_values_at_rounding_level_are_not_flat():
    """A network that is linear up to rounding: some of its values exceed the level, and all are the same."""
    random, level = np.random.default_rng(0), 1.1e-14
    points = [(m, s, level * math.exp(0.1 * random.normal())) for m in WIDTHS for s in range(5)]
    fit = fit_power_law(*map(list, zip(*points, strict=True)), level)
    assert fit.slope is None and "at rounding level" in fit.note
    assert state_of(fit, points).name == "open"
    assert state_of(fit_power_law(*map(list, zip(*points, strict=True))), points).name == "flat"


def test_zero_and_nothing():
    assert state_of(fit_power_law([64, 128], [0, 0], [0.0, 0.0]), []).name == "zero"
    assert state_of(fit_power_law([64], [0], [1.0]), [(64, 0, 1.0)]).name == "open"
    fit = fit_power_law([64, 128, 64, 128], [0, 0, 1, 1], [1.0, 0.0, 1.0, 0.5])
    assert state_of(fit, [(64, 0, 1.0), (64, 1, 1.0), (128, 1, 0.5)]).name == "open", "some values are 0"


def test_the_numbers_of_a_floor():
    found = state(floor(0.5, -1.0), seeds=10).floors
    assert found.low < 0.5 < found.high and found.slope_low < -1.0 < found.slope_high
    assert found.share == pytest.approx(0.5, abs=0.06)
    assert state(lambda m: m**-0.5, noise=0.005).floors.high < 0.25


def test_intervals_of_floors_between_the_points_of_the_grid_cover():
    """A high floor is known to a few percent, less than a step of the grid: 60 draws, three standard errors."""
    found = [state(floor(0.925, -1.0), seed=seed).floors for seed in range(60)]
    assert sum(each.low <= 0.925 <= each.high for each in found) >= 52
    assert max(each.high - each.low for each in found) < 0.1


def test_a_floor_in_quadrature_is_named_and_covered():
    found = [
        state(lambda m: math.sqrt(0.19 * (m / 1024) ** -2.0 + 0.81), WIDTHS, 10, 0.01, seed).floors
        for seed in range(40)
    ]
    assert all(each.in_quadrature for each in found)
    assert sum(each.quadrature_low <= 0.9 <= each.quadrature_high for each in found) >= 34
    assert found[0].makes_up("it").endswith("% of it in quadrature") and found[0].high < 0.9
    added = state(floor(0.5, -1.0), seeds=10).floors
    assert (
        not added.in_quadrature
        and added.makes_up("it") == f"a floor makes up {added.low:.0%} to {added.high:.0%} of it"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("noise", NOISES)
def test_intervals_cover(noise, kind):
    """300 draws: three binomial standard errors around 95 %."""
    for case in (CASES[0], *CASES[2:4]):
        found = rates(case, noise, kind, 300, "closed")
        assert found.slope >= 0.91 and found.floor >= 0.91


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"slope {case.slope:g} floor {case.share:g}")
def test_intervals_cover_over_2000_draws(case, noise, kind):
    found = rates(case, noise, kind, 2000, "closed")
    assert found.slope >= 0.925 and (found.floor is None or found.floor >= 0.925)

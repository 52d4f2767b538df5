"""Floors and ranges: the law that is refused, the range that is kept, and the tail that is named."""

from __future__ import annotations

import pytest
from law_coverage import CASES, KINDS, NOISES, SEEDS, WIDTHS, rates

from ntkbench.analysis.scaling import fit_power_law

PLACES = [(width, seed) for width in WIDTHS for seed in range(SEEDS)]


def fitted(law, scatter=0.01):
    values = [law(width) * (1 + scatter * ((7 * seed + width // 64) % 5 - 2)) for width, seed in PLACES]
    return fit_power_law(*zip(*PLACES, strict=True), values)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_an_exact_floor_is_found(share):
    fit = fitted(lambda width: (1 - share) * (width / 1024) ** -0.7 + share, scatter=0)
    assert fit.floor == pytest.approx(share, abs=0.01) and fit.tail == "plateaus"


def test_an_exact_power_law_decays():
    fit = fitted(lambda width: width**-0.5, scatter=0)
    assert fit.floor == 0 and fit.floor_high == 0 and fit.tail == "decays" and fit.misfit < 1e-9


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


def test_a_steep_start_of_four_widths_is_no_floor():
    """The two upper steps fall by the same factor: only the smallest width speaks for a floor."""
    values = {32: 1.2, 64: 0.5, 128: 0.35, 256: 0.245}
    places = [(width, seed) for width in values for seed in range(3)]
    scatter = [(1 + 0.05 * ((2 * seed + width // 32) % 3 - 1)) for width, seed in places]
    fit = fit_power_law(*zip(*places, strict=True), [values[w] * s for (w, _), s in zip(places, scatter, strict=True)])
    assert fit.floor > 0.2 and fit.floor_low <= 0.1 and fit.tail != "plateaus"


def test_a_plain_floor_of_four_widths_is_found():
    places = [(width, seed) for width in (64, 128, 256, 512) for seed in range(3)]
    values = [(0.9 + 100 * width**-1.5) * (1 + 0.003 * ((2 * seed + width // 64) % 3 - 1)) for width, seed in places]
    assert fit_power_law(*zip(*places, strict=True), values).tail == "plateaus"


def test_what_grows_has_no_floor():
    fit = fitted(lambda width: width**0.5)
    assert fit.floor is None and fit.tail == "undecided"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("noise", NOISES)
def test_intervals_cover_and_tails_are_seldom_wrong(noise, kind):
    """300 draws: three binomial standard errors around 95 %, and around the 5 % of wrong tails."""
    for case in CASES[2:4]:
        assert rates(case, noise, kind, 300, "closed").slope >= 0.91
    found = rates(CASES[0], noise, kind, 300, "closed")
    assert 0.91 <= found.slope <= 0.99 and found.floor >= 0.91 and found.wrong <= 0.05 + 0.038


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"slope {case.slope:g} floor {case.share:g}")
def test_over_2000_draws(case, noise, kind):
    found = rates(case, noise, kind, 2000, "closed")
    assert 0.925 <= found.slope <= (0.975 if noise <= 0.1 or not case.share else 1)
    # A share lies between 0 and 1: where that bounds the interval it may cover more.
    assert found.floor is None or 0.925 <= found.floor <= (0.975 if case.share and noise <= 0.03 else 1)
    assert found.wrong <= 0.05
    assert noise != 0.03 or case.right != "plateaus" or found.right >= 0.8

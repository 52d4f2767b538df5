"""What would decide: the advised design decides, costs little, and is honest where nothing does."""

from __future__ import annotations

import numpy as np
import pytest
import verdict_errors as simulation

from ntkbench.analysis.advice import ENOUGH, MOST_SEEDS

CASES = {case.name: case for case in simulation.CASES}


def undecided(name, design, noise, draws, seed=0):
    random = np.random.default_rng(seed)
    widths, seeds = design
    for _ in range(draws):
        data = simulation.Data.draw(CASES[name], widths, seeds, noise, random)
        found = data.verdict()
        if not found.decided:
            yield data, found, random


@pytest.mark.parametrize(
    ("name", "design", "noise"),
    [
        ("m^-1", ((64, 128, 256, 512), 3), 0.03),
        pytest.param("m^-1 + floor 50%", ((64, 128, 256, 512), 3), 0.03, marks=pytest.mark.slow),
        ("flat", ((64, 128, 256, 512), 3), 0.25),
        ("m^-1 + floor 50%", ((64, 128, 256, 512, 1024), 10), 0.1),
    ],
)
def test_following_the_advice_decides(name, design, noise):
    """In four of five draws with a design that is likely to decide, it does; and not the wrong way round."""
    followed, decided = 0, 0
    for data, found, random in undecided(name, design, noise, 40):
        if found.advice.decides:
            more = data.extended(found.advice.more_seeds, found.advice.more_widths, noise, random).verdict()
            followed, decided = followed + 1, decided + more.decided
            assert not more.decided or more.name == CASES[name].truth
    assert followed >= 5 and decided >= 0.8 * followed


def test_advice_is_within_its_bounds_and_repeatable():
    for data, found, _ in undecided("m^-0.5", ((64, 128, 256, 512), 3), 0.1, 5):
        advice = found.advice
        assert 3 + advice.more_seeds <= MOST_SEEDS and 0 <= advice.power <= 1 and advice.words()
        assert data.verdict().advice == advice
        assert f"{advice.power:.0%} of simulations" in found.what_would_decide()


def test_it_says_when_nothing_is_likely_to_decide():
    """At noise 0.25 no design within bounds tells m^-0.5 from a floor, and the chance is stated."""
    for _, found, _ in undecided("m^-0.5", ((64, 128, 256, 512), 3), 0.25, 4):
        assert not found.advice.decides and found.advice.power < ENOUGH
        assert f"{found.advice.power:.0%} of simulations" in found.what_would_decide()


def test_a_cheaper_design_is_preferred():
    """Flat and noisy: seeds at the widths that are there, no wider networks."""
    for _, found, _ in undecided("flat", ((64, 128, 256, 512), 3), 0.25, 5):
        assert found.advice.more_widths <= 1

"""Verdicts on simulated networks are seldom the wrong way round."""

from __future__ import annotations

import pytest
import verdict_errors as simulation

PLACES = [
    (number, noise, design)
    for number, case in enumerate(simulation.CASES)
    if case.truth
    for noise in simulation.NOISES
    for design in simulation.DESIGNS
]


def name(place):
    number, noise, design = place
    return f"{simulation.CASES[number].name}, noise {noise:g}, {design}"


def wrong(place, draws):
    """Return the share of verdicts that are the wrong way round."""
    truth = simulation.CASES[place[0]].truth
    counts = simulation.rates(place, draws)
    return counts["non-linear" if truth == "linear" else "linear"] / draws


def test_wrong_verdicts_are_rare_over_all_laws():
    """30 draws of every law, noise and design: at most 2.5 % of all are wrong."""
    assert sum(wrong(place, 30) for place in PLACES[::3]) / len(PLACES[::3]) <= 0.025


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("place", PLACES, ids=name)
def test_wrong_verdicts_are_rare_in_every_row(place):
    """400 draws each: 2.5 % and three binomial standard errors."""
    assert wrong(place, 400) <= 0.025 + 3 * (0.025 * 0.975 / 400) ** 0.5


def test_the_cases_cover_both_truths_and_what_counts_as_neither():
    truths = [case.truth for case in simulation.CASES]
    assert {"linear", "non-linear", ""} == set(truths) and len({case.name for case in simulation.CASES}) == len(truths)


def test_extending_keeps_what_was_drawn():
    import numpy as np

    random = np.random.default_rng(0)
    data = simulation.Data.draw(simulation.CASES[0], (64, 128, 256), 3, 0.1, random)
    more = data.extended(2, 1, 0.1, random)
    assert more.widths == (64, 128, 256, 512) and more.values.shape == (3, 5, 4)
    assert np.array_equal(more.values[:, :3, :3], data.values)

"""Ranks: pairs across seeds, tie groups, and the gap that a design resolves."""

from __future__ import annotations

import math
import random

from attrs import evolve
from factories import SLOPES, sweep

from ntkbench.analysis.laws import law, result_keys, series
from ntkbench.analysis.paired import ranking, seed_slopes
from ntkbench.types import Value


def laws(slopes, noise=0.02, seeds=6, drop=None):
    results = []
    for name, slope in slopes.items():
        each = sweep(name, slopes=SLOPES | {"kernel_change_worst": slope}, noise=noise, seeds=seeds)
        results += [one for one in each if drop is None or not drop(one.cell)]
    quantity = result_keys(results, {})["kernel_change_worst"]
    return [law(each, "kernel_change_worst", quantity, {}) for each in series(results)]


def test_clear_gaps_are_ranked_and_small_ones_tie():
    found = ranking(laws({"b": -0.5, "c": 0.0, "a": -1.0, "also-b": -0.5}))
    assert [rank.law.series.label for rank in found.ranks][0] == "a" and found.ranks[-1].law.series.label == "c"
    assert [rank.group for rank in found.ranks] == ["a", "b", "b", "c"]
    assert [(rank.low, rank.high) for rank in found.ranks] == [(1, 1), (2, 3), (2, 3), (4, 4)]
    assert 0.005 < found.smallest_gap < 0.1


def test_noise_ties_everybody():
    found = ranking(laws({"a": -0.5, "b": -0.45}, noise=0.5, seeds=3))
    assert {(rank.low, rank.high, rank.group) for rank in found.ranks} == {(1, 2, "a")}
    assert found.smallest_gap > 0.2


def test_pairs_share_the_seed():
    """What a seed does to both slopes cancels: gaps far smaller than the seeds' spread are resolved."""
    draw, found = random.Random(2), []
    tilt = [draw.gauss(0, 0.3) for _ in range(8)]
    for name, slope in (("a", -0.6), ("b", -0.5)):
        results = []
        for each in sweep(name, seeds=8):
            power = slope + tilt[each.cell.seed] + draw.gauss(0, 0.01)
            values = {key: Value(math.exp(power * math.log(each.cell.width / 64))) for key in each.values}
            results.append(evolve(each, values=values))
        quantity = result_keys(results, {})["kernel_change_worst"]
        found.append(law(series(results)[0], "kernel_change_worst", quantity, {}))
    assert found[0].fit.high > found[1].fit.low
    assert [rank.group for rank in ranking(found).ranks] == ["a", "b"]


def test_a_missing_seed_widens_the_rank():
    whole = ranking(laws({"a": -1.0, "b": -0.5, "c": 0.0}, noise=0.1))
    few = laws({"a": -1.0, "b": -0.5, "c": 0.0}, noise=0.1, drop=lambda cell: cell.label == "b" and cell.seed > 1)
    part = ranking(few)
    assert [(rank.low, rank.high) for rank in whole.ranks] == [(1, 1), (2, 2), (3, 3)]
    assert part.ranks[1].seeds == 2 and part.ranks[1].high - part.ranks[1].low >= 1


def test_zero_comes_first_and_what_has_no_seeds_last():
    zero = laws({"z": 0.0})[0]
    zero = evolve(zero, fit=evolve(zero.fit, is_zero=True, slope=None))
    one = laws({"one": -0.3}, seeds=1)[0]
    found = ranking([*laws({"a": -1.0, "b": 0.0}), zero, one])
    assert [rank.law.series.label for rank in found.ranks] == ["z", "a", "b"]
    assert [rank.group for rank in found.ranks] == ["a", "b", "c"] and found.unranked == (one,)
    assert seed_slopes(zero) == {} and ranking([]).ranks == () and ranking([]).smallest_gap is None

"""Verdicts follow the edges of metrics.md, and say what would decide."""

from __future__ import annotations

import math
import random

import pytest
from attrs import evolve
from factories import QUANTITIES, SLOPES, sweep

from ntkbench.analysis.laws import series
from ntkbench.analysis.scaling import Fit
from ntkbench.analysis.verdicts import verdicts, verdicts_frame
from ntkbench.types import Theory, Value

CATALOGUE = {name: {quantity.key: quantity for quantity in quantities} for name, quantities in QUANTITIES.items()}


def judge(slopes=SLOPES, theory=None, noise=0.03, **changes):
    results = sweep("fc", slopes=SLOPES | slopes, noise=noise, **changes)
    return verdicts(results, CATALOGUE, {"fc": theory or {}})[0]


def test_the_three_verdicts():
    assert judge().name == "linear" and judge({"kernel_change_worst": 0.0}).name == "non-linear"
    open_ = judge({"kernel_change_worst": -0.2}, noise=0.2)
    assert open_.name == "undecided" and "reaches over −0.2" in open_.reason
    grows = judge({"kernel_change_worst": 1.0})
    assert grows.name == "undecided" and "grows" in grows.reason and grows.more_seeds is None


def test_a_floor_is_non_linear():
    results = []
    for each in sweep("fc", noise=0.0, widths=(64, 128, 256, 512, 1024)):
        level = 1 + 0.02 * math.sin(each.cell.seed + each.cell.width)
        law = 0.5 * (each.cell.width / 1024) ** -0.9 + 0.5
        results.append(evolve(each, values={key: Value(level * law) for key in each.values}))
    found = verdicts(results, CATALOGUE, {})[0]
    assert found.law.fit.slope < -0.2 and found.name == "non-linear" and "is a floor" in found.reason


def test_a_gradient_that_falls_too_is_no_linearity():
    found = judge({"gradient_norm": -0.5})
    assert found.name == "undecided" and "gradient_norm" in found.reason


def test_theory_stands_beside():
    right = judge(theory={"kernel_change_worst": Theory(-0.5, "L17")})
    assert (right.theory, right.agrees) == ("linear", "agrees") and 0 < right.margin <= 0.1
    wrong = judge(theory={"kernel_change_worst": Theory(0.0, "L22")})
    assert (wrong.theory, wrong.agrees) == ("non-linear", "disagrees") and wrong.margin < 0
    assert judge().theory is None and judge().agrees is None and judge().margin is None


def test_what_theory_speaks_of_is_judged():
    assert judge(theory={"kernel_change_gd": Theory(-1.0, "H2")}).law.key == "kernel_change_gd"
    assert judge(theory={"gradient_norm": Theory(0.0, "L7")}).law.key == "kernel_change_worst"
    only = [each for each in sweep("fc") if each.cell.measurement == "hessian"]
    assert verdicts(only, CATALOGUE, {})[0].law.key == "hessian_norm"
    assert verdicts([each for each in sweep("fc") if each.cell.measurement == "gradient"], CATALOGUE, {}) == []


def test_zero_is_linear():
    zeros = [evolve(each, values={key: Value(0.0) for key in each.values}) for each in sweep("linear")]
    found = verdicts(zeros, CATALOGUE, {})[0]
    assert found.name == "linear" and "exactly 0" in found.reason


@pytest.mark.parametrize("slope", [-0.28, -0.1])
def test_the_advice_decides(slope):
    """Of 40 draws, more are decided with the advised seeds, and most with twice as many."""

    def decided(more_seeds, start):
        draw, count = random.Random(start), 0
        for _ in range(40):
            widths, seeds = (64, 128, 256, 512), 3 + more_seeds
            places = [(width, seed) for width in widths for seed in range(seeds)]
            values = [width**slope * math.exp(draw.gauss(0, 0.2)) for width, _ in places]
            results = [
                evolve(each, values={key: Value(value) for key in each.values})
                for (width, seed), value in zip(places, values, strict=True)
                for each in sweep("fc", widths=(width,), seeds=1)
                if each.cell.measurement == "ball"
                for each in [evolve(each, cell=evolve(each.cell, seed=seed))]
            ]
            count += verdicts(results, CATALOGUE, {})[0].name != "undecided"
        return count

    from ntkbench.analysis.verdicts import _what_would_decide

    stderr = 0.2 / math.sqrt(3 * 5 * math.log(2) ** 2)
    advice = _what_would_decide(Fit(slope=slope, stderr=stderr, n_seeds=3, n_widths=4))[0]
    assert 3 < advice < 100
    assert decided(0, 1) < decided(advice, 1) < decided(2 * advice, 1) and decided(2 * advice, 1) >= 24


def test_the_frame():
    frame = verdicts_frame(verdicts(sweep("fc"), CATALOGUE, {}))
    assert list(frame.verdict) == ["linear"] and frame.label[0] == series(sweep("fc"))[0].label

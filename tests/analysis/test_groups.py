"""Verdicts in order: by verdict, by exponent, with ties among what is comparable."""

from __future__ import annotations

from attrs import evolve
from factories import QUANTITIES, SLOPES, sweep

from ntkbench.analysis.groups import comparable, grouped, radius_of
from ntkbench.analysis.verdicts import NAMES, verdicts

CATALOGUE = {name: {quantity.key: quantity for quantity in quantities} for name, quantities in QUANTITIES.items()}


def found(*sweeps):
    return verdicts([result for each in sweeps for result in each], CATALOGUE, {})


def worst(name, slope, **changes):
    return sweep(name, slopes=SLOPES | {"kernel_change_worst": slope}, noise=0.005, seeds=5, **changes)


def at(radius, results):
    return [evolve(e, cell=evolve(e.cell, settings={**e.cell.settings, "radius": radius})) for e in results]


def order(of):
    return [(place.verdict.series.label, place.verdict.name, place.ties) for place in of.places]


def test_by_verdict_then_by_exponent():
    stays = sweep("stays", slopes=dict.fromkeys(SLOPES, 0.0), seeds=5)
    noisy = sweep("noisy", noise=0.6, seeds=5)
    of = grouped(found(noisy, stays, worst("slow", -0.5), worst("fast", -1.0), worst("as-fast", -1.0)))
    assert [name for _, name, _ in order(of)] == ["linear", "linear", "linear", "non-linear", "open"]
    labels, _, ties = zip(*order(of), strict=True)
    assert set(labels[:2]) == {"fast", "as-fast"} and labels[2] == "slow"
    assert ties[0] == ties[1] == "a" and ties[2] == "b" and of.radius == 1.0
    assert set(of.gaps) == {"linear"} and 0 < of.gaps["linear"] < 0.1


def test_zeros_come_first_and_what_was_not_measured_last():
    zero = sweep("zero", scale=0.0)
    no_worst = [each for each in sweep("gd-only") if each.cell.measurement in ("gd", "hessian", "gradient")]
    of = grouped(found(no_worst, worst("fc", -0.5), zero, sweep("noisy", noise=0.6)))
    assert [label for label, *_ in order(of)] == ["zero", "fc", "noisy", "gd-only"]
    assert order(of)[0] == ("zero", "linear", "a") and order(of)[-1] == ("gd-only", "open", "")


def test_only_the_commonest_radius_is_compared():
    of = found(worst("a", -1.0), worst("b", -0.5), at(5.0, worst("far", -0.75)))
    assert radius_of(of[2].series) == 5.0 and grouped(of).radius == 1.0
    assert order(grouped(of)) == [("a", "linear", "a"), ("far", "linear", ""), ("b", "linear", "b")]
    assert [law.series.label for law in comparable(of)["linear"]] == ["a", "b"]
    assert list(comparable(of)) == list(NAMES)


def test_nothing_is_grouped_too():
    of = grouped([])
    assert of.places == () and of.radius is None and of.gaps == {}

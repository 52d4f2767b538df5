"""Architectures in the order of a board: verdict by verdict, the steepest fall first, ties marked by letters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from .laws import Law, Series
from .paired import ranking
from .verdicts import NAMES, WORST, Name, Verdict


@frozen
class Place:
    """A verdict and what it ties with.

    ties: letters; architectures of one verdict that share one cannot be distinguished. Empty where the verdict was
    not compared with others: another radius, or exponents of fewer than two seeds.
    """

    verdict: Verdict
    ties: str = ""


@frozen
class Grouped:
    """Verdicts in order.

    places: by verdict, then by the exponent of kernel_change_worst, ascending.
    radius: the one that is compared; None where nothing was measured.
    gaps: for each verdict with a pair to compare, the median over its pairs of the smallest difference of exponents
    that a single paired comparison tells from 0 (95 %).
    apart: the pairs of places of one verdict that differ significantly, as (i, j) with i < j.
    unmarked: the number of tied pairs that share no letter, because a place would need too many.
    """

    places: tuple[Place, ...]
    radius: float | None
    gaps: Mapping[Name, float]
    apart: frozenset[tuple[int, int]] = frozenset()
    unmarked: int = 0


def grouped(found: Sequence[Verdict]) -> Grouped:
    """Return verdicts in order, with letters for ties (Holm's correction over the pairs of each verdict)."""
    rankings = {name: ranking(laws) for name, laws in comparable(found).items()}
    letters = {id(rank.law): rank.group for each in rankings.values() for rank in each.ranks}
    places = [Place(each, letters.get(id(each.laws.get(WORST)), "")) for each in sorted(found, key=_order)]
    gaps = {name: each.smallest_gap for name, each in rankings.items() if each.smallest_gap is not None}
    index = {id(place.verdict.laws.get(WORST)): i for i, place in enumerate(places)}
    apart = set()
    for each in rankings.values():
        for pair in each.apart:
            one, other = (index[id(each.ranks[i].law)] for i in pair)
            apart.add((min(one, other), max(one, other)))
    unmarked = sum(each.unmarked for each in rankings.values())
    return Grouped(tuple(places), _commonest_radius(found), gaps, frozenset(apart), unmarked)


def comparable(found: Sequence[Verdict]) -> dict[Name, list[Law]]:
    """Return the laws that are compared with each other: of kernel_change_worst, one verdict and the commonest radius.

    What falls and what stays are apart already, and exponents at two radii are of two quantities.
    """
    radius = _commonest_radius(found)
    return {
        name: [
            each.laws[WORST]
            for each in found
            if each.name == name and WORST in each.laws and radius_of(each.series) == radius
        ]
        for name in NAMES
    }


def radius_of(of: Series) -> float:
    """Return the radius R at which kernel_change_worst of a series was measured; 1 where no setting says so."""
    results = of.by_key.get(WORST) or of.results
    return float(results[0].cell.settings.get("radius", 1.0))


def _commonest_radius(found: Sequence[Verdict]) -> float | None:
    counts = Counter(radius_of(each.series) for each in found)
    return min(counts, key=lambda radius: (-counts[radius], radius), default=None)


def _order(of: Verdict) -> tuple[Any, ...]:
    fit = of.laws[WORST].fit if WORST in of.laws else None
    slope = math.inf if fit is None else -math.inf if fit.is_zero else math.inf if fit.slope is None else fit.slope
    return (NAMES.index(of.name), slope, of.series.label, of.series.condition)

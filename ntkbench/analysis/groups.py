"""Sort architectures as on a board: by verdict, then by exponent, steepest first. Letters mark ties."""

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
    """A verdict and its ties.

    Attributes:
        verdict: The verdict.
        ties: Letters. Architectures with the same verdict that share a letter cannot be distinguished. Empty if the
            architecture was not compared with others, because it was measured at another radius or has exponents in
            fewer than two seeds.
    """

    verdict: Verdict
    ties: str = ""


@frozen
class Grouped:
    """Verdicts in the order of a board.

    Attributes:
        places: Sorted by verdict, then by the exponent of kernel_change_worst, ascending.
        radius: The radius at which architectures are compared; None if nothing was measured.
        gaps: For each verdict with at least one comparable pair, the smallest difference of exponents that a single
            paired comparison can detect at 95 % confidence, as the median over pairs.
        apart: Pairs of places with the same verdict that differ significantly, as (i, j) with i < j.
        unmarked: Number of tied pairs that share no letter, because a place would need too many letters.
    """

    places: tuple[Place, ...]
    radius: float | None
    gaps: Mapping[Name, float]
    apart: frozenset[tuple[int, int]] = frozenset()
    unmarked: int = 0


def grouped(found: Sequence[Verdict]) -> Grouped:
    """Sort verdicts and mark ties by letters, with Holm's correction over the pairs of each verdict."""
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
    """Return the laws of kernel_change_worst that are compared with each other, by verdict.

    Only laws at the most common radius are compared, because exponents at different radii belong to different
    quantities. Architectures with different verdicts are distinguished already.
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
    """Return the radius R at which kernel_change_worst of a series was measured, 1 if the settings name none."""
    results = of.by_key.get(WORST) or of.results
    return float(results[0].cell.settings.get("radius", 1.0))


def _commonest_radius(found: Sequence[Verdict]) -> float | None:
    counts = Counter(radius_of(each.series) for each in found)
    return min(counts, key=lambda radius: (-counts[radius], radius), default=None)


def _order(of: Verdict) -> tuple[Any, ...]:
    fit = of.laws[WORST].fit if WORST in of.laws else None
    slope = math.inf if fit is None else -math.inf if fit.is_zero else math.inf if fit.slope is None else fit.slope
    return (NAMES.index(of.name), slope, of.series.label, of.series.condition)

"""Ranks of architectures, compared pairwise across the seeds they share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median, stdev

from attrs import frozen

from .laws import Law
from .scaling import student_t, within_seeds

LEVEL = 0.05


@frozen
class Rank:
    """Where an architecture stands among the others.

    slope: the mean of the seeds' exponents.   low, high: the ranks that the design cannot rule out, 1 the most linear.
    group: its letters; two that share a letter are not told apart.   seeds: those that count.
    """

    law: Law
    slope: float
    low: int
    high: int
    group: str
    seeds: int


@frozen
class Ranking:
    """Ranks in order, and what the design can resolve.

    smallest_gap: the median over pairs of the smallest difference of exponents that a single paired comparison tells
    from 0 (95 %), None with fewer than two architectures.   unranked: laws without exponents in two seeds.
    """

    ranks: tuple[Rank, ...]
    smallest_gap: float | None
    unranked: tuple[Law, ...]


def ranking(laws: Sequence[Law]) -> Ranking:
    """Rank architectures by their exponents of one quantity, the steepest fall first.

    Seeds share data and probes between architectures, so a pair is compared by its ratio, seed by seed: with three
    common widths or more by the exponent of the ratio (least squares within seeds), otherwise by the differences of
    the seeds' exponents; Student's t, with Holm's correction over all pairs at 5 %. An exact zero ranks before every
    exponent, tied with the other zeros. Pairs without two common seeds are not told apart, so a missing cell widens a
    rank.
    """
    zeros = [each for each in laws if each.fit.is_zero]
    slopes = [(each, seed_slopes(each)) for each in laws if not each.fit.is_zero]
    placed = sorted((pair for pair in slopes if len(pair[1]) > 1), key=lambda pair: fmean(pair[1].values()))
    gaps: list[float] = []
    tests: list[tuple[float, int, int]] = []
    for i, first in enumerate(placed):
        for j, second in enumerate(placed[:i]):
            found = _paired(first, second)
            if found is not None:
                tests.append((found[0], j, i))
                gaps.append(found[1])
    different = _holm(tests)
    n, before = len(placed), len(zeros)
    groups = _groups(n, different, before > 0)
    ranks = [Rank(each, -math.inf, 1, before, "a", len(each.series.seeds)) for each in zeros]
    for i, (each, own) in enumerate(placed):
        below = sum((j, i) in different for j in range(i))
        above = sum((i, j) in different for j in range(i + 1, n))
        rank = Rank(each, fmean(own.values()), before + 1 + below, before + n - above, groups[i], len(own))
        ranks.append(rank)
    unranked = tuple(each for each, own in slopes if len(own) < 2)
    return Ranking(tuple(ranks), median(gaps) if gaps else None, unranked)


def seed_slopes(of: Law) -> dict[int, float]:
    """Return the least-squares exponent of each seed with two positive values, over the law's range of widths."""
    if of.fit.slope is None:
        return {}
    by_seed: dict[int, list[tuple[float, float]]] = {}
    for width, seed, value in of.positive:
        if of.fit.from_width is None or width >= of.fit.from_width:
            by_seed.setdefault(seed, []).append((math.log(width), math.log(value)))
    slopes = {}
    for seed, points in by_seed.items():
        x_mean, y_mean = (fmean(column) for column in zip(*points, strict=True))
        sxx = math.fsum((x - x_mean) ** 2 for x, _ in points)
        if sxx > 0:
            slopes[seed] = math.fsum((x - x_mean) * (y - y_mean) for x, y in points) / sxx
    return slopes


def _paired(
    first: tuple[Law, Mapping[int, float]], second: tuple[Law, Mapping[int, float]]
) -> tuple[float, float] | None:
    """Return the p value of the paired difference of exponents, and the smallest difference it could resolve."""
    estimate = _of_ratio(first[0], second[0]) or _of_slopes(first[1], second[1])
    if estimate is None:
        return None
    from scipy.special import stdtr

    difference, error, freedom = estimate
    if error == 0:
        return float(difference == 0), 0.0
    return 2 * float(stdtr(freedom, -abs(difference) / error)), student_t(freedom) * error


def _of_ratio(first: Law, second: Law) -> tuple[float, float, int] | None:
    """Return exponent, standard error and degrees of freedom of the ratio at common widths and seeds."""
    one, other = (
        {(width, seed): value for width, seed, value in each.positive if width >= (each.fit.from_width or 0)}
        for each in (first, second)
    )
    common = sorted(one.keys() & other.keys())
    if len({width for width, _ in common}) < 3:
        return None
    points = [(width, seed, one[width, seed] / other[width, seed]) for width, seed in common]
    return within_seeds(points)


def _of_slopes(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[float, float, int] | None:
    """Return mean, standard error and degrees of freedom of the differences of the seeds' exponents."""
    differences = [first[seed] - second[seed] for seed in first.keys() & second.keys()]
    if len(differences) < 2:
        return None
    return fmean(differences), stdev(differences) / math.sqrt(len(differences)), len(differences) - 1


def _holm(tests: Sequence[tuple[float, int, int]]) -> set[tuple[int, int]]:
    """Return the pairs that differ at LEVEL, the chance of any false one kept below it (Holm 1979)."""
    found: set[tuple[int, int]] = set()
    for done, (p, first, second) in enumerate(sorted(tests)):
        if p > LEVEL / (len(tests) - done):
            break
        found.add((first, second))
    return found


def _groups(n: int, different: set[tuple[int, int]], shift: bool) -> list[str]:
    """Return each place's letters: two share one exactly when they are not told apart (Piepho 2004, insert-absorb)."""
    sets: list[frozenset[int]] = [frozenset(range(n))]
    for first, second in sorted(different):
        split = [
            part for each in sets for part in ([each - {first}, each - {second}] if {first, second} <= each else [each])
        ]
        split = list(dict.fromkeys(split))
        sets = [each for each in split if not any(each < other for other in split)]
    sets.sort(key=sorted)
    return ["".join(_letter(number + shift) for number, each in enumerate(sets) if i in each) for i in range(n)]


def _letter(number: int) -> str:
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)

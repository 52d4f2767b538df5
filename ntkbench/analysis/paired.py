"""Rank architectures by paired comparisons over the seeds that they share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean, median, stdev

from attrs import frozen

from .laws import Law
from .letters import letters, share
from .scaling import student_t, within_seeds

LEVEL = 0.05
CLOSE = 0.1  # exponents that differ by less than this count as equal; no seeds are added to separate them


@frozen
class Rank:
    """Rank of one architecture.

    Attributes:
        law: Its law.
        slope: Mean of the seeds' exponents.
        low: Smallest rank that cannot be ruled out; 1 is the most linear architecture.
        high: Largest rank that cannot be ruled out.
        group: Its letters, as returned by `letters`; architectures that share a letter are tied.
        seeds: Number of seeds with an exponent.
    """

    law: Law
    slope: float
    low: int
    high: int
    group: str
    seeds: int


@frozen
class Ranking:
    """Ranks in order, and the resolution of the comparison.

    Attributes:
        ranks: Ranks, the steepest fall first.
        smallest_gap: Smallest difference of exponents that a single paired comparison can detect at 95 % confidence, as
            the median over pairs; None with fewer than two architectures.
        unranked: Laws with exponents in fewer than two seeds.
        apart: Pairs of ranks that differ significantly, as (i, j) with i < j.
    """

    ranks: tuple[Rank, ...]
    smallest_gap: float | None
    unranked: tuple[Law, ...]
    apart: frozenset[tuple[int, int]] = frozenset()

    @property
    def unmarked(self) -> int:
        """Number of tied pairs that share no letter, because a row would need too many letters."""
        pairs = combinations(range(len(self.ranks)), 2)
        return sum(pair not in self.apart and not share(*(self.ranks[i].group for i in pair)) for pair in pairs)


def ranking(laws: Sequence[Law]) -> Ranking:
    """Rank architectures by their exponents of one quantity, the steepest fall first.

    All architectures use the same data and probes for a seed, so a pair is compared seed by seed. With three or more
    common widths the comparison uses the exponent of the ratio of the two (least squares within seeds), otherwise the
    differences of the seeds' exponents. The test is Student's t, with Holm's correction over all pairs at 5 %. An
    exact zero ranks before every exponent, tied with the other zeros. Pairs with fewer than two common seeds are not
    distinguished, so a missing cell widens the range of a rank. Neither are pairs whose comparison contradicts the
    order of their exponents, which is possible where one law has values at other widths or seeds than the other.
    """
    zeros = [each for each in laws if each.fit.is_zero]
    placed, few = _placed(laws)
    pairs = _pairs(placed)
    gaps = [pair.half_width for pair in pairs]
    different = {(pair.first, pair.second) for pair in _different(pairs) if pair.difference < 0}
    n, before = len(placed), len(zeros)
    groups = _groups(n, different, before > 0)
    ranks = [Rank(each, -math.inf, 1, before, "a", len(each.series.seeds)) for each in zeros]
    for i, (each, own) in enumerate(placed):
        below = sum((j, i) in different for j in range(i))
        above = sum((i, j) in different for j in range(i + 1, n))
        rank = Rank(each, fmean(own.values()), before + 1 + below, before + n - above, groups[i], len(own))
        ranks.append(rank)
    apart = {(i, before + j) for i in range(before) for j in range(n)}
    apart |= {(before + i, before + j) for i, j in different}
    return Ranking(tuple(ranks), median(gaps) if gaps else None, few, frozenset(apart))


def open_pairs(laws: Sequence[Law], level: float = LEVEL) -> list[tuple[Law, Law, int]]:
    """Return the pairs whose order is open, with the number of additional seeds that would settle each.

    A pair is settled if its comparison is significant at this level, or if its difference is known to be below CLOSE.
    The number of seeds assumes that the scatter stays as it is.
    """
    placed, _ = _placed(laws)
    pairs = _pairs(placed)
    different = _different(pairs, level)
    found = []
    for pair in pairs:
        half = pair.error * student_t(pair.freedom, 1 - level)
        if pair in different or abs(pair.difference) + half <= CLOSE:
            continue
        first, second = (placed[i] for i in (pair.first, pair.second))
        seeds = len(first[1].keys() & second[1].keys())
        # The half-width falls like 1/√seeds. It must shrink until the interval excludes 0 or lies within ±CLOSE.
        wanted = max(abs(pair.difference), CLOSE - abs(pair.difference))
        found.append((first[0], second[0], max(1, math.ceil(seeds * ((half / wanted) ** 2 - 1)))))
    return found


_Placed = tuple[Law, dict[int, float]]


def _placed(laws: Sequence[Law]) -> tuple[list[_Placed], tuple[Law, ...]]:
    """Return the laws with exponents in at least two seeds, sorted and with these exponents, and the other laws.

    Laws that are exactly zero are left out.
    """
    slopes = [(each, seed_slopes(each)) for each in laws if not each.fit.is_zero]
    placed = sorted((pair for pair in slopes if len(pair[1]) > 1), key=lambda pair: fmean(pair[1].values()))
    return placed, tuple(each for each, own in slopes if len(own) < 2)


@frozen
class _Pair:
    """Difference of the exponents of two laws, with its standard error and degrees of freedom."""

    first: int
    second: int
    difference: float
    error: float
    freedom: int

    @property
    def p(self) -> float:
        """The two-sided p-value of the hypothesis of no difference."""
        from scipy.special import stdtr

        if self.error == 0:
            return float(self.difference == 0)
        return 2 * float(stdtr(self.freedom, -abs(self.difference) / self.error))

    @property
    def half_width(self) -> float:
        """The smallest difference that can be resolved."""
        return student_t(self.freedom) * self.error


def _pairs(placed: Sequence[_Placed]) -> list[_Pair]:
    """Return every pair with enough common seeds to be compared, in the order of `placed`."""
    pairs = []
    for i, second in enumerate(placed):
        for j, first in enumerate(placed[:i]):
            estimate = _of_ratio(first[0], second[0]) or _of_slopes(first[1], second[1])
            if estimate is not None:
                pairs.append(_Pair(j, i, *estimate))
    return pairs


def most_judged(laws: Sequence[Law]) -> str:
    """Return the most common quantity of the laws. Only laws of the same quantity can be ranked."""
    keys = [each.key for each in laws]
    return max(keys, key=keys.count, default="")


def seed_slopes(of: Law) -> dict[int, float]:
    """Return the least-squares exponent of each seed with at least two positive values in the law's range of widths."""
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


def _of_ratio(first: Law, second: Law) -> tuple[float, float, int] | None:
    """Return exponent, standard error and degrees of freedom of the ratio at the common widths and seeds."""
    one, other = (
        {(width, seed): value for width, seed, value in each.positive if width >= (each.fit.from_width or 0)}
        for each in (first, second)
    )
    common = sorted(one.keys() & other.keys())
    widths, seeds = ({place[i] for place in common} for i in (0, 1))
    if len(widths) < 3 or len(seeds) < 2:
        return None
    points = [(width, seed, one[width, seed] / other[width, seed]) for width, seed in common]
    return within_seeds(points)


def _of_slopes(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[float, float, int] | None:
    """Return mean, standard error and degrees of freedom of the differences of the seeds' exponents."""
    differences = [first[seed] - second[seed] for seed in first.keys() & second.keys()]
    if len(differences) < 2:
        return None
    return fmean(differences), stdev(differences) / math.sqrt(len(differences)), len(differences) - 1


def _different(pairs: Sequence[_Pair], level: float = LEVEL) -> list[_Pair]:
    """Return the pairs that differ significantly, with the family-wise error rate at most `level` (Holm 1979)."""
    ordered = sorted(pairs, key=lambda pair: (pair.p, pair.first, pair.second))
    for done, pair in enumerate(ordered):
        if pair.p > level / (len(pairs) - done):
            return ordered[:done]
    return ordered


def _groups(n: int, different: set[tuple[int, int]], shift: bool) -> list[str]:
    """Return the letters of each place. shift: whether exact zeros already use the letter "a"."""
    return letters(n, different, int(shift))

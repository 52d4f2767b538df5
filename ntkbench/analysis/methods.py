"""Compare methods over datasets: mean ranks with a critical difference, and shares of the best accuracy.

References: J. Demšar, JMLR 7 (2006), for ranks; M. Fernández-Delgado et al., JMLR 15 (2014), for P90, P95 and PMA.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from attrs import evolve, frozen

LEVEL = 0.05
_DIGITS = 12  # significant digits up to which two values count as tied


@frozen
class Score:
    """The aggregates of one method over the datasets that all methods have a value on.

    Attributes:
        mean: Mean of the quantity.
        std: Its sample standard deviation; None for a single dataset.
        rank: Mean rank over the datasets, 1 for the best; ties get the mean of their ranks.
        wins: Number of comparisons with another method on a dataset that it wins.
        ties: Number of those that are tied.
        losses: Number of those that it loses.
        p90: Share of the datasets on which it reaches 90 % of the best accuracy; None without an accuracy.
        p95: Share of the datasets on which it reaches 95 % of the best accuracy.
        pma: Mean of its accuracy divided by the best accuracy.
    """

    mean: float
    std: float | None
    rank: float
    wins: int
    ties: int
    losses: int
    p90: float | None = None
    p95: float | None = None
    pma: float | None = None


@frozen
class Contest:
    """The comparison of k methods on N datasets.

    Attributes:
        scores: The aggregates of each method.
        datasets: The datasets that all methods have a value on.
        chi2: Friedman's statistic, corrected for ties; None with fewer than three methods or two datasets, or if all
            values are tied.
        p: Its p-value.
        critical: Smallest difference of two mean ranks that is significant at 5 % (Nemenyi's test, over all pairs);
            None with fewer than two methods or two datasets.
    """

    scores: Mapping[str, Score]
    datasets: tuple[str, ...]
    chi2: float | None = None
    p: float | None = None
    critical: float | None = None


def contest(
    values: Mapping[str, Mapping[str, float]], *, higher: bool, accuracies: Mapping[str, Mapping[str, float]] | None
) -> Contest:
    """Compare methods on the datasets that all of them have a value on.

    Args:
        values: The quantity by method and dataset.
        higher: Whether larger values are better.
        accuracies: Accuracies from 0 to 1 by method and dataset, for P90, P95 and PMA; None if there are none.
    """
    names = list(values)
    datasets = list(dict.fromkeys(dataset for own in values.values() for dataset in own))
    datasets = [dataset for dataset in datasets if all(dataset in own for own in values.values())]
    if not datasets:
        return Contest({}, ())
    table = np.array([[values[name][dataset] for dataset in datasets] for name in names])
    ranks = _ranks(-table if higher else table)
    shares = None
    if accuracies is not None:
        shares = _shares(np.array([[accuracies[name][dataset] for dataset in datasets] for name in names]))
    scores = {
        name: _score(table[place], ranks, place, None if shares is None else shares[place])
        for place, name in enumerate(names)
    }
    chi2, p = _friedman(ranks)
    return Contest(scores, tuple(datasets), chi2, p, critical_difference(*ranks.shape))


def _ranks(table: np.ndarray) -> np.ndarray:
    """Return the ranks [k, N] of each column, smallest first, with mid-ranks for ties."""
    from scipy.stats import rankdata

    rounded = np.array([[float(f"{value:.{_DIGITS}g}") for value in row] for row in table])
    return np.asarray(rankdata(rounded, axis=0))


def _shares(accuracies: np.ndarray) -> np.ndarray:
    """Return accuracies [k, N] divided by the best one on each dataset; 1 where the best is 0."""
    best = accuracies.max(0)
    return np.where(best > 0, accuracies / np.where(best > 0, best, 1), 1.0)


def _score(values: np.ndarray, ranks: np.ndarray, place: int, shares: np.ndarray | None) -> Score:
    others = np.delete(ranks, place, 0)
    score = Score(
        mean=float(values.mean()),
        std=float(values.std(ddof=1)) if len(values) > 1 else None,
        rank=float(ranks[place].mean()),
        wins=int((ranks[place] < others).sum()),
        ties=int((ranks[place] == others).sum()),
        losses=int((ranks[place] > others).sum()),
    )
    if shares is None:
        return score
    reached = shares + 1e-12  # an accuracy of exactly 0.9·best reaches it, whichever way it is rounded
    p90, p95 = (float(np.mean(reached >= share)) for share in (0.90, 0.95))
    return evolve(score, p90=p90, p95=p95, pma=float(shares.mean()))


def _friedman(ranks: np.ndarray) -> tuple[float | None, float | None]:
    """Return Friedman's statistic and its p-value for ranks [k, N]."""
    from scipy.stats import friedmanchisquare

    k, n = ranks.shape
    if k < 3 or n < 2 or all(len(set(column)) == 1 for column in ranks.T):
        return None, None
    found = friedmanchisquare(*ranks)
    return float(found.statistic), float(found.pvalue)


def critical_difference(k: int, n: int) -> float | None:
    """Return Nemenyi's critical difference of mean ranks, q·√(k(k+1)/(6N)), at 5 % (Demšar 2006, section 3.2.2).

    Args:
        k: Number of methods.
        n: Number of datasets N.
    """
    if k < 2 or n < 2:
        return None
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(1 - LEVEL, k, np.inf)) / math.sqrt(2)
    return q * math.sqrt(k * (k + 1) / (6 * n))


def close_to_best(found: Contest) -> Sequence[str]:
    """Return the methods whose mean rank is not significantly worse than the best one's."""
    if found.critical is None:
        return list(found.scores)
    best = min(score.rank for score in found.scores.values())
    return [name for name, score in found.scores.items() if score.rank - best < found.critical]

"""Judge the claims of a suite by the measured values: each claim holds, fails or is undecided."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any, Literal

from attrs import frozen

from ..plan.suite import Claim
from ..types import CellResult
from .scaling import fit_power_law, student_t
from .verdicts import verdicts

Finding = Literal["holds", "fails", "undecided"]
_NO_CELL = "no finished cell has all quantities that the claim needs"


@frozen
class Judged:
    """A claim and its finding.

    Attributes:
        claim: The claim.
        finding: "holds", "fails" or "undecided".
        measured: The measured number. For bounds and checks, the worst of all values.
        low: Lower end of its 95 % interval. For bounds and checks, the smallest value.
        high: Upper end of its 95 % interval. For bounds and checks, the largest value.
        n: Number of values used.
        note: The reason if there is no number.
    """

    claim: Claim
    finding: Finding
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    note: str = ""

    @property
    def gates(self) -> bool:
        """Whether a failure counts. Unconfirmed claims never fail a suite."""
        return self.claim.status != "unconfirmed"


def judge(claim: Claim, results: Iterable[CellResult]) -> Judged:
    """Judge a claim by the results of its cells.

    An exponent or a value holds if it lies in the expected interval and its own interval excludes the rivals. It fails
    if its interval lies outside the expected one. Otherwise it is undecided. A bound fails if any value lies above it.
    A verdict holds if it is an expected one, and fails if the network is decided to have another.
    """
    if claim.law == "verdict":
        return _of_verdict(claim, list(results))
    points = _points(claim, results)
    if not points:
        return Judged(claim, "undecided", note=_NO_CELL)
    return judge_points(claim, points)


def _of_verdict(claim: Claim, results: Sequence[CellResult]) -> Judged:
    found = verdicts(results, {}, {})
    if not found:
        return Judged(claim, "undecided", note=_NO_CELL)
    wrong = [each for each in found if each.name not in claim.verdict]
    finding: Finding = "fails" if any(each.decided for each in wrong) else "undecided" if wrong else "holds"
    reasons = "; ".join(f"{each.series.label} is {each.name}: {each.reason}" for each in wrong or found)
    return Judged(claim, finding, n=len({result.cell.seed for result in results}), note=reasons)


def judge_points(claim: Claim, points: Sequence[Point]) -> Judged:
    """Judge a claim by at least one (x, seed, value); see `judge`."""
    values = [value for _, _, value in points]
    if claim.law == "exponent":
        fit = fit_power_law(*map(list, zip(*points, strict=True)))
        return _of_interval(claim, fit.slope, fit.low, fit.high, fit.n, fit.note)
    if claim.law == "value":
        largest = max(x for x, *_ in points)
        return _of_mean(claim, [value for x, _, value in points if x == largest])
    return judge_all(claim, values)


def judge_all(claim: Claim, values: Sequence[float]) -> Judged:
    """Judge a claim that every single value must satisfy."""
    low, high = claim.expected
    outside = [value for value in values if not (low if claim.law == "check" else -math.inf) <= value <= high]
    worst = max(values, key=lambda value: max(value - high, low - value))
    finding: Finding = "fails" if outside else "holds"
    return Judged(claim, finding, worst, min(values), max(values), len(values))


def _of_mean(claim: Claim, values: Sequence[float]) -> Judged:
    if len(values) < 2:
        return Judged(claim, "undecided", values[0], n=1, note="an interval needs at least two seeds")
    mean, half = fmean(values), student_t(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return _of_interval(claim, mean, mean - half, mean + half, len(values), "")


def _of_interval(
    claim: Claim, middle: float | None, low: float | None, high: float | None, n: int, note: str
) -> Judged:
    if middle is None or low is None or high is None:
        return Judged(claim, "undecided", middle, n=n, note=note or "no interval")
    first, last = claim.expected
    finding: Finding = "undecided"
    if high < first or low > last:
        finding = "fails"
    elif first <= middle <= last and not any(low <= rival <= high for rival in claim.excludes):
        finding = "holds"
    return Judged(claim, finding, middle, low, high, n, note)


Point = tuple[Any, int, float]
"""x, seed, value."""


def _points(claim: Claim, results: Iterable[CellResult]) -> list[Point]:
    """Return x (the width or a parameter), the seed and the product of powers, where every factor was measured."""
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    x_of: dict[tuple[Any, ...], Any] = {}
    for result in results:
        cell = result.cell
        if cell.infinite and claim.law == "exponent" and claim.against == "width":
            continue  # infinity is the largest width, but no abscissa of a power law
        place = (cell.label, cell.width, cell.settings.get("radius"), cell.seed)
        x_of[place] = {"width": cell.width, "radius": cell.settings.get("radius")}.get(
            claim.against, cell.params.get(claim.against)
        )
        for key, value in result.values.items():
            if key in claim.quantity and value.value is not None:
                found.setdefault(place, {})[key] = value.value
    points: dict[tuple[Any, ...], Point] = {}
    for place, values in found.items():
        usable = values.keys() == claim.quantity.keys() and x_of[place] is not None
        if usable and all(values[key] > 0 or power == 1 for key, power in claim.quantity.items()):
            number = math.prod(values[key] ** power for key, power in claim.quantity.items())
            points[place] = (x_of[place], place[-1], number)
    return _ratios(claim.over, points) if claim.over else list(points.values())


def _ratios(over: str, points: Mapping[tuple[Any, ...], Point]) -> list[Point]:
    """Divide the values of the other architectures by those of the one labelled `over` at the same width and seed."""
    ratios = []
    for (label, *place), (x, seed, value) in points.items():
        _, _, divisor = points.get((over, *place), (x, seed, 0.0))
        if label != over and divisor:
            ratios.append((x, seed, value / divisor))
    return ratios

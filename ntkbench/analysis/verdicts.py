"""The verdict on an architecture: linear in the limit, non-linear for good, or undecided (and what would decide)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from attrs import frozen

from ..store.manifest import Catalogue
from ..types import CellResult, Quantity, Theory
from .agreement import MARGIN, Agreement, excess
from .laws import Law, Series, law, result_keys, series
from .scaling import FLAT, FLOOR_COUNTS, Fit, student_t

if TYPE_CHECKING:
    import pandas

Name = Literal["linear", "non-linear", "undecided"]

JUDGED = ("kernel_change_worst", "kernel_change_gd", "hessian_norm")
"""What a verdict rests on, the first that was measured; an architecture whose theory is silent on the first but speaks
on a later one is judged on that one (a saturating output's Hessian vanishes at f = 0; metrics.md)."""
CONTROL = "gradient_norm"
MOST = 1000
"""More seeds than this are no advice."""
MOST_WIDTHS = 16


@frozen
class Verdict:
    """What a series shows, beside what theory says.

    name: "linear" (in the limit of width), "non-linear" (however wide), "undecided".   law: of the judged quantity.
    reason: one sentence.   theory: the verdict that theory's exponent means, None where it is silent.
    agrees: of the interval with theory's exponent, see `agreement`; None where one of the two claims nothing.
    margin: how far inside (positive) or outside (negative) of that the interval ends.
    more_seeds, more_widths: how many more, each alone, would decide if slope and scatter stay; None: none would.
    """

    series: Series
    law: Law
    name: Name
    reason: str
    theory: Name | None = None
    agrees: Agreement | None = None
    margin: float | None = None
    more_seeds: int | None = None
    more_widths: int | None = None


def verdicts(
    results: Sequence[CellResult], catalogue: Catalogue, theory: Mapping[str, Mapping[str, Theory]]
) -> list[Verdict]:
    """Return the verdict on each series that measured a judged quantity, in their order."""
    results = list(results)
    return verdicts_of(series(results), result_keys(results, catalogue), theory)


def verdicts_of(
    all_series: Iterable[Series], keys: Mapping[str, Quantity], theory: Mapping[str, Mapping[str, Theory]]
) -> list[Verdict]:
    """Return the verdicts on series, as `verdicts` does. keys: `result_keys` of all results."""
    found = []
    for each in all_series:
        judged = _judged(set(each.by_key), theory.get(each.label, {}))
        if judged is not None:
            control = law(each, CONTROL, keys[CONTROL], theory) if CONTROL in each.by_key else None
            found.append(verdict(law(each, judged, keys[judged], theory), control))
    return found


def verdict(of: Law, control: Law | None = None) -> Verdict:
    """Return the verdict that the law of a judged quantity means.

    control: the law of gradient_norm; where it is not flat, a falling quantity is no sign of linearity.
    """
    name, reason = _read(of.fit, control.fit if control is not None else None)
    seeds, widths = _what_would_decide(of.fit) if name == "undecided" else (None, None)
    return Verdict(
        series=of.series,
        law=of,
        name=name,
        reason=reason,
        theory=None if of.theory is None else _of_exponent(of.theory.exponent),
        agrees=of.agrees,
        margin=_margin(of),
        more_seeds=seeds,
        more_widths=widths,
    )


def verdicts_frame(found: Sequence[Verdict]) -> pandas.DataFrame:
    """Return verdicts as a pandas DataFrame, one row for each series."""
    import pandas

    return pandas.DataFrame([record(each) for each in found], columns=list(_COLUMNS))


def record(of: Verdict) -> dict[str, Any]:
    """Return a verdict as plain JSON: what the table, the report and the leaderboard show of it."""
    fit, claim = of.law.fit, of.law.theory
    return {
        "architecture": of.series.architecture,
        "label": of.series.label,
        "condition": " ".join(of.series.condition),
        "verdict": of.name,
        "reason": of.reason,
        "quantity": of.law.key,
        "slope": fit.slope,
        "low": fit.low,
        "high": fit.high,
        "floor_low": fit.floor_low,
        "floor_high": fit.floor_high,
        "tail": fit.tail,
        "theory": of.theory,
        "theory_exponent": None if claim is None else claim.exponent,
        "source": "" if claim is None else claim.source,
        "agrees": of.agrees,
        "margin": of.margin,
        "more_seeds": of.more_seeds,
        "more_widths": of.more_widths,
    }


_COLUMNS = (
    "architecture", "label", "condition", "verdict", "reason", "quantity", "slope", "low", "high", "floor_low",
    "floor_high", "tail", "theory", "theory_exponent", "source", "agrees", "margin", "more_seeds", "more_widths",
)  # fmt: skip


def _judged(measured: set[str], claims: Mapping[str, Theory]) -> str | None:
    there = [key for key in JUDGED if key in measured]
    return next((key for key in there if key in claims), there[0] if there else None)


def _read(fit: Fit, control: Fit | None) -> tuple[Name, str]:
    if fit.is_zero:
        return "linear", f"every value is 0 ({fit.note})"
    low, high = fit.low, fit.high
    if fit.floor_low is not None and fit.floor_low > FLOOR_COUNTS:
        return "non-linear", f"it levels off: at least {fit.floor_low:.0%} of the value at the largest width is a floor"
    if low is None or high is None:
        return "undecided", fit.note or "no interval"
    if max(-low, high) <= FLAT:
        return "non-linear", f"the exponent lies within ±{FLAT}"
    if high < -FLAT:
        if control is not None and not _may_be_flat(control):
            return "undecided", f"{CONTROL} changes with width too, so a small change may be a matter of scale"
        return "linear", f"the exponent lies below −{FLAT}"
    if low > FLAT:
        return "undecided", f"it grows: the exponent lies above {FLAT}, where neither verdict speaks"
    return "undecided", f"the interval of the exponent reaches over {'−' if low < -FLAT else ''}{FLAT}"


def _may_be_flat(fit: Fit) -> bool:
    return fit.low is None or fit.high is None or (fit.low <= FLAT and fit.high >= -FLAT)


def _of_exponent(exponent: float) -> Name:
    return "linear" if exponent < -FLAT else "non-linear"


def _margin(of: Law) -> float | None:
    far = excess(of.fit, of.theory)
    return None if far is None else MARGIN - far


def _what_would_decide(fit: Fit) -> tuple[int | None, int | None]:
    """Return how many more seeds, or doublings of width, would move the interval off the edges of ±0.2.

    The slope, the scatter about it and the spacing of widths are taken to stay as they are.
    """
    if fit.slope is None or fit.stderr is None or fit.n_widths < 2 or fit.slope > FLAT:
        return None, None
    reach = min(abs(fit.slope + FLAT), abs(fit.slope - FLAT))
    widths, seeds = fit.n_widths, fit.n_seeds
    more = (n for n in range(1, MOST - seeds) if _half_width(fit, widths, seeds + n) < reach)
    wider = (n for n in range(1, MOST_WIDTHS - widths) if _half_width(fit, widths + n, seeds) < reach)
    return next(more, None), next(wider, None)


def _half_width(fit: Fit, widths: int, seeds: int) -> float:
    """Return half the interval of a design of equally spaced widths, from the standard error of the present one."""
    assert fit.stderr is not None
    spread = seeds * widths * (widths**2 - 1) / (fit.n_seeds * fit.n_widths * (fit.n_widths**2 - 1))
    return student_t(seeds * widths - seeds - 1) * fit.stderr / math.sqrt(spread)

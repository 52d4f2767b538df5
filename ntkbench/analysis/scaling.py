"""The scaling law quantity = c·width^slope, fitted to the values of several widths and seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from attrs import frozen

from ..errors import NtkbenchError

CONFIDENCE = 0.95
EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}


@frozen
class Fit:
    """The fitted law, or in `note` the reason why there is none.

    slope, low, high, stderr: the exponent, its 95 % interval (Student t) and standard error, None without one.
    n, n_widths, n_seeds: of the values used.   r_squared: share of the variance within seeds that the law explains.
    first_width, last_width, first_value, last_value: smallest and largest width, and the median over seeds there.
    is_zero: every value is 0, exactly or to rounding.   note: one sentence, empty when all is well.
    """

    slope: float | None = None
    low: float | None = None
    high: float | None = None
    stderr: float | None = None
    n: int = 0
    n_widths: int = 0
    n_seeds: int = 0
    r_squared: float | None = None
    first_width: int | None = None
    last_width: int | None = None
    first_value: float | None = None
    last_value: float | None = None
    is_zero: bool = False
    note: str = ""


def rounding_level(precision: str) -> float:
    """Return the size, 50 units of roundoff, up to which a quantity of order 1 that should be 0 is taken for 0."""
    return 50 * EPSILON.get(precision, EPSILON["float32"])


def fit_power_law(
    widths: Sequence[int],
    seeds: Sequence[int],
    values: Sequence[float | None],
    floors: Sequence[float] | float = 0.0,
) -> Fit:
    """Fit log value = a_seed + slope·log width by ordinary least squares.

    widths, seeds, values: [n], one measured value each; None or not finite means missing, and is left out.
    floors: [n] or one number: values of at most this size are taken for 0 (rounding). A law needs positive values
    at two widths of one seed or more.

    One intercept per seed: a seed's probes are the same at every width, so what they do to the value is common to
    its widths. The interval is slope ± t·stderr with n − n_seeds − 1 degrees of freedom; without any left there is
    a slope and no interval. Raises NtkbenchError when the lengths differ.
    """
    level = [float(floors)] * len(values) if isinstance(floors, int | float) else list(floors)
    if not len(widths) == len(seeds) == len(values) == len(level):
        raise NtkbenchError(
            f"A fit needs as many widths as seeds and values, got {len(widths)}, {len(seeds)} and {len(values)}."
        )
    kept = [
        (width, seed, float(value), floor)
        for width, seed, value, floor in zip(widths, seeds, values, level, strict=True)
        if value is not None and math.isfinite(value)
    ]
    missing = len(values) - len(kept)
    if not kept:
        return Fit(note="no value")
    summary = _summary(kept)
    if all(value == 0 for _, _, value, _ in kept):
        return Fit(**summary, is_zero=True, note="exactly 0")
    zeros = sum(abs(value) <= floor for _, _, value, floor in kept)
    if zeros == len(kept):
        return Fit(**summary, is_zero=True, note="0 to rounding")
    if zeros:
        return Fit(**summary, note=f"{zeros} of {len(kept)} values are 0 or at rounding level; float64 may tell more")
    negative = sum(value < 0 for _, _, value, _ in kept)
    if negative:
        return Fit(**summary, note=f"{negative} of {len(kept)} values are negative")
    if summary["n_widths"] < 2:
        return Fit(**summary, note="one width")
    law = _least_squares([(math.log(width), seed, math.log(value)) for width, seed, value, _ in kept])
    notes = [f"{missing} of {len(values)} values are missing"] if missing else []
    if law["slope"] is None:
        notes.append("no seed has two widths")
    elif law["low"] is None:
        notes.append("too few values for an interval")
    return Fit(**summary, **law, note="; ".join(notes))


def _summary(kept: list[tuple[int, int, float, float]]) -> dict[str, Any]:
    first, last = min(kept)[0], max(kept)[0]
    return {
        "n": len(kept),
        "n_widths": len({width for width, *_ in kept}),
        "n_seeds": len({seed for _, seed, *_ in kept}),
        "first_width": first,
        "last_width": last,
        "first_value": median(value for width, _, value, _ in kept if width == first),
        "last_value": median(value for width, _, value, _ in kept if width == last),
    }


def _least_squares(points: list[tuple[float, int, float]]) -> dict[str, Any]:
    by_seed: dict[int, list[tuple[float, float]]] = {}
    for x, seed, y in points:
        by_seed.setdefault(seed, []).append((x, y))
    centred = []
    for group in by_seed.values():
        x_mean, y_mean = (math.fsum(column) / len(group) for column in zip(*group, strict=True))
        centred += [(x - x_mean, y - y_mean) for x, y in group]
    sxx, sxy, syy = (math.fsum(terms) for terms in zip(*((x * x, x * y, y * y) for x, y in centred), strict=True))
    if sxx == 0:
        return {"slope": None, "low": None, "high": None, "stderr": None, "r_squared": None}
    slope = sxy / sxx
    residual = math.fsum((y - slope * x) ** 2 for x, y in centred)
    r_squared = 1 - residual / syy if syy > 0 else None
    freedom = len(points) - len(by_seed) - 1
    if freedom < 1:
        return {"slope": slope, "low": None, "high": None, "stderr": None, "r_squared": r_squared}
    stderr = math.sqrt(residual / freedom / sxx)
    half = student_t(freedom) * stderr
    return {"slope": slope, "low": slope - half, "high": slope + half, "stderr": stderr, "r_squared": r_squared}


def student_t(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Return the two-sided quantile of Student's t: P(|t| <= quantile) = confidence."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))

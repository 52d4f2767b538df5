"""Fit the scaling law c·width^slope by least squares, without importing a framework."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from attrs import frozen

from ..errors import NtkbenchError

CONFIDENCE = 0.95
FLAT = 0.2
"""Exponents within ±FLAT count as flat: no dependence on width that matters for a verdict (metrics.md)."""
MISFIT = 0.1
"""A power law is rejected only if its distance to the means over seeds exceeds this, in logarithms (10 %) ..."""
MISFIT_P = 0.01
"""... and the F test for lack of fit rejects it at this level."""
ROUNDED = "0 to rounding"
"""Note of a fit whose values are all 0 up to rounding."""
EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}


@frozen
class Fit:
    """A fitted power law, or the reason in `note` if there is none.

    Attributes:
        slope: Exponent, or None.
        low: Lower end of its 95 % interval (Student's t), or None.
        high: Upper end of its 95 % interval, or None.
        stderr: Standard error of the exponent, or None.
        n: Number of values used.
        n_widths: Number of widths among them.
        n_seeds: Number of seeds among them.
        r_squared: Share of the variance within seeds that the law explains.
        first_width: Smallest width.
        last_width: Largest width.
        first_value: Median over seeds at the smallest width.
        last_value: Median over seeds at the largest width.
        from_width: Smallest width of the range over which the power law holds and the slope is fitted.
        misfit: Root mean square distance between the means over seeds and the line over all widths, in logarithms.
        misfit_p: Probability of at least this distance under the law (F test); None without repeated seeds.
        is_zero: Whether every value is 0, exactly or to rounding.
        note: One sentence on problems with the fit; empty if there are none.
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
    from_width: int | None = None
    misfit: float | None = None
    misfit_p: float | None = None
    is_zero: bool = False
    note: str = ""


def rounding_level(precision: str) -> float:
    """Return the level up to which values of a quantity of order 1 count as 0: 50 units of roundoff."""
    return 50 * EPSILON.get(precision, EPSILON["float32"])


def fit_power_law(
    widths: Sequence[int],
    seeds: Sequence[int],
    values: Sequence[float | None],
    floors: Sequence[float] | float = 0.0,
) -> Fit:
    """Fit log value = a_seed + slope·log width by ordinary least squares.

    There is one intercept per seed, because a seed has the same probes at every width and their effect on the value is
    common to all its widths. (If every seed has every width, a random effect of the seed gives the same slope and
    interval.) The interval is slope ± t·stderr with n − n_seeds − 1 degrees of freedom; if there are none, the fit has
    a slope but no interval. At least one seed must have positive values at two widths.

    If the means over seeds deviate from the line by more than 10 % and by more than the scatter of the seeds explains
    (F test for lack of fit, p < 0.01), the smallest widths are dropped one by one while at least three remain. If no
    range is left, the fit has no exponent.

    Args:
        widths: Width of each value [n].
        seeds: Seed of each value [n].
        values: Measured values [n]. None and non-finite values count as missing and are dropped.
        floors: Level up to which a value counts as 0 (rounding): one number, or one for each value [n].

    Returns:
        The fitted law.

    Raises:
        NtkbenchError: If the arguments have different lengths.
    """
    level = [float(floors)] * len(values) if isinstance(floors, int | float) else list(floors)
    if not len(widths) == len(seeds) == len(values) == len(level):
        raise NtkbenchError(
            "A fit needs equally many widths, seeds and values, but got "
            f"{len(widths)} widths, {len(seeds)} seeds and {len(values)} values."
        )
    return _fitted(tuple(zip(widths, seeds, values, level, strict=True)))


@functools.lru_cache(maxsize=1024)  # a table fits each law twice: for its column and for the verdict
def _fitted(given: tuple[tuple[int, int, float | None, float], ...]) -> Fit:
    kept = [
        (width, seed, float(value), floor)
        for width, seed, value, floor in given
        if value is not None and math.isfinite(value)
    ]
    missing = len(given) - len(kept)
    if not kept:
        return Fit(note="no value")
    summary = _summary(kept)
    if all(value == 0 for _, _, value, _ in kept):
        return Fit(**summary, is_zero=True, note="exactly 0")
    zeros = sum(abs(value) <= floor for _, _, value, floor in kept)
    if zeros == len(kept):
        return Fit(**summary, is_zero=True, note=ROUNDED)
    if zeros:
        return Fit(**summary, note=f"{zeros} of {len(kept)} values are 0 or at rounding level; try float64")
    negative = sum(value < 0 for _, _, value, _ in kept)
    if negative:
        return Fit(**summary, note=f"{negative} of {len(kept)} values are negative")
    if summary["n_widths"] < 2:
        return Fit(**summary, note="one width")
    points = [(math.log(width), seed, math.log(value)) for width, seed, value, _ in kept]
    notes = [f"{missing} of {len(given)} values are missing"] if missing else []
    law = _over_its_range(points, sorted({width for width, *_ in kept}))
    if law["slope"] is None:
        notes.append("no seed has two widths" if law["misfit"] is None else "no power law fits the values")
    elif law["low"] is None:
        notes.append("too few values for an interval")
    if law["from_width"] not in (None, summary["first_width"]):
        notes.append(f"the law holds from width {law['from_width']} on")
    return Fit(**summary, **law, note="; ".join(notes))


def _over_its_range(points: list[Point], widths: Sequence[int]) -> dict[str, Any]:
    """Fit the line to the longest range of widths, up to the largest, over which it holds."""
    whole = _misfit(points)
    for first in range(max(len(widths) - 2, 1)):
        kept = [point for point in points if point[0] >= math.log(widths[first])]
        misfit, p = whole if first == 0 else _misfit(kept)
        if misfit is None or p is None or misfit <= MISFIT or p >= MISFIT_P:
            return _least_squares(kept) | {"from_width": widths[first], "misfit": whole[0], "misfit_p": whole[1]}
    return {"slope": None, "low": None, "high": None, "misfit": whole[0], "misfit_p": whole[1], "from_width": None}


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


def within_seeds(points: Sequence[tuple[int, int, float]]) -> tuple[float, float, int] | None:
    """Fit a power law with one intercept per seed, without checking the goodness of fit.

    Args:
        points: Width, seed and positive value of each point.

    Returns:
        The exponent, its standard error and the degrees of freedom; None without degrees of freedom.
    """
    law = _least_squares([(math.log(width), seed, math.log(value)) for width, seed, value in points])
    if law["stderr"] is None:
        return None
    return law["slope"], law["stderr"], len(points) - len({seed for _, seed, _ in points}) - 1


Point = tuple[float, int, float]
"""log width, seed, log value."""


def _least_squares(points: list[Point]) -> dict[str, Any]:
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


def _misfit(points: list[Point]) -> tuple[float | None, float | None]:
    """Return the rms distance of the widths' means from the line, in logarithms, and the p-value of the F test.

    The alternative to the line has one free effect for each width; its residual is the scatter of the seeds. Either
    number is None if it cannot be computed.
    """
    import numpy as np

    x, y, within = _within_seeds(points)
    widths = np.unique(x)
    if len(widths) < 3:
        return None, None
    line = within @ x
    free = within @ (x[:, None] == widths[1:])
    residual = y - line * (line @ y) / (line @ line) if line @ line > 0 else y
    fitted, _, rank, _ = np.linalg.lstsq(free, residual, rcond=None)
    lack = free @ fitted
    scatter = residual - lack
    seeds = len({seed for _, seed, _ in points})
    freedom, degrees = len(points) - seeds - int(rank), int(rank) - 1
    misfit = float(np.sqrt(np.mean(lack**2)))
    if freedom < 1 or degrees < 1:
        return misfit, None
    from scipy.special import fdtrc

    noise = float(scatter @ scatter) / freedom
    return misfit, float(fdtrc(degrees, freedom, float(lack @ lack) / degrees / noise)) if noise > 0 else 0.0


def _within_seeds(points: list[Point]) -> tuple[Any, Any, Any]:
    """Return log widths [n], log values [n] minus their seed's mean, and the [n, n] matrix that subtracts the mean."""
    import numpy as np

    x, seeds, y = (np.array(column) for column in zip(*points, strict=True))
    same = (seeds[:, None] == seeds).astype(float)
    within = np.eye(len(points)) - same / same.sum(0)
    return x, within @ y, within


def student_t(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Return the two-sided quantile of Student's t: P(|t| <= quantile) = confidence."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))

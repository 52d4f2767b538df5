"""The scaling law c·width^slope, fitted by least squares without any framework."""

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
"""Exponents within ±FLAT are flat: width changes nothing that a verdict speaks of (metrics.md)."""
MISFIT = 0.1
"""The line is refused only where it misses the means over seeds by more than this, in logarithms (10 %) ..."""
MISFIT_P = 0.01
"""... and by more than the scatter of seeds explains at this level."""
EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}


@frozen
class Fit:
    """The fitted law, or in `note` the reason why there is none.

    slope, low, high, stderr: the exponent, its 95 % interval (Student t) and standard error, None without one.
    n, n_widths, n_seeds: of the values used.   r_squared: share of the variance within seeds that the law explains.
    first_width, last_width, first_value, last_value: smallest and largest width, and the median over seeds there.
    from_width: smallest width of the range over which the power law holds; the slope is fitted from there on.
    misfit: root mean square distance, in logarithms, of the widths' means over seeds from the line over all widths.
    misfit_p: probability of at least that distance under the law (F test), None without repeated seeds.
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
    from_width: int | None = None
    misfit: float | None = None
    misfit_p: float | None = None
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
    its widths (in a design where every seed has every width, a random effect of the seed gives the same slope and
    interval). The interval is slope ± t·stderr with n − n_seeds − 1 degrees of freedom; without any left there is
    a slope and no interval.

    Goodness of fit: where the means over seeds leave the line by more than 10 % and by more than the seeds' scatter
    explains (F test for lack of fit, p < 0.01), the smallest widths are left out, one by one, while three remain;
    where no range is left there is no exponent. Raises NtkbenchError when the lengths differ.
    """
    level = [float(floors)] * len(values) if isinstance(floors, int | float) else list(floors)
    if not len(widths) == len(seeds) == len(values) == len(level):
        raise NtkbenchError(
            f"A fit needs as many widths as seeds and values, got {len(widths)}, {len(seeds)} and {len(values)}."
        )
    return _fitted(tuple(zip(widths, seeds, values, level, strict=True)))


@functools.lru_cache(maxsize=1024)  # tables ask for a law once for its column and once for the verdict
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
        return Fit(**summary, is_zero=True, note="0 to rounding")
    if zeros:
        return Fit(**summary, note=f"{zeros} of {len(kept)} values are 0 or at rounding level; float64 may tell more")
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
    """Return exponent, standard error and degrees of freedom of the line through (width, seed, positive value).

    One intercept for each seed; None without degrees of freedom. No check of the fit is made.
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
    """Return how far, in rms logarithms, the widths' means leave the line, and the F test's p; None where unknown.

    The alternative to the line is one free effect for each width; what remains then is the scatter of seeds.
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
    """Return log widths [n], log values [n] less their seed's mean, and the [n, n] matrix that takes it off."""
    import numpy as np

    x, seeds, y = (np.array(column) for column in zip(*points, strict=True))
    same = (seeds[:, None] == seeds).astype(float)
    within = np.eye(len(points)) - same / same.sum(0)
    return x, within @ y, within


def student_t(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Return the two-sided quantile of Student's t: P(|t| <= quantile) = confidence."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))

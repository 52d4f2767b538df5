"""Classify the dependence of a quantity on width: zero, decays, falls, flat, plateaus, grows or open."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal, get_args

from attrs import field, frozen

from .evidence import POWERS, SHARES, Evidence, FloorProfile, Points, interval
from .scaling import CONFIDENCE, FLAT, Fit, student_t

StateName = Literal["zero", "decays", "falls", "flat", "plateaus", "grows", "open"]
STATES: tuple[StateName, ...] = get_args(StateName)
STAYS: tuple[StateName, ...] = ("flat", "plateaus", "grows")
"""States of what does not fall over the measured widths, or falls to a floor only."""

DECIDING_FLOOR = (0.25, 0.5)
"""Smallest floors that must be excluded for a fall to count as a decay, as shares of the last value: for a floor that
is added to the falling part (p = 1), and for one that is added in quadrature (p = 2)."""
SUPPORTED_FLOOR = 0.1
"""A plateau has a floor of more than this share of the last value (p = 1), or of its square (p = 2)."""
PLATEAU_WIDTHS = 5
"""Smallest number of widths that can distinguish a floor from a correction to scaling."""
MISFIT = 0.99
"""A law with a floor is rejected if its misfit exceeds this quantile of the F distribution."""
FLAT_WIDTHS = 3
"""A quantity is flat if it is flat over at least this many of the largest widths, whatever it does below."""
NARROW = 0.1
"""Intervals of the floor's share that are narrower, which is two steps of the grid, are computed on a finer grid ..."""
FINER = 41
"""... of this many shares."""
SLOW = 0.25
"""Exponent of a slow decay. For a quantity to be flat over the largest widths only, this decay must be excluded ..."""
SLOW_ERROR = 0.1
"""... at this fraction of the error rate of a one-sided statement, because any of several ranges may look flat by
chance."""
FLAT_ERROR = 0.4
"""For a quantity to be flat over all widths, a fall must be excluded at this fraction of the error rate."""


@frozen
class Floors:
    """An added floor, as a share of the last value, and the exponent of the fall to it.

    Attributes:
        share: Best share of the floor.
        low: Lower end of its 95 % interval.
        high: Upper end of its 95 % interval.
        slope: Exponent of the fall to the floor.
        slope_low: Lower end of its 95 % interval.
        slope_high: Upper end of its 95 % interval.
        quadrature_low: Lower end of the interval for a floor that is added in quadrature.
        quadrature_high: Its upper end.
        in_quadrature: Whether only such a floor explains the values: the best law with an added one is excluded.
    """

    share: float
    low: float
    high: float
    slope: float
    slope_low: float
    slope_high: float
    quadrature_low: float
    quadrature_high: float
    in_quadrature: bool

    @property
    def left(self) -> str:
        """The largest floor that is not excluded, in words: of the kind that is closer to its deciding share."""
        added, quadrature = DECIDING_FLOOR
        if self.high / added >= self.quadrature_high / quadrature:
            return f"{self.high:.0%}"
        return f"{self.quadrature_high:.0%} in quadrature"

    def makes_up(self, what: str) -> str:
        """Return in words which part of `what` the floor is: "a floor makes up 40% to 55% of its value"."""
        low, high = (self.quadrature_low, self.quadrature_high) if self.in_quadrature else (self.low, self.high)
        return f"a floor makes up {low:.0%} to {high:.0%} of {what}{' in quadrature' * self.in_quadrature}"


@frozen(eq=False)
class State:
    """The state of a series, and the numbers that it rests on.

    The names of the states are:

    - "zero": every value is 0 to rounding.
    - "decays": the slope's interval lies below −0.2, and floors of at least DECIDING_FLOOR are excluded.
    - "falls": the slope's interval lies below −0.2, but such a floor is not excluded.
    - "flat": the slope lies within ±0.2 and a fall is excluded, over all widths or from `from_width` on.
    - "plateaus": the quantity falls to a floor of more than a tenth of the last value, and no power law, with or
      without its first correction to scaling, fits as well.
    - "grows": the slope's interval lies above 0.2.
    - "open": none of these.

    Attributes:
        name: Name of the state.
        from_width: Smallest width of the range over which the slope is fitted.
        slope: Slope over that range.
        low: Lower end of its interval.
        high: Upper end of its interval.
        last_slope: Slope between the two largest widths.
        evidence: The evidence that the state rests on, or None.
    """

    name: StateName
    from_width: int | None = None
    slope: float | None = None
    low: float | None = None
    high: float | None = None
    last_slope: float | None = None
    evidence: Evidence | None = field(default=None, repr=False)

    @functools.cached_property
    def floors(self) -> Floors | None:
        """The floor and its interval; None with fewer than three widths or without evidence."""
        return None if self.evidence is None or len(self.evidence.x) < 3 else _floors(self.evidence)


def state_of(fit: Fit, points: Points, confidence: float = CONFIDENCE, scale: float = 1.0) -> State:
    """Return the state of a series.

    Args:
        fit: Power law of the series.
        points: Width, seed and positive value of the points that were fitted.
        confidence: Two-sided confidence; a one-sided statement has at most half of the remaining error rate.
        scale: Unit of the floors, divided by the last value of the series.
    """
    import numpy as np

    if fit.is_zero:
        return State("zero")
    # Without a slope or a misfit no line was tried, because some values are 0, at rounding level or negative.
    tried = fit.slope is not None or fit.misfit is not None
    found = Evidence.of(points) if tried and len(points) == fit.n else None
    if found is None:
        return State("open", fit.from_width, fit.slope, fit.low, fit.high)
    low, high = _interval(fit, confidence)
    codes, starts = states(found, confidence, low, high, scale)
    name, start = STATES[codes[0]], int(starts[0])
    from_width, slope = fit.from_width, fit.slope
    if start:
        from_width = sorted({width for width, *_ in points})[start]
        line, spread, _ = found.from_width(start).line()
        half = student_t(found.freedom, confidence) * spread
        slope, low, high = float(line[0]), line - half, line + half
    effects = found.effects[0]
    return State(
        name=name,
        from_width=from_width,
        slope=slope,
        low=None if np.isnan(low[0]) else float(low[0]),
        high=None if np.isnan(high[0]) else float(high[0]),
        last_slope=float((effects[-1] - effects[-2]) / (found.x[-1] - found.x[-2])),
        evidence=found,
    )


def states(
    found: Evidence, confidence: float, low: Any, high: Any, scale: float = 1.0, shares: Sequence[float] = SHARES
) -> tuple[Any, Any]:
    """Return the states of D datasets.

    Args:
        found: Evidence of the datasets.
        confidence: As in `state_of`.
        low: Lower end of each slope's interval over all widths [D]; nan if the power law was rejected.
        high: Upper end of each slope's interval [D].
        scale: As in `state_of`.
        shares: Grid of floor shares.

    Returns:
        The states as indices into STATES [D], and the index of the width from which a flat dataset is flat [D].
    """
    import numpy as np

    n, widths, limit = len(found.effects), len(found.x), student_t(found.freedom, confidence)
    falls, grows = high < -FLAT, low > FLAT
    surer, much_surer = (student_t(found.freedom, 1 - part * (1 - confidence)) for part in (FLAT_ERROR, SLOW_ERROR))
    middle, spread = (low + high) / 2, (high - low) / 2 / limit
    flat = (np.abs(middle) <= FLAT) & (middle - surer * spread >= -FLAT)
    starts = np.zeros(n, int)
    decays, plateaus = np.zeros(n, bool), np.zeros(n, bool)
    if widths >= 3:
        profile = found.floors(shares)
        counts = [(part * scale) ** p for part, p in zip(DECIDING_FLOOR, POWERS, strict=True)]
        decays = falls & profile.excludes_from(counts, limit**2)
        steepens = profile.excludes_from((0.0, 0.0), limit**2)
        flat &= ~steepens
        # A quantity that begins to fall at the largest widths is not flat: neither the slope of the last widths nor the
        # slope of the last step may show a fall.
        step, spread, _ = found.from_width(widths - 2).line()
        ends = (found.from_width(widths - FLAT_WIDTHS).line()[0] >= -FLAT) & (step + limit * spread >= -FLAT)
        flat &= ends
        for start in range(1, widths - FLAT_WIDTHS + 1):
            slope, spread, _ = found.from_width(start).line()
            stays = (np.abs(slope) <= FLAT) & (slope - limit * spread >= -FLAT) & (slope - much_surer * spread >= -SLOW)
            top = ~flat & ends & ~steepens & stays
            flat, starts = flat | top, np.where(top, start, starts)
    if widths >= PLATEAU_WIDTHS:
        # A quarter of the error rate each: two quantities with two kinds of floors may look like a plateau by chance.
        strict = student_t(found.freedom, (3 + confidence) / 4)
        plateaus = ~flat & _plateaus(found, profile, strict)
        if plateaus.any():
            others = found.from_width(1)
            plateaus &= _plateaus(others, others.floors(shares), strict)
    names = np.full(n, STATES.index("open"))
    for name, holds in (
        ("grows", grows), ("falls", falls), ("decays", decays), ("plateaus", plateaus), ("flat", flat)
    ):  # fmt: skip
        names = np.where(holds, STATES.index(name), names)
    return names, np.where(names == STATES.index("flat"), starts, 0)


def _plateaus(found: Evidence, profile: FloorProfile, limit: float) -> Any:
    """Return for which datasets [D] a law with a floor is supported against all falling laws without one."""
    from scipy.special import fdtri

    best, free = profile.best().min(-1), len(found.x) - 3
    fits = best <= free * fdtri(free, found.freedom, MISFIT)
    without = found.corrections(-FLAT)[1].min(-1) - best > limit**2
    return fits & without & profile.excludes_below(SUPPORTED_FLOOR, limit**2)


def _interval(fit: Fit, confidence: float) -> tuple[Any, Any]:
    """Return the ends of the fitted slope's interval as arrays [1]; nan if there is none."""
    import numpy as np

    freedom = fit.n - fit.n_seeds - 1
    if fit.slope is None or fit.stderr is None or freedom < 1:
        return np.full(1, np.nan), np.full(1, np.nan)
    half = student_t(freedom, confidence) * fit.stderr
    return np.array([fit.slope - half]), np.array([fit.slope + half])


def _floors(found: Evidence) -> Floors:
    import numpy as np

    limit = student_t(found.freedom)
    profile = _fine_profile(found, limit)
    distance, slope, spread = (each[0, 0] for each in (profile.distance, profile.slope, profile.spread))
    share, low, high = interval(profile.shares, distance, limit**2)
    _, low_square, high_square = interval(profile.shares, profile.distance[0, 1], limit**2)
    added, quadrature = profile.best()[0]
    room = limit**2 - (distance - distance.min())
    inside = (room >= 0) & (profile.shares >= 0)
    if not inside.any():  # the fall steepens, which no floor explains
        inside = profile.shares == 0
    reach = np.sqrt(np.maximum(room, 0)) * spread
    return Floors(
        share=share,
        low=low,
        high=high,
        slope=float(np.interp(share, profile.shares, slope)),
        slope_low=float((slope - reach)[inside].min()),
        slope_high=float((slope + reach)[inside].max()),
        quadrature_low=low_square**0.5,
        quadrature_high=high_square**0.5,
        in_quadrature=bool(added - quadrature > limit**2),
    )


def _fine_profile(found: Evidence, limit: float) -> FloorProfile:
    """Return the profile over the shares of the floor, on a finer grid where an interval spans two steps or less."""
    import numpy as np

    profile = found.floors()
    fine = np.linspace(SHARES[0], SHARES[-1], 600)
    shares = set(SHARES)
    for distance in profile.distance[0]:
        curve = np.interp(fine, profile.shares, distance)
        inside = fine[curve <= curve.min() + limit**2]
        if inside[-1] - inside[0] < NARROW:
            ends = max(inside[0] - NARROW / 2, SHARES[0]), min(inside[-1] + NARROW / 2, SHARES[-1])
            shares |= set(np.linspace(*ends, FINER).tolist())
    return profile if len(shares) == len(SHARES) else found.floors(tuple(sorted(shares)))

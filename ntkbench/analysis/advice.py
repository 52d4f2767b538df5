"""Find the cheapest larger design that would decide a verdict, by simulating designs from the values measured so far.

A design is a number of seeds and a set of widths.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from .evidence import COARSE_SHARES, POWERS, SHALLOWEST, Evidence
from .scaling import student_t
from .states import states

DRAWS = 80
ENOUGH = 0.85
"""A design is taken to decide a verdict if it does so in at least this share of its simulations."""
MORE_SEEDS = (0, 2, 5, 10, 20, 35)
MORE_WIDTHS = 4
MOST_SEEDS = 40


@frozen
class Advice:
    """A larger design: the seeds and doubled widths to add to the present one.

    Attributes:
        more_seeds: Number of seeds to add.
        more_widths: Number of widths to add, each twice the one before it.
        power: Share of the simulations in which this design decides the verdict. If it is below ENOUGH, no design that
            was tried decides, and this is the largest of them.
    """

    more_seeds: int
    more_widths: int
    power: float

    @property
    def decides(self) -> bool:
        """Whether this design is likely to decide the verdict."""
        return self.power >= ENOUGH

    def words(self) -> str:
        """Return the design in words."""
        seeds = f"{self.more_seeds} more seeds" if self.more_seeds else ""
        widths = f"{self.more_widths} doubled width{'s' * (self.more_widths > 1)}" if self.more_widths else ""
        return " and ".join(filter(None, (seeds, widths)))


@frozen(eq=False)
class Measured:
    """The present evidence on one judged quantity. scale: as in `state_of`."""

    evidence: Evidence
    scale: float = 1.0


def what_would_decide(
    measured: Mapping[str, Measured], decided: Callable[[Mapping[str, Any]], Any], confidence: float
) -> Advice | None:
    """Return the cheapest design that is likely to decide a verdict.

    The laws and the noise are drawn in proportion to their likelihood. The measured values are kept; only the values
    that a design adds are simulated. The cost of a design is the sum of its squared widths times its number of seeds.

    Args:
        measured: Evidence on the judged quantities, by key. Quantities that are left out keep their state.
        decided: Maps the codes of the states [D], by key, to whether the verdict is decided [D].
        confidence: Two-sided confidence of each state.

    Returns:
        The cheapest design that decides; the largest design tried if none decides; None if there are too few values to
        simulate from.
    """
    import numpy as np

    if not measured or any(len(each.evidence.x) < 2 for each in measured.values()):
        return None
    random = np.random.default_rng(0)
    drawn = {key: _draw_laws(each.evidence, random) for key, each in measured.items()}

    def power(seeds: int, widths: int) -> float:
        codes = {key: _simulated(each, drawn[key], seeds, widths, confidence, random) for key, each in measured.items()}
        return float(np.mean(decided(codes)))

    one = next(iter(measured.values())).evidence
    ladder = [more for more in MORE_SEEDS if one.n_seeds + more <= MOST_SEEDS]
    found: list[tuple[float, Advice]] = []
    largest: Advice | None = None
    for widths in range(MORE_WIDTHS + 1):
        squares = float(np.sum(np.exp(2 * _wider(one, widths))))
        if found and (one.n_seeds + ladder[0]) * squares >= min(cost for cost, _ in found):
            break  # wider designs cost more, whatever they decide
        largest = Advice(ladder[-1], widths, power(ladder[-1], widths))
        if not largest.decides or not ladder[-1] + widths:
            continue
        low, high, at = 0, len(ladder) - 1, largest
        while low < high:  # bisection: the power grows with the number of seeds
            middle = (low + high) // 2
            tried = Advice(ladder[middle], widths, power(ladder[middle], widths))
            low, high, at = (low, middle, tried) if tried.decides else (middle + 1, high, at)
        found.append(((one.n_seeds + at.more_seeds) * squares, at))
    return min(found, key=lambda each: each[0])[1] if found else largest


def _wider(of: Evidence, more: int) -> Any:
    """Return log(width / largest measured width) for the measured widths and `more` doubled ones."""
    import numpy as np

    return np.concatenate([of.x, math.log(2) * np.arange(1, more + 1)])


@frozen(eq=False)
class _Laws:
    """D laws drawn for one quantity, each with a noise level. All arrays have the shape [D, 1].

    log law(x) = log((1 − share)·e^(power·slope·x) + share)/power + log(1 + b·e^(−(x − first)/2)). `inflation` is the
    noise variance divided by its estimate.
    """

    slope: Any
    share: Any
    power: Any
    b: Any
    first: float
    inflation: Any

    def __call__(self, x: Any) -> Any:
        import numpy as np

        falling = (1 - self.share) * np.exp(np.clip(self.power * self.slope * x, -600, 600))
        return np.log(falling + self.share) / self.power + np.log1p(self.b * np.exp(-(x - self.first) / 2))


def _draw_laws(of: Evidence, random: Any) -> _Laws:
    """Draw laws in proportion to their likelihood.

    Power laws, laws with a floor and laws with a correction to scaling have equal prior weight.
    """
    import numpy as np

    inflation = of.freedom / random.chisquare(of.freedom, DRAWS)
    classes = [_power_laws(of)]
    if len(of.x) >= 3:
        classes += [_floored_laws(of), _corrected_laws(of)]
    least = min(float(each[:, 0].min()) for each in classes)
    # Student's t likelihood, because the noise variance is estimated from the same data.
    chances = [(1 + (each[:, 0] - least) / of.freedom) ** (-(of.freedom + 1) / 2) / len(each) for each in classes]
    candidates, chance = np.concatenate(classes), np.concatenate(chances)
    _, slope, spread, share, power, b = candidates[random.choice(len(chance), DRAWS, p=chance / chance.sum())].T
    slope = slope + np.minimum(spread, 0.5) * np.sqrt(inflation) * random.standard_normal(DRAWS)
    slope = np.where(share > 0, np.minimum(slope, SHALLOWEST), slope)
    slope, share, power, b, inflation = (each[:, None] for each in (slope, share, power, b, inflation))
    return _Laws(slope, share, power, b, float(of.x[0]), inflation)


def _power_laws(of: Evidence) -> Any:
    """Return the candidate laws of one class, one a row: distance, slope, its standard error, share, power, b."""
    import numpy as np

    slope, spread, distance = (float(each[0]) for each in of.line())
    return np.array([[distance, slope, spread, 0.0, 1.0, 0.0]])


def _floored_laws(of: Evidence) -> Any:
    import numpy as np

    profile = of.floors()
    shares = np.broadcast_to(profile.shares, profile.distance[0].shape)
    powers = np.broadcast_to(np.array(POWERS)[:, None], shares.shape)
    rows = (profile.distance[0], profile.slope[0], profile.spread[0], shares, powers, np.zeros(shares.shape))
    return np.stack(rows, -1)[:, profile.shares > 0].reshape(-1, 6)


def _corrected_laws(of: Evidence) -> Any:
    import numpy as np

    b, distance, slope = of.corrections()
    spread = float(of.line()[1][0])
    ones = np.ones(len(b))
    return np.stack([distance[0], slope[0], spread * ones, 0 * ones, ones, b], -1)


def _simulated(of: Measured, laws: _Laws, more_seeds: int, more_widths: int, confidence: float, random: Any) -> Any:
    """Return the codes of the states [D] after simulated seeds and widths are added to the measured values."""
    import numpy as np

    found = of.evidence
    x, old, seeds = _wider(found, more_widths), len(found.x), found.n_seeds
    variances = np.concatenate([found.variances, np.full(more_widths, found.variances[-1])])
    truth, total = laws(x), seeds + more_seeds
    noise = random.standard_normal((DRAWS, len(x))) * np.sqrt(laws.inflation * variances)
    effects = truth + noise / math.sqrt(total)
    kept = found.effects - truth[:, :old]
    kept = kept - kept.mean(-1, keepdims=True)  # effects are known only up to a constant
    added = noise[:, :old] / math.sqrt(max(more_seeds, 1))
    effects[:, :old] = truth[:, :old] + (seeds * kept + more_seeds * added) / total
    after = Evidence.simulated(x - x[-1], effects, variances, total, laws.inflation[:, 0])
    limit = student_t(after.freedom, confidence)
    slope, spread, _ = after.line()
    low, high = slope - limit * spread, slope + limit * spread
    return states(after, confidence, low, high, of.scale, COARSE_SHARES)[0]

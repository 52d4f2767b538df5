"""Measure how well laws of the width fit a series: width effects with their information matrix, and profiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from attrs import evolve, frozen

Points = Sequence[tuple[int, int, float]]
"""width, seed, positive value."""

STEEPEST, SHALLOWEST = -6.0, -0.02
"""Range of slopes of the falling part above a floor."""
POWERS = (1, 2)
"""Exponents p by which a floor F combines with the falling part: v^p = (c·m^s)^p + F^p. p = 1 is a sum, p = 2 a sum in
quadrature. Independent contributions to a norm add in quadrature; contributions of one sign add."""

SHARES = (-0.5, -0.3, -0.2, -0.1, -0.05, *(0.05 * i for i in range(20)), 0.99)
"""Grid of floor shares. Negative shares describe a fall that steepens; without them the profile would be truncated at
0, and the intervals of the other shares would be too short."""
COARSE_SHARES = (-0.5, -0.2, 0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95, 0.99)
_STARTS = 12
_STEPS = 5
CORRECTIONS = (-0.9, -0.75, -0.6, -0.45, -0.3, -0.15, 0.0, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 15.0, 40.0)
"""Grid of the correction to scaling, c·m^s·(1 + b·m^(-1/2)): values of b·m^(-1/2) at the smallest width."""
_TREND_SPREAD = 0.3
MODEL_ERROR = 0.005
"""Model error of a law with a few parameters, in logarithms, independent at each width."""
_TRENDS = tuple(0.1 * i for i in range(-10, 5))


@frozen(eq=False)
class Evidence:
    """Estimates of the logarithm of a law at each width, with the seeds' own levels removed.

    Attributes:
        x: log(width / largest width) [W], ascending.
        effects: Estimated log law [D, W], up to one constant for each of D datasets (one, unless simulated).
        information: Inverse covariance of the effects [D, W, W] in units of the noise. The constant is its null vector.
        freedom: Degrees of freedom of the noise.
        n_seeds: Number of seeds.
        variances: Relative variance of a value at each width [W].
    """

    x: Any
    effects: Any
    information: Any
    freedom: int
    n_seeds: int
    variances: Any

    @classmethod
    def of(cls, points: Points) -> Evidence | None:
        """Return the evidence of measured points.

        Model: log value = log law(width) + level(seed) + noise, fitted by least squares. The standard deviation of the
        noise is a power of the width; the power is estimated by restricted maximum likelihood with a normal prior of
        scale 0.3. The noise level is estimated from the scatter of the seeds about the width effects, or from the
        distance to the straight line if there is only one seed.

        Returns:
            The evidence; None if there are fewer than two widths or the noise cannot be estimated.
        """
        import numpy as np

        widths = sorted({width for width, *_ in points})
        seeds = sorted({seed for _, seed, _ in points})
        if len(widths) < 2:
            return None
        y = np.full((len(seeds), len(widths)), np.nan)
        for width, seed, value in points:
            y[seeds.index(seed), widths.index(width)] = math.log(value)
        y = y[np.isfinite(y).sum(1) >= 2]
        x = np.log(np.array(widths) / widths[-1])
        there = np.isfinite(y)
        freedom = int(there.sum()) - len(y) - len(widths) + 1
        # Widths are compared within seeds: a width that shares no seed with another one cannot be compared.
        if not len(y) or not there.any(0).all():
            return None
        values = np.where(there, y, 0.0)
        if freedom < 1:
            return cls._of_line(x, values, there)
        trends = np.array(_TRENDS if freedom >= 4 else (0.0,))
        effects, information, squares, determinant = _weighted(values, there, np.exp(2 * trends[:, None] * x))
        scores = freedom * np.log(np.maximum(squares, 1e-300)) + determinant + (trends / _TREND_SPREAD) ** 2
        best = int(scores.argmin())
        noise = max(float(squares[best]) / freedom, 1e-14)
        variances = noise * np.exp(2 * trends[best] * x)
        softened = _softened(information[best] / noise)
        return cls(x, effects[best : best + 1], softened[None], freedom, len(y), variances)

    @classmethod
    def _of_line(cls, x: Any, values: Any, there: Any) -> Evidence | None:
        import numpy as np

        effects, information, *_ = (each[0] for each in _weighted(values, there, np.ones((1, len(x)))))
        freedom = int(there.sum()) - len(values) - 1
        if freedom < 1:
            return None
        slope = (x @ information @ effects) / (x @ information @ x)
        residual = effects - slope * x
        noise = max(float(residual @ information @ residual) / freedom, 1e-14)
        return cls(
            x, effects[None], _softened(information / noise)[None], freedom, len(values), noise * np.ones(len(x))
        )

    @classmethod
    def simulated(cls, x: Any, effects: Any, variances: Any, n_seeds: int, inflation: Any) -> Evidence:
        """Return the evidence of D balanced datasets.

        Args:
            x: log(width / largest width) [W].
            effects: Log law at each width [D, W].
            variances: Variance of one value [W], before it is multiplied by `inflation`.
            n_seeds: Number of values at each width.
            inflation: Factor of the variances of each dataset [D].
        """
        import numpy as np

        weight = 1 / variances
        plain = n_seeds * (np.diag(weight) - np.outer(weight, weight) / weight.sum())
        information = _softened(plain / inflation[:, None, None])
        return cls(x, effects, information, max((n_seeds - 1) * (len(x) - 1), 1), n_seeds, variances)

    def from_width(self, start: int) -> Evidence:
        """Return the evidence of the widths from index `start` on, with the effects of the smaller widths left free."""
        info = self.information
        for _ in range(start):
            # The Schur complement marginalises over the first width effect.
            info = info[:, 1:, 1:] - info[:, 1:, :1] * info[:, :1, 1:] / info[:, :1, :1]
        return evolve(
            self,
            x=self.x[start:],
            effects=self.effects[:, start:],
            information=info,
            variances=self.variances[start:],
        )

    def distance(self, laws: Any) -> Any:
        """Return the distance (h − effects)ᵀ·information·(h − effects) of log laws h [1 or D, ..., W]: [D, ...].

        It is the sum of squares in units of the noise variance, so differences between distances are distributed like
        Student's t².
        """
        import numpy as np

        d, w = self.effects.shape
        left = laws.reshape(len(laws), -1, w) - self.effects[:, None]
        found = ((left @ self.information) * left).sum(-1)
        return np.maximum(found, 0).reshape(d, *laws.shape[1:-1])

    def _nearest(self, laws: Any) -> Any:
        """Return which of the last but one axis of log laws [..., L, W] has the smallest distance: [D, ...].

        The distances are expanded, hᵀ·information·h − 2·hᵀ·information·effects, so that one matrix product gives all.
        """
        import numpy as np

        d, w = self.effects.shape
        flat = laws.reshape(-1, w)
        squares = (flat[:, :, None] * flat[:, None]).reshape(-1, w * w)
        pull = np.einsum("dij,dj->di", self.information, self.effects)
        found = self.information.reshape(d, -1) @ squares.T - 2 * pull @ flat.T
        return found.reshape(d, *laws.shape[:-1]).argmin(-1)

    def line(self) -> tuple[Any, Any, Any]:
        """Return the slope of the best straight line, its standard error and the line's distance, each [D]."""
        import numpy as np

        sx = np.einsum("dij,j->di", self.information, self.x)
        sxx = sx @ self.x
        slope = np.einsum("di,di->d", sx, self.effects) / sxx
        return slope, 1 / np.sqrt(sxx), self.distance(slope[:, None] * self.x)

    def floors(self, shares: Sequence[float] = SHARES) -> FloorProfile:
        """Return the profile over the share of the floor: the best law for each share and power."""
        import numpy as np

        share = np.array(shares)[None, None, :, None]
        power = np.array(POWERS)[None, :, None, None]
        starts, grid = _starting_laws(tuple(shares), tuple(self.x.tolist()))
        slope = starts[self._nearest(grid)][..., None]
        effects, info = self.effects[:, None, None], self.information[:, None]
        for _ in range(_STEPS):  # Gauss-Newton in one variable, the slope, for each share
            law, bend = _floored(slope, share, power, self.x)
            weighted = bend @ info
            step = ((effects - law) * weighted).sum(-1, keepdims=True)
            step /= np.maximum((bend * weighted).sum(-1, keepdims=True), 1e-300)
            slope = np.clip(slope + np.clip(step, -0.5, 0.5), STEEPEST, SHALLOWEST)
        law, bend = _floored(slope, share, power, self.x)
        information = ((bend @ info) * bend).sum(-1)
        spread = 1 / np.sqrt(np.maximum(information, 1e-300))
        return FloorProfile(np.array(shares), self.distance(law), slope[..., 0], spread)

    def corrections(self, shallowest: float = math.inf) -> tuple[Any, Any, Any]:
        """Return the best law c·m^s·(1 + b·m^(-1/2)) with s ≤ shallowest for each b of CORRECTIONS.

        Returns:
            The correction b·m^(-1/2) at the smallest width [B], and the distance and the slope s, each [D, B].
        """
        import numpy as np

        b = np.array(CORRECTIONS)
        bend = np.log1p(b[:, None] * np.exp(-(self.x - self.x[0]) / 2))  # [B, W]
        sx = np.einsum("dij,j->di", self.information, self.x)
        slope = np.einsum("dbi,di->db", self.effects[:, None] - bend, sx) / (sx @ self.x)[:, None]
        slope = np.minimum(slope, shallowest)
        return b, self.distance(slope[..., None] * self.x + bend), slope


@frozen(eq=False)
class FloorProfile:
    """The best law for each share of the floor.

    Attributes:
        shares: φ = (F/v)^p at the largest width [φ].
        distance: Distance of the best law [D, p, φ].
        slope: Slope of its falling part [D, p, φ].
        spread: Standard error of that slope [D, p, φ].
    """

    shares: Any
    distance: Any
    slope: Any
    spread: Any

    def best(self) -> Any:
        """Return the smallest distance [D, p] over all shares."""
        return self.distance.min(-1)

    def excludes_from(self, shares: Sequence[float], limit: float) -> Any:
        """Return for which datasets [D] all floors of at least the given share are excluded, for every power.

        Args:
            shares: Smallest share to exclude, one for each power.
            limit: A floor is excluded if its distance exceeds that of the best law of the same power by more than this.
        """
        import numpy as np

        best, excluded = self.best(), np.ones(len(self.distance), bool)
        for place, share in enumerate(shares):
            larger = self.distance[:, place, self.shares >= share - 1e-9]
            if larger.shape[-1]:  # empty if the share exceeds 1, which no floor can have
                excluded &= larger.min(-1) - best[:, place] > limit
        return excluded

    def excludes_below(self, share: float, limit: float) -> Any:
        """Return for which datasets [D] all floors up to this share are excluded: `limit` worse than the best law."""
        below = self.distance[..., self.shares <= share + 1e-9].min((-1, -2))
        return below - self.best().min(-1) > limit


def interval(shares: Any, distance: Any, limit: float) -> tuple[float, float, float]:
    """Return the best share and the ends of the interval of shares within `limit` of the best distance.

    Args:
        shares: Grid of shares [φ].
        distance: Profile over them [φ].
        limit: Largest excess of the distance over the best one.

    Returns:
        Best share, lower and upper end, each clipped to [0, 1].
    """
    import numpy as np

    fine = np.linspace(shares[0], shares[-1], 600)
    curve = np.interp(fine, shares, distance)
    inside = fine[curve <= curve.min() + limit]
    best, low, high = (float(np.clip(each, 0, 1)) for each in (fine[curve.argmin()], inside[0], inside[-1]))
    return best, low, high


@lru_cache(maxsize=64)  # simulated datasets have the same widths
def _starting_laws(shares: tuple[float, ...], x: tuple[float, ...]) -> tuple[Any, Any]:
    """Return slopes to start from, and their log laws for each power and share: [p, φ, start, W]."""
    import numpy as np

    starts = -np.geomspace(0.05, 3, _STARTS)
    share = np.array(shares)[:, None, None]
    power = np.array(POWERS)[:, None, None, None]
    return starts, _floored(starts[:, None], share, power, np.array(x))[0]


def _floored(slope: Any, share: Any, power: Any, x: Any) -> tuple[Any, Any]:
    """Return log((1 − φ)·e^(p·s·x) + φ)/p and its derivative with respect to s."""
    import numpy as np

    falling = (1 - share) * np.exp(np.minimum(power * slope * x, 600))
    total = falling + share
    return np.log(total) / power, x * falling / total


def _weighted(values: Any, there: Any, variances: Any) -> tuple[Any, Any, Any, Any]:
    """Estimate the width effects by weighted least squares, for each of T sets of variances [T, W].

    Returns:
        Effects [T, W], their information matrix [T, W, W], the residual sum of squares [T], and the determinant term
        of the restricted likelihood [T].
    """
    import numpy as np

    weight = there / variances[:, None]  # [T, S, W]
    totals = weight.sum(-1, keepdims=True)
    information = np.eye(values.shape[1]) * weight.sum(1)[:, None] - np.swapaxes(weight, 1, 2) @ (weight / totals)
    pull = (weight * (values - (weight * values).sum(-1, keepdims=True) / totals)).sum(1)
    effects = (np.linalg.pinv(information, 1e-12, hermitian=True) @ pull[..., None])[..., 0]
    left = values - effects[:, None]
    left = left - (weight * left).sum(-1, keepdims=True) / totals
    sizes = np.maximum(np.linalg.eigvalsh(information)[:, 1:], 1e-12)
    determinant = (there * np.log(variances)[:, None]).sum((1, 2)) + np.log(totals).sum((1, 2)) + np.log(sizes).sum(1)
    return effects, information, (weight * left**2).sum((1, 2)), determinant


def _softened(information: Any) -> Any:
    """Return information matrices [..., W, W] after adding an error of MODEL_ERROR to each width effect."""
    import numpy as np

    independent = np.eye(information.shape[-1]) / MODEL_ERROR**2
    return information - information @ np.linalg.solve(information + independent, information)

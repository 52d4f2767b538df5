"""How well a law of width explains a series: width effects with their information, and profiles over laws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from attrs import evolve, frozen

Points = Sequence[tuple[int, int, float]]
"""width, seed, positive value."""

STEEPEST, SHALLOWEST = -6.0, -0.02
"""Slopes of what is above a floor."""
POWERS = (1, 2)
"""A floor joins the falling part by addition (p = 1) or in quadrature (p = 2): v^p = (c·m^s)^p + F^p. Independent
contributions to a norm add in quadrature, contributions of one sign add."""

SHARES = (-0.5, -0.3, -0.2, -0.1, -0.05, *(0.05 * i for i in range(20)), 0.99)
"""Shares of the floor that are tried. Negative ones, a fall that steepens, keep the intervals of the others honest."""
COARSE_SHARES = (-0.5, -0.2, 0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95, 0.99)
_STARTS = 12
_STEPS = 5
CORRECTIONS = (-0.9, -0.75, -0.6, -0.45, -0.3, -0.15, 0.0, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 15.0, 40.0)
"""b·m^(-1/2) at the smallest width, of the correction to scaling c·m^s·(1 + b·m^(-1/2))."""
_TREND_SPREAD = 0.3
MODEL_ERROR = 0.005
"""No law of a handful of parameters is taken to hold to better than this, in logarithms, at each width."""
_TRENDS = tuple(0.1 * i for i in range(-10, 5))


@frozen(eq=False)
class Evidence:
    """What a series says of the logarithm of its law at each width, the seeds' own levels removed.

    x: log(width / largest width) [W], ascending.   effects: estimated log law [D, W], up to one constant for each of D
    data sets (one, unless simulated).   information: inverse covariance [D, W, W] of the effects in units of the noise;
    the constant is its null vector.   freedom: degrees of freedom of the noise.   n_seeds: seeds.
    variances: relative variance of a value at each width [W].
    """

    x: Any
    effects: Any
    information: Any
    freedom: int
    n_seeds: int
    variances: Any

    @classmethod
    def of(cls, points: Points) -> Evidence | None:
        """Return the evidence of measured points, or None where there are fewer than two widths or no noise estimate.

        Model: log value = log law(width) + level(seed) + noise, least squares. The noise's standard deviation may
        follow a power of the width, estimated by restricted maximum likelihood with a normal prior of scale 0.3 on
        that power. The noise is that of the scatter of seeds about the width effects; with a single seed, of the
        distance from the straight line.
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
        # A width that no other width shares a seed with has no place on the curve.
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
        """Return the evidence of D balanced data sets.

        Args:
            x: log(width / largest width) [W].
            effects: [D, W].
            variances: of one value [W], times `inflation` [D].
            n_seeds: values at each width.
        """
        import numpy as np

        weight = 1 / variances
        plain = n_seeds * (np.diag(weight) - np.outer(weight, weight) / weight.sum())
        information = np.stack([_softened(plain / each) for each in inflation])
        return cls(x, effects, information, max((n_seeds - 1) * (len(x) - 1), 1), n_seeds, variances)

    def from_width(self, start: int) -> Evidence:
        """Return the evidence of the widths from place `start` on; the effects of the smaller ones are left free."""
        info = self.information
        for _ in range(start):
            # The Schur complement: what is known of the others when nothing is known of the first.
            info = info[:, 1:, 1:] - info[:, 1:, :1] * info[:, :1, 1:] / info[:, :1, :1]
        return evolve(
            self,
            x=self.x[start:],
            effects=self.effects[:, start:],
            information=info,
            variances=self.variances[start:],
        )

    def distance(self, laws: Any) -> Any:
        """Return (h − effects)ᵀ·information·(h − effects) of logarithmic laws h [1 or D, ..., W]: [D, ...].

        Least squares in units of the noise variance: differences of it are Student's t².
        """
        import numpy as np

        d, w = self.effects.shape
        left = laws.reshape(len(laws), -1, w) - self.effects[:, None]
        found = ((left @ self.information) * left).sum(-1)
        return np.maximum(found, 0).reshape(d, *laws.shape[1:-1])

    def line(self) -> tuple[Any, Any, Any]:
        """Return the best straight line's slope, its standard error, and its distance: each [D]."""
        import numpy as np

        sx = np.einsum("dij,j->di", self.information, self.x)
        sxx = sx @ self.x
        slope = np.einsum("di,di->d", sx, self.effects) / sxx
        return slope, 1 / np.sqrt(sxx), self.distance(slope[:, None] * self.x)

    def floors(self, shares: Sequence[float] = SHARES) -> FloorProfile:
        """Return the profile over the floor's share: the best distance, and the slope, of each share and power."""
        import numpy as np

        share = np.array(shares)[None, None, :, None]
        power = np.array(POWERS)[None, :, None, None]
        starts = -np.geomspace(0.05, 3, _STARTS)
        grid = np.stack([_floored(slope, share, power, self.x)[0] for slope in starts], 3)  # [1, p, φ, start, W]
        slope = starts[self.distance(grid).argmin(-1)][..., None]
        effects, info = self.effects[:, None, None], self.information[:, None]
        for _ in range(_STEPS):  # Gauss-Newton on the one slope of each share
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
        """Return the best c·m^s·(1 + b·m^(-1/2)) with s ≤ shallowest for each b.

        Returns:
            b, as its term at the smallest width [B]; distance and slope s [D, B].
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
    """The best law with each share of the floor.

    shares: φ = (F/v)^p at the largest width [φ].   distance, slope, spread: of the best law, its slope and the slope's
    standard error at that share [D, p, φ].
    """

    shares: Any
    distance: Any
    slope: Any
    spread: Any

    def best(self) -> Any:
        """Return the smallest distance [D, p] over all shares."""
        return self.distance.min(-1)

    def excludes_from(self, shares: Sequence[float], limit: float) -> Any:
        """Tell for which data sets [D] every floor of at least this share, one for each power, is farther than `limit`
        from the best law of that power."""
        import numpy as np

        best, excluded = self.best(), np.ones(len(self.distance), bool)
        for place, share in enumerate(shares):
            larger = self.distance[:, place, self.shares >= share - 1e-9]
            if larger.shape[-1]:  # a share above 1 is no floor
                excluded &= larger.min(-1) - best[:, place] > limit
        return excluded

    def excludes_below(self, share: float, limit: float) -> Any:
        """Tell for which data sets [D] every floor up to this share is farther than `limit` from the best law."""
        below = self.distance[..., self.shares <= share + 1e-9].min((-1, -2))
        return below - self.best().min(-1) > limit


def interval(shares: Any, distance: Any, limit: float) -> tuple[float, float, float]:
    """Return the best share and the ends of those within `limit` of the best distance, in [0, 1]: profiles [φ]."""
    import numpy as np

    fine = np.linspace(shares[0], shares[-1], 600)
    curve = np.interp(fine, shares, distance)
    inside = fine[curve <= curve.min() + limit]
    best, low, high = (float(np.clip(each, 0, 1)) for each in (fine[curve.argmin()], inside[0], inside[-1]))
    return best, low, high


def _floored(slope: Any, share: Any, power: Any, x: Any) -> tuple[Any, Any]:
    """Return log((1 − φ)·e^(p·s·x) + φ)/p and its derivative in s."""
    import numpy as np

    falling = (1 - share) * np.exp(np.minimum(power * slope * x, 600))
    total = falling + share
    return np.log(total) / power, x * falling / total


def _weighted(values: Any, there: Any, variances: Any) -> tuple[Any, Any, Any, Any]:
    """Return the weighted least squares of width effects for each of T variances [T, W].

    Returns:
        effects [T, W]; their information [T, W, W]; residual sum of squares and REML determinant term [T].
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
    """Return the information [W, W] when each width effect has an independent error of MODEL_ERROR as well."""
    import numpy as np

    return information - information @ np.linalg.solve(
        information + np.eye(len(information)) / MODEL_ERROR**2, information
    )

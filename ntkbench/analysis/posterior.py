"""Compute the posterior of the slope, floor and tail of scaling laws on a grid, with TensorFlow Probability."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal

from attrs import frozen

from .scaling import CONFIDENCE, FLAT

Tail = Literal["decays", "plateaus", "undecided"]

STEEPEST = 3.0
"""Slopes range from −STEEPEST to STEEPEST."""
DECIDED = 0.9
"""A tail is named when its posterior probability is at least this."""
FREEDOMS = (3.0, 30.0)
"""Degrees of freedom of the Student-t noise: heavy-tailed or nearly Gaussian, with equal prior probability."""
SMALLEST_FLOOR = 0.25
"""Smallest floor of the prior, as a share of the value at the largest width."""
FINEST = 1e-3
"""Lower bound of the noise in logarithms: values have errors of this size (the tolerance of Hessian norms)."""

_SLOPES, _CURVED_SLOPES, _SHARES = 96, 15, 20
_SIGMAS_WIDE = 7.0
_STEPS = 6
_BATCH = 32

Points = Sequence[tuple[int, int, float]]
"""Width, seed and positive value of at least eight points at three or more widths."""


@frozen
class Posterior:
    """Posterior of a scaling law, given the priors described in `posteriors`.

    Attributes:
        slope: Median of the exponent of c·width^slope.
        low: Lower end of its central 95 % interval.
        high: Upper end of its central 95 % interval.
        floor: Median of the floor in c·width^slope + floor, as a share of the law's value at the largest width, given
            that the law falls. Laws without a floor count as 0, so a floor is supported if `floor_low` > 0.
        floor_low: Lower end of its central 95 % interval.
        floor_high: Upper end of its central 95 % interval.
        decays: Probability that the law falls to 0.
        plateaus: Probability that the law is flat or has a floor.
        grows: Probability that the law grows.
    """

    slope: float
    low: float
    high: float
    floor: float
    floor_low: float
    floor_high: float
    decays: float
    plateaus: float
    grows: float

    @property
    def tail(self) -> Tail:
        """The tail with a probability of at least 0.9: "decays" or "plateaus"; otherwise "undecided"."""
        return "decays" if self.decays >= DECIDED else "plateaus" if self.plateaus >= DECIDED else "undecided"


def enough(points: Points) -> bool:
    """Return whether there are enough values for a posterior: at least three widths and eight values."""
    return len({width for width, *_ in points}) >= 3 and len(points) >= 8


def posteriors(fits: Sequence[Points]) -> list[Posterior]:
    """Return the posterior of each law.

    Model: log value = log law(width) + a_seed + noise. The noise is Student-t with scale σ and 3 or 30 degrees of
    freedom, a_seed is normal with the spread found between seeds, and the prior of log σ is flat. There are four
    classes of laws with equal prior probability:

    - decays: c·width^slope, slope uniform in [−3, −0.2];
    - flat: c·width^slope, slope uniform in [−0.2, 0.2];
    - floor: c·width^slope + floor, slope uniform in [−3, −0.2], share of the floor at the largest width uniform in
      [1/4, 1]. A smaller floor cannot be detected at a few widths, and the posterior makes no statement about it;
    - grows: c·width^slope, slope uniform in [0.2, 3].

    "plateaus" is flat or floor.

    The slope and the share run over a grid around the least-squares solution. Seeds and σ are integrated out by
    Laplace's method at their mode, with the expected information. A tail is named if its probability is at least 0.9,
    so at most 10 % of the tails named on draws from the priors are wrong; simulations find fewer (docs/laws.md).
    """
    by_seed = [_by_seed(points) for points in fits]
    shape = (
        max((len(seeds) for seeds in by_seed), default=0),
        max((len(group) for seeds in by_seed for group in seeds), default=0),
    )
    size = min(len(fits), _BATCH)
    found: list[Posterior] = []
    for start in range(0, len(fits), _BATCH):
        batch = by_seed[start : start + _BATCH]
        # All batches have one shape, so that one program is compiled: the last is padded with its first series.
        found += _of_batch([*batch, *batch[:1] * (size - len(batch))], shape)[: len(batch)]
    return found


_BySeed = Sequence[Sequence[tuple[int, int, float]]]


def _by_seed(points: Points) -> _BySeed:
    groups: dict[int, list[tuple[int, int, float]]] = {}
    for point in points:
        groups.setdefault(point[1], []).append(point)
    return list(groups.values())


def _of_batch(fits: Sequence[_BySeed], shape: tuple[int, int]) -> list[Posterior]:
    import numpy as np

    data = _padded(fits, shape)
    line, spread, sigma = _line(data)
    slopes = line[:, None] + spread[:, None] * np.linspace(-1, 1, _SLOPES)
    shares = SMALLEST_FLOOR + (1 - SMALLEST_FLOOR) * (np.arange(_SHARES) + 0.5) / _SHARES
    centres, wide = _curved(data, shares, line, sigma)
    curved = centres[:, :, None] + wide[:, :, None] * np.linspace(-1, 1, _CURVED_SLOPES)
    curved = np.minimum(curved, -1e-6)

    flat_shares = np.broadcast_to(shares[None, :, None], curved.shape)
    every_slope = np.concatenate([slopes, curved.reshape(len(fits), -1)], 1)
    every_share = np.concatenate([np.zeros_like(slopes), flat_shares.reshape(len(fits), -1)], 1)
    evidence = _evidence(data, every_slope, every_share, sigma)

    straight = evidence[:, :_SLOPES] + np.log(2 * spread / (_SLOPES - 1))[:, None]
    floored = (
        evidence[:, _SLOPES:].reshape(curved.shape) + np.log(2 * wide / (_CURVED_SLOPES - 1) / _SHARES)[:, :, None]
    )
    floored = np.where((curved < -FLAT) & (curved > -STEEPEST), floored, -np.inf)
    return [_summary(*each, shares) for each in zip(slopes, straight, floored, strict=True)]


def _summary(slopes: Any, straight: Any, floored: Any, shares: Any) -> Posterior:
    import numpy as np
    from scipy.special import logsumexp

    inside = np.abs(slopes) <= STEEPEST
    steep = STEEPEST - FLAT
    classes = {
        "decays": logsumexp(np.where(inside & (slopes < -FLAT), straight, -np.inf)) - math.log(steep),
        "flat": logsumexp(np.where(np.abs(slopes) <= FLAT, straight, -np.inf)) - math.log(2 * FLAT),
        "floor": logsumexp(floored) - math.log(steep),
        "grows": logsumexp(np.where(inside & (slopes > FLAT), straight, -np.inf)) - math.log(steep),
    }
    total = logsumexp(list(classes.values()))
    chance = {name: float(np.exp(value - total)) for name, value in classes.items()}
    tail = (1 - CONFIDENCE) / 2
    low, middle, high = _quantiles(slopes, np.exp(straight - straight.max()), (tail, 0.5, 1 - tail))
    floor_low, floor, floor_high = _floor(floored, shares, chance["decays"], chance["floor"], (tail, 0.5, 1 - tail))
    return Posterior(
        slope=middle,
        low=low,
        high=high,
        floor=floor,
        floor_low=floor_low,
        floor_high=floor_high,
        decays=chance["decays"],
        plateaus=chance["flat"] + chance["floor"],
        grows=chance["grows"],
    )


def _floor(floored: Any, shares: Any, decays: float, floor: float, at: Sequence[float]) -> list[float]:
    """Return quantiles of the share of the floor, given that the law falls.

    The distribution has an atom at 0 with the weight of "decays", and a density elsewhere.
    """
    import numpy as np
    from scipy.special import logsumexp

    if not decays + floor > 0:
        return [math.nan] * len(at)
    by_share = logsumexp(floored, axis=-1)
    weights = floor * np.exp(by_share - logsumexp(by_share)) if floor > 0 else np.zeros_like(shares)
    cumulative = np.cumsum([decays, *weights]) / (decays + floor)
    # The shares are centres of histogram bins: the edges are half a bin away.
    ends = np.concatenate([[SMALLEST_FLOOR], shares + (shares[1] - shares[0]) / 2])
    return [0.0 if q <= cumulative[0] else float(np.interp(q, cumulative, ends)) for q in at]


def _quantiles(nodes: Any, weights: Any, at: Sequence[float]) -> list[float]:
    """Return quantiles of a density given at equally spaced nodes, by the trapezoidal rule."""
    import numpy as np

    cumulative = np.concatenate([[0.0], np.cumsum((weights[1:] + weights[:-1]) / 2)])
    return [float(q) for q in np.interp(at, cumulative / cumulative[-1], nodes)]


@frozen
class _Data:
    """Padded arrays [fit, seed, width]: x = log(width / largest width), y = log value, weight 1, or 0 for padding."""

    x: Any
    y: Any
    weight: Any

    def within(self, values: Any) -> Any:
        """Return `values` [..., seed, width] minus the mean of their seed, and 0 in the padding."""
        import numpy as np

        weight = self.weight.reshape(self.weight.shape[:1] + (1,) * (values.ndim - 3) + self.weight.shape[1:])
        means = (weight * values).sum(-1, keepdims=True) / np.maximum(weight.sum(-1, keepdims=True), 1)
        return weight * (values - means)


def _padded(fits: Sequence[_BySeed], shape: tuple[int, int]) -> _Data:
    import numpy as np

    x, y, weight = np.zeros((3, len(fits), *shape))
    for i, seeds in enumerate(fits):
        largest = max(width for group in seeds for width, *_ in group)
        for j, group in enumerate(seeds):
            for k, (width, _, value) in enumerate(group):
                x[i, j, k], y[i, j, k], weight[i, j, k] = math.log(width / largest), math.log(value), 1
    return _Data(x, y, weight)


def _line(data: _Data) -> tuple[Any, Any, Any]:
    """Return the least-squares slope, half the width of the grid of slopes, and the noise level, each [fit]."""
    import numpy as np

    x, y = data.within(data.x), data.within(data.y)
    sxx = (x * x).sum((-1, -2))
    slope = (x * y).sum((-1, -2)) / sxx
    freedom = data.weight.sum((-1, -2)) - data.weight.any(-1).sum(-1) - 1
    sigma = np.sqrt(((y - slope[:, None, None] * x) ** 2).sum((-1, -2)) / np.maximum(freedom, 1))
    sigma = np.maximum(sigma, FINEST)
    return slope, _SIGMAS_WIDE * sigma / np.sqrt(sxx), sigma


def _curved(data: _Data, shares: Any, line: Any, sigma: Any) -> tuple[Any, Any]:
    """Return the least-squares slope for each share of the floor, and half the width of the grid: each [fit, share]."""
    import numpy as np

    share, x = shares[None, :, None, None], data.x[:, None]
    y = data.within(data.y)[:, None]
    slope = np.minimum(line, -0.05)[:, None, None, None] / (1 - share)
    for _ in range(12):
        power = (1 - share) * np.exp(slope * x)
        curve, bend = data.within(np.log(power + share)), data.within(x * power / (power + share))
        information = np.maximum((bend**2).sum((-1, -2), keepdims=True), 1e-12)
        step = ((y - curve) * bend).sum((-1, -2), keepdims=True) / information
        slope = np.clip(slope + np.clip(step, -0.3, 0.3), -STEEPEST, -FLAT)
    wide = _SIGMAS_WIDE * sigma[:, None] / np.sqrt(information[..., 0, 0])
    return slope[..., 0, 0], np.minimum(wide, STEEPEST)


def _evidence(data: _Data, slopes: Any, shares: Any, sigma: Any) -> Any:
    """Return the log evidence of each node, with seeds and σ integrated out: [fit, node]."""
    arrays = [each[:, None] for each in (data.x, data.y, data.weight)]
    nodes = [each[:, :, None, None] for each in (slopes, shares, sigma[:, None])]
    return _compiled()(*arrays, *nodes).numpy()


@functools.cache
def _compiled() -> Any:
    import tensorflow as tf

    return tf.function(_log_evidence, jit_compile=True, reduce_retracing=False)


def _log_evidence(x: Any, y: Any, weight: Any, slope: Any, share: Any, first: Any) -> Any:
    """Return the log evidence [fit, node] from arrays that broadcast to [fit, node, seed, width]."""
    import numpy as np
    import tensorflow as tf
    from tensorflow_probability import distributions as tfd

    residual = y - tf.math.log((1 - share) * tf.exp(slope * x) + share)
    counts = tf.reduce_sum(weight, -1, keepdims=True)
    present, points = tf.sign(counts), tf.reduce_sum(counts, 2, keepdims=True)
    number = tf.reduce_sum(present, 2, keepdims=True)

    means = tf.reduce_sum(weight * residual, -1, keepdims=True) / tf.maximum(counts, 1.0)
    centre = tf.reduce_sum(present * means, 2, keepdims=True) / number
    between = tf.reduce_sum(present * (means - centre) ** 2, 2, keepdims=True) / tf.maximum(number - 1, 1.0)
    spread = tf.sqrt(between) + first

    total = []
    for freedom in FREEDOMS:
        effect, scale = means, first
        for _ in range(_STEPS):  # EM (Liu and Rubin's PX-EM): Student-t noise as a normal of unknown precision
            left = residual - effect
            pull = weight * ((freedom + 1) / (freedom + (left / scale) ** 2))
            prior = (scale / spread) ** 2
            pulls = tf.reduce_sum(pull, -1, keepdims=True)
            effect = (tf.reduce_sum(pull * residual, -1, keepdims=True) + prior * centre) / (pulls + prior)
            squares = tf.reduce_sum(pull * (residual - effect) ** 2, [2, 3], keepdims=True)
            scale = tf.maximum(tf.sqrt(squares / tf.reduce_sum(pulls, 2, keepdims=True)), FINEST)
        noise, seeds = tfd.StudentT(freedom, 0.0, scale), tfd.Normal(centre, spread)
        density = tf.reduce_sum(weight * noise.log_prob(residual - effect), [2, 3])
        density += tf.reduce_sum(present * seeds.log_prob(effect), [2, 3])
        location = counts * ((freedom + 1) / (freedom + 3)) / scale**2 + 1 / spread**2
        density += 0.5 * tf.reduce_sum(present * tf.math.log(2 * np.pi / location), [2, 3])
        density += 0.5 * tf.math.log(np.pi * (freedom + 3) / (freedom * points[..., 0, 0]))
        total.append(density - math.log(len(FREEDOMS)))
    return tf.reduce_logsumexp(tf.stack(total), 0)

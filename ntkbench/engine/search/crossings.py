"""Search for displacements across nearby kinks, which gradients cannot find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from attrs import frozen

from ..model import Network
from .ascent import Maximum, largest
from .vectors import Vector, length, unit
from .weighted_output import WeightedOutput

SPREADS = (0.3, 0.1)  # standard deviations of the Gaussian displacements, relative to each variable's rms
REACH = 8.0  # step length along the gradient, in units of R: a few times the distance (R²/m)^⅓·√m of the first kinks
PROPOSALS = 64  # number of steps that `climb` tries
DRAWS, DRAWS_EACH = 16, 4  # number of Gaussian displacements for each spread, and for each probe
HALVINGS = 5  # bisection steps to locate the kink of a unit
ARRIVED = 0.25  # fraction of a unit's jump that may be missing
ABRUPT = 0.2  # fraction of a unit's change that must occur within its last interval to count as a jump
STRETCH = 8.0  # maximum factor between the step lengths of two trials
CHOICE = 1.2  # total length of the crossings from which the cheapest are chosen, in units of R
TRIALS = 2  # number of step lengths that are tried
PROBES = 8  # maximum number of probes whose kinks are crossed one by one


@frozen(eq=False)
class Crossing:
    """A displacement of the weights across kinks, with the cost and price of each unit's part.

    Attributes:
        moved: The displacement, [P].
        units: Index of the unit to which each weight belongs, [P].
        cost: Squared length of each unit's part.
        price: Cost divided by the resulting change; infinite if the change is zero or has the wrong sign.
    """

    moved: np.ndarray
    units: np.ndarray
    cost: np.ndarray
    price: np.ndarray

    def within(self, radius: float) -> np.ndarray:
        """Return the parts of the cheapest units, as many as fit within the radius: [P]."""
        order = np.argsort(self.price, kind="stable")
        chosen = np.zeros(len(order), bool)
        fits = (np.cumsum(self.cost[order]) <= radius**2) & np.isfinite(self.price[order])
        chosen[order[fits]] = True
        return np.where(chosen[self.units], self.moved, 0).astype(self.moved.dtype)

    @property
    def length(self) -> float:
        """Length of the parts with finite price."""
        return float(np.sqrt(self.cost[np.isfinite(self.price)].sum()))


def cheapest(crossings: Sequence[Crossing]) -> Crossing:
    """Combine crossings by taking the cheapest displacement for each unit."""
    chosen = np.argmin([crossing.price for crossing in crossings], axis=0)
    units = crossings[0].units
    return Crossing(
        np.choose(chosen[units], [crossing.moved for crossing in crossings]),
        units,
        np.choose(chosen, [crossing.cost for crossing in crossings]),
        np.choose(chosen, [crossing.price for crossing in crossings]),
    )


class Crossings:
    """Search for displacements of length R that cross as many kinks as possible, all with the same effect on K.

    If a gradient is continuous except for jumps, the mean of its differences over Gaussian displacements is the Hessian
    of a smoothed network, which includes the kinks: [g(w + ξ + εu) − g(w + ξ − εu)]/2ε ≈ H̄·u. With u = J(w + ξ)ᵀc and
    c drawn with covariance K, its expectation is the gradient of ¼‖K̄‖². A step along this gradient is shortened, unit
    by unit, to the point where the unit's gradient jumps; the units with the largest change of cᵀKc = ‖Jᵀc‖² per cost
    are kept. A unit is one index of a variable's last axis: the weights of a neuron or filter.

    Args:
        output: The output as a weighted sum over the probes.
        origin: Weights w0, [P].
        kernel: Tangent kernel K at w0, [N, N].
        rng: Generator of all random draws.
    """

    def __init__(self, output: WeightedOutput, origin: Vector, kernel: np.ndarray, rng: np.random.Generator):
        self.output, self.origin, self.rng = output, np.asarray(origin), rng
        self.root = _root(kernel)
        self.leading = np.linalg.eigh(kernel)[1][:, -1]
        self.rms = rms_of_variables(output.net, self.origin)
        self.units = _units(output.net)

    def best(self, value: Callable[[Vector], float], radius: float) -> list[Crossing]:
        """Return the best crossing that increases ‖K‖ and the best one that decreases it, if there are any.

        Jumps of Jᵀc are searched with the leading eigenvector c of K, so that jumps at several probes add up, with
        random c, and with each probe alone, choosing the cheapest probe for each unit.

        Args:
            value: Objective as a function of a displacement [P] of length `radius`.
            radius: Length R of the displacements.
        """
        together = [self.smoothed_growth(spread, REACH * radius, DRAWS) for spread in SPREADS]
        probes = list(np.eye(len(self.root)))[:PROBES]
        alone = [self.smoothed_growth(SPREADS[0], REACH * radius, DRAWS_EACH, c) for c in probes]
        found = []
        for sign in (1.0, -1.0):
            tried = list(self._along(alone, probes, sign, value, radius))
            for growth in together:
                for c in (self.leading, self.draw()):
                    tried += self._along([growth], [c], sign, value, radius)
            if tried:
                found.append(max(tried, key=lambda each: each[0])[1])
        return found

    def climb(self, value: Callable[[Vector], float], radius: float) -> Maximum:
        """Search for kinks of the output activation, which outputs cross one by one; return the best unit vector [P].

        The search starts from ±Jᵀc with the leading eigenvector c of K, and tries random steps along Jᵀc' with J taken
        at w0 and at the current point.

        Args:
            value: Objective as a function of a displacement [P] of length `radius`.
            radius: Length R of the displacements.
        """
        at_origin = self.output.gradient(self.origin, self.leading)
        best = largest(Maximum(value(radius * v), v) for v in map(unit, (at_origin, -at_origin)) if v is not None)
        for _ in range(PROPOSALS):
            if best.direction is None:
                break
            step = float(2 ** self.rng.uniform(-4, 2))
            places = self.origin, self.origin + radius * best.direction
            drawn = [unit(self.output.gradient(w, self.rng.standard_normal(len(self.root)))) for w in places]
            moved = unit(sum((step * v for v in drawn if v is not None), best.direction))
            if moved is not None:
                best = largest([best, Maximum(value(radius * moved), moved)])
        return best

    def draw(self) -> np.ndarray:
        """Draw weights of the probes [N] from a Gaussian with covariance K."""
        return self.root @ self.rng.standard_normal(len(self.root))

    def smoothed_growth(self, spread: float, step: float, draws: int, c: np.ndarray | None = None) -> np.ndarray:
        """Estimate from Gaussian displacements the direction [P] in which the smoothed ‖K‖, or cᵀKc, grows."""
        deviation, total = spread * self.rms, np.zeros_like(self.origin)
        for _ in range(draws):
            seed = self.rng.integers(2**31, size=2)
            weights = self.draw() if c is None else c
            total += np.asarray(self.output.change(self.origin, weights, deviation, seed, step))
        return total

    def _along(
        self,
        growths: Sequence[np.ndarray],
        weights: Sequence[np.ndarray],
        sign: float,
        value: Callable[[Vector], float],
        radius: float,
    ) -> Iterator[tuple[float, Crossing]]:
        """Yield (value, crossing) along sign·growth for several step lengths.

        `growths` are directions [P] with the weights c of the probes in `weights`; each unit uses its cheapest one.
        """
        total = float(np.sqrt(sum(length(growth) ** 2 for growth in growths)))
        if not 0 < total < np.inf:
            return
        step = sign * REACH * radius / total
        for _ in range(TRIALS):
            pairs = zip(growths, weights, strict=True)
            crossing = cheapest([self._crossing(step * growth, c, sign) for growth, c in pairs])
            within = unit(crossing.within(radius))
            if within is not None:
                yield value(radius * within), crossing
            step *= float(np.clip(CHOICE * radius / max(crossing.length, 1e-30), 1 / STRETCH, STRETCH))

    def _crossing(self, v: np.ndarray, c: np.ndarray, sign: float) -> Crossing:
        """Restrict v [P] to the units whose gradient jumps along v, each shortened to just beyond its jump.

        All units are bisected at once. With sign 1, units must increase ‖Jᵀc‖; with −1, decrease it.
        """
        output, origin, units = self.output, self.origin, self.units
        first, end = (np.asarray(output.gradient(w, c)) for w in (origin, origin + v))
        jump = self._of_units(end - first)
        low, high = np.zeros_like(jump), np.ones_like(jump)

        def at(times: np.ndarray) -> np.ndarray:
            return np.asarray(output.gradient(origin + times[units].astype(v.dtype) * v, c))

        for _ in range(HALVINGS):
            middle = (low + high) / 2
            missing = self._of_units(at(middle) - end) > ARRIVED**2 * jump
            low, high = np.where(missing, middle, low), np.where(missing, high, middle)
        after = at(high)
        abrupt = (self._of_units(after - at(low)) >= ABRUPT**2 * jump) & (jump > 0)
        moved = (high * abrupt)[units].astype(v.dtype) * v
        cost = self._of_units(moved)
        gain = sign * (self._of_units(after) - self._of_units(first))
        price = np.where(abrupt & (gain > 0), cost / np.maximum(gain, 1e-300), np.inf)
        return Crossing(moved, units, cost, price)

    def _of_units(self, v: np.ndarray) -> np.ndarray:
        """Return the squared length of each unit's part of v [P]."""
        return np.bincount(self.units, np.square(v, dtype=np.float64))


def _units(net: Network) -> np.ndarray:
    """Return the index of each weight's unit: [P]."""
    found, count = [], 0
    for shape in net.shapes:
        last = shape[-1] if shape else 1
        found.append(count + np.broadcast_to(np.arange(last), shape).ravel())
        count += last
    return np.concatenate(found)


def _root(kernel: np.ndarray) -> np.ndarray:
    """Return a matrix A with A·Aᵀ = K: [N, N]."""
    values, vectors = np.linalg.eigh(kernel)
    return vectors * np.sqrt(np.clip(values, 0, None))


def rms_of_variables(net: Network, origin: Vector) -> np.ndarray:
    """Return, for each weight, the root mean square of its variable: [P]."""
    parts = np.split(np.asarray(origin), np.cumsum(net.sizes)[:-1])
    return np.concatenate([np.full_like(part, np.sqrt(np.mean(np.square(part)))) for part in parts])

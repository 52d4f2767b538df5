"""Moves across the kinks nearby, which no gradient points to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from attrs import frozen

from ..model import Network
from .ascent import Maximum, largest, unit
from .weighted_output import WeightedOutput

SPREADS = (0.3, 0.1)  # of the Gaussian displacements, relative to each variable's rms
REACH = 8.0  # length of the step along the gradient, in units of R: a few times the first kinks' (R²/m)^⅓·√m
PROPOSALS = 64  # steps that `climb` tries
DRAWS, DRAWS_EACH = 16, 4  # Gaussian displacements at each spread, and for each probe
HALVINGS = 5  # of the interval in which a unit meets its kink
ARRIVED = 0.25  # of a unit's jump that may be missing
ABRUPT = 0.2  # of a unit's change that has to happen within its last interval, to be a jump
STRETCH = 8.0  # of a step from one trial to the next, at most
CHOICE = 1.2  # length of all crossings that the cheapest are chosen from, in units of R
TRIALS = 2  # lengths of the step that is cut down to crossings
PROBES = 8  # whose kinks are crossed one by one, at most


@frozen(eq=False)
class Crossing:
    """A displacement of weights [P] across kinks, unit by unit: what a unit's part costs, and how cheap it is.

    units: [P], to which unit a weight belongs.   cost: squared length of each unit's part.   price: cost over what it
    changes, infinite where that is nothing or of the wrong sign.
    """

    moved: np.ndarray
    units: np.ndarray
    cost: np.ndarray
    price: np.ndarray

    def within(self, radius: float) -> tf.Tensor:
        """Return the parts of the cheapest units, as many as fit into the radius: [P]."""
        order = np.argsort(self.price, kind="stable")
        chosen = np.zeros(len(order), bool)
        fits = (np.cumsum(self.cost[order]) <= radius**2) & np.isfinite(self.price[order])
        chosen[order[fits]] = True
        return tf.constant(np.where(chosen[self.units], self.moved, 0).astype(self.moved.dtype))

    @property
    def length(self) -> float:
        """Of all that is worth anything."""
        return float(np.sqrt(self.cost[np.isfinite(self.price)].sum()))


def cheapest(crossings: Sequence[Crossing]) -> Crossing:
    """Return the crossing in which each unit goes the way that is cheapest for it."""
    chosen = np.argmin([crossing.price for crossing in crossings], axis=0)
    units = crossings[0].units
    return Crossing(
        np.choose(chosen[units], [crossing.moved for crossing in crossings]),
        units,
        np.choose(chosen, [crossing.cost for crossing in crossings]),
        np.choose(chosen, [crossing.price for crossing in crossings]),
    )


class Crossings:
    """Displacements across as many kinks as a length R allows, all to the same effect on K.

    Where a gradient is continuous but for jumps, the mean of its differences over Gaussian displacements is the
    Hessian of a smoothed network, with the kinks in it: [g(w + ξ + εu) − g(w + ξ − εu)]/2ε ≈ H̄·u. With u = J(w + ξ)ᵀc
    and c drawn with covariance K, this is in expectation the gradient of ¼‖K̄‖². A step along it is cut down, unit by
    unit, to where the unit's gradient jumps; those units are kept that change cᵀKc = ‖Jᵀc‖² most for what they cost.
    A unit is what one index of a variable's last axis stands for: a neuron's or a filter's weights.
    """

    def __init__(self, output: WeightedOutput, origin: tf.Tensor, kernel: np.ndarray, rng: np.random.Generator):
        self.output, self.origin, self.rng = output, origin, rng
        self.root = _root(kernel)
        self.leading = np.linalg.eigh(kernel)[1][:, -1]
        self.rms = rms_of_variables(output.net, origin)
        self.units = _units(output.net)

    def best(self, value: Callable[[tf.Tensor], float], radius: float) -> list[Crossing]:
        """Return the crossing of largest value within the radius of those that make ‖K‖ grow, and of those that make
        it fall; fewer where nothing is crossed.

        Jumps are looked for in Jᵀc with the leading eigenvector c of K, where those at several probes add up, with
        random c, and at each probe alone, where each unit takes what is cheapest for it.

        Args:
            value: of a displacement [P] of length `radius`.
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

    def climb(self, value: Callable[[tf.Tensor], float], radius: float) -> Maximum:
        """Return the best of displacements [P] that move the outputs, as a unit vector: for kinks of the output, which
        a few outputs cross one by one.

        Starts from ±Jᵀc, c the leading eigenvector of K, and tries random steps along Jᵀc', J at w0 and where it is.
        """
        at_origin = self.output.gradient(self.origin, self.leading)
        best = largest(Maximum(value(radius * v), v) for v in map(unit, (at_origin, -at_origin)) if v is not None)
        for _ in range(PROPOSALS):
            if best.direction is None:
                break
            step = float(2 ** self.rng.uniform(-4, 2))
            places = self.origin, self.origin + radius * best.direction
            drawn = [unit(self.output.gradient(w, self.rng.standard_normal(len(self.root)))) for w in places]
            moved = unit(tf.add_n([best.direction, *(step * v for v in drawn if v is not None)]))
            if moved is not None:
                best = largest([best, Maximum(value(radius * moved), moved)])
        return best

    def draw(self) -> np.ndarray:
        """Return weights of the probes: [N], Gaussian with covariance K."""
        return self.root @ self.rng.standard_normal(len(self.root))

    def smoothed_growth(self, spread: float, step: float, draws: int, c: np.ndarray | None = None) -> tf.Tensor:
        """Return the direction [P] in which the smoothed ‖K‖ grows, or cᵀKc, from Gaussian displacements."""
        output, total = self.output, tf.zeros_like(self.origin)
        for _ in range(draws):
            seed = self.rng.integers(2**31, size=2)
            noise = tf.random.stateless_normal(self.origin.shape, seed, dtype=self.origin.dtype)
            w, weights = self.origin + spread * self.rms * noise, self.draw() if c is None else c
            u = output.gradient(w, weights)
            u *= step / max(float(tf.norm(u)), float(np.finfo(np.float32).tiny))
            total += output.gradient(w + u, weights) - output.gradient(w - u, weights)
        return total

    def _along(
        self,
        growths: Sequence[tf.Tensor],
        weights: Sequence[np.ndarray],
        sign: float,
        value: Callable[[tf.Tensor], float],
        radius: float,
    ) -> Iterator[tuple[float, Crossing]]:
        """Yield crossings along sign·growth with their values, for steps of several lengths.

        growths, weights: directions [P] and weights c of the probes; each unit takes the cheapest of them.
        """
        length = float(np.sqrt(sum(float(tf.norm(growth)) ** 2 for growth in growths)))
        if not 0 < length < np.inf:
            return
        step = sign * REACH * radius / length
        for _ in range(TRIALS):
            pairs = zip(growths, weights, strict=True)
            crossing = cheapest([self._crossing(step * growth, c, sign) for growth, c in pairs])
            within = unit(crossing.within(radius))
            if within is not None:
                yield value(radius * within), crossing
            step *= float(np.clip(CHOICE * radius / max(crossing.length, 1e-30), 1 / STRETCH, STRETCH))

    def _crossing(self, v: tf.Tensor, c: np.ndarray, sign: float) -> Crossing:
        """Return v [P] cut down to the units whose gradient jumps on the way, each to where it has jumped.

        sign: 1 for units that make ‖Jᵀc‖ larger, −1 for smaller. All units are bisected at once.
        """
        output, origin, units = self.output, self.origin, self.units
        first, end = (output.gradient(w, c).numpy() for w in (origin, origin + v))
        v = v.numpy()
        jump = self._of_units(end - first)
        low, high = np.zeros_like(jump), np.ones_like(jump)

        def at(times: np.ndarray) -> np.ndarray:
            return output.gradient(origin + tf.constant(times[units].astype(v.dtype) * v), c).numpy()

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
    """Return the number of each weight's unit: [P]."""
    found, count = [], 0
    for shape in net.shapes:
        last = shape[-1] if shape else 1
        found.append(count + np.broadcast_to(np.arange(last), shape).ravel())
        count += last
    return np.concatenate(found)


def _root(kernel: np.ndarray) -> np.ndarray:
    """Return A with A·Aᵀ = K: [N, N]."""
    values, vectors = np.linalg.eigh(kernel)
    return vectors * np.sqrt(np.clip(values, 0, None))


def rms_of_variables(net: Network, origin: tf.Tensor) -> tf.Tensor:
    """Return the rms of each weight's variable: [P]."""
    parts = net.unflatten(origin)
    return net.flatten([tf.fill(part.shape, tf.sqrt(tf.reduce_mean(tf.square(part)))) for part in parts])

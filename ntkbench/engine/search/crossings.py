"""Moves across the kinks nearby, which no gradient points to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from attrs import frozen

from ..model import Network
from .ascent import Maximum, largest, unit
from .weighted_output import WeightedOutput

SPREADS = (0.3, 0.1, 0.05, 0.025)  # of the Gaussian displacements, relative to each variable's rms
REACH = 8.0  # length of the step along the gradient, in units of R: a few times the first kinks' (R²/m)^⅓·√m
PROPOSALS = 64  # steps that `climb` tries
DRAWS, MORE_DRAWS = 8, 24  # Gaussian displacements at each spread, and at the best one
HALVINGS = 7  # of the interval in which a coordinate meets its kink
ARRIVED = 0.25  # of a coordinate's jump that may be missing
ABRUPT = 0.2  # of a coordinate's change that has to happen within its last interval, to be a jump
TRIALS, MORE_TRIALS = 2, 4  # lengths of the step that is cut down to crossings, and of the best one


@frozen(eq=False)
class Crossing:
    """A displacement of weights [P] across kinks, and for each coordinate [P] when on the way it meets its kink."""

    moved: tf.Tensor
    times: tf.Tensor

    def within(self, radius: float) -> tf.Tensor:
        """Return the coordinates that meet their kink first, as many as fit into the radius: [P]."""
        moved, order = self.moved.numpy(), np.argsort(self.times, kind="stable")
        cost = np.cumsum(np.square(moved[order], dtype=np.float64))
        moved[order[np.searchsorted(cost, radius**2, side="right") :]] = 0
        return tf.constant(moved)


class Crossings:
    """Displacements across as many kinks as a length R allows, all to the same effect on K.

    Where a gradient is continuous but for jumps, the mean of its differences over Gaussian displacements is the
    Hessian of a smoothed network, with the kinks in it: [g(w + ξ + εu) − g(w + ξ − εu)]/2ε ≈ H̄·u. With u = J(w + ξ)ᵀc
    and c drawn with covariance K, this is in expectation the gradient of ¼‖K̄‖². A step along it crosses the kinks
    that are cheap for what they change; it is then cut down, coordinate by coordinate, to where the gradient jumps.
    """

    def __init__(self, output: WeightedOutput, origin: tf.Tensor, kernel: np.ndarray, rng: np.random.Generator):
        self.output, self.origin, self.rng = output, origin, rng
        self.root = _root(kernel)
        self.rms = rms_of_variables(output.net, origin)

    def best(self, value: Callable[[tf.Tensor], float], radius: float) -> Crossing | None:
        """Return the crossing of largest value within the radius, None where nothing is crossed.

        Every spread is tried with few draws, so that ‖K‖ grows and so that it falls; the best with more.

        Args:
            value: of a displacement [P] of length `radius`.
        """
        c = self.draw()
        tried: list[tuple[float, Crossing, float, float, tf.Tensor]] = []
        for spread in SPREADS:
            growth = self.smoothed_growth(spread, REACH * radius, DRAWS)
            for sign in (1.0, -1.0):
                tried += [
                    (*found, spread, sign, growth) for found in self._along(sign * growth, c, value, radius, TRIALS)
                ]
        if not tried:
            return None
        reached, crossing, spread, sign, growth = max(tried, key=lambda each: each[0])
        growth += self.smoothed_growth(spread, REACH * radius, MORE_DRAWS)
        again = self._along(sign * growth, c, value, radius, MORE_TRIALS)
        return max([(reached, crossing), *again], key=lambda each: each[0])[1]

    def climb(self, value: Callable[[tf.Tensor], float], radius: float) -> Maximum:
        """Return the best of displacements [P] that move the outputs, as a unit vector: for kinks of the output, which
        a few outputs cross one by one.

        Starts from ±Jᵀc, c the leading eigenvector of K, and tries random steps along Jᵀc', J at w0 and where it is.
        """
        _, vectors = np.linalg.eigh(self.root @ self.root.T)
        at_origin = self.output.gradient(self.origin, vectors[:, -1])
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

    def smoothed_growth(self, spread: float, step: float, draws: int) -> tf.Tensor:
        """Return the direction [P] in which the smoothed ‖K‖ grows, from Gaussian displacements."""
        output, total = self.output, tf.zeros_like(self.origin)
        for _ in range(draws):
            seed = self.rng.integers(2**31, size=2)
            noise = tf.random.stateless_normal(self.origin.shape, seed, dtype=self.origin.dtype)
            w, c = self.origin + spread * self.rms * noise, self.draw()
            u = output.gradient(w, c)
            u *= step / max(float(tf.norm(u)), float(np.finfo(np.float32).tiny))
            total += output.gradient(w + u, c) - output.gradient(w - u, c)
        return total

    def _along(
        self, direction: tf.Tensor, c: np.ndarray, value: Callable[[tf.Tensor], float], radius: float, trials: int
    ) -> Iterator[tuple[float, Crossing]]:
        """Yield crossings along `direction` with their values, for steps of several lengths."""
        length = float(tf.norm(direction))
        if not 0 < length < np.inf:
            return
        step = 4.0 * radius / length
        for _ in range(trials):
            crossing = self._crossing(step * direction, c)
            within = unit(crossing.within(radius))
            if within is None:
                return
            yield value(radius * within), crossing
            size = float(tf.norm(crossing.moved))
            step *= float(np.clip((1.1 * radius / size) ** (2 / 3), 0.25, 4))  # the cost of n crossings grows as n³

    def _crossing(self, v: tf.Tensor, c: np.ndarray) -> Crossing:
        """Return v [P] cut down to the coordinates whose gradient jumps on the way, each to where it has jumped.

        All coordinates are bisected at once.
        """
        output, origin = self.output, self.origin
        end = output.gradient(origin + v, c)
        jump = tf.abs(end - output.gradient(origin, c))
        low, high = tf.zeros_like(v), tf.ones_like(v)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            missing = tf.abs(output.gradient(origin + middle * v, c) - end) > ARRIVED * jump
            low, high = tf.where(missing, middle, low), tf.where(missing, high, middle)
        across = tf.abs(output.gradient(origin + high * v, c) - output.gradient(origin + low * v, c))
        times = tf.where((across >= ABRUPT * jump) & (jump > 0), high, 0.0)
        return Crossing(times * v, times)


def _root(kernel: np.ndarray) -> np.ndarray:
    """Return A with A·Aᵀ = K: [N, N]."""
    values, vectors = np.linalg.eigh(kernel)
    return vectors * np.sqrt(np.clip(values, 0, None))


def rms_of_variables(net: Network, origin: tf.Tensor) -> tf.Tensor:
    """Return the rms of each weight's variable: [P]."""
    parts = net.unflatten(origin)
    return net.flatten([tf.fill(part.shape, tf.sqrt(tf.reduce_mean(tf.square(part)))) for part in parts])

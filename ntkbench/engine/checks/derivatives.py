"""Checks of a model's numbers: derivatives against finite differences, and outputs against a second call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from attrs import evolve, frozen

from ...errors import NtkbenchError
from ..autodiff import dense_gradient, flat_hvp
from ..model import Network, network_in, noise_of

Problem = Literal["", "stochastic", "coupled", "not finite", "gradient", "no second derivative", "hessian", "symmetry"]

SAMPLES = 2  # inputs that a model is checked at
DIRECTIONS = 3  # a model is blamed only when all of them disagree
# Steps in units of each variable's own size, the next one taken only where the one before has not agreed: a small
# step crosses fewer kinks (ReLU, max pooling), a large one has less rounding.
STEPS = {"float64": (1e-5, 1e-6, 1e-7, 1e-8), "float32": (4e-2, 1e-2, 2.5e-3, 6e-4, 1.5e-4)}
ASIDE = {"float64": 1e-3, "float32": 1e-2}  # from the model's weights, in the same units
# float64: the exact gelu of TensorFlow is itself only good to 1e-8. float32: rounding and truncation at the best step.
TOLERANCE = {"float64": 1e-5, "float32": 2e-3}
# At the very weights, a difference counts only where one-sided ones agree this much better than it disagrees: of kinks
# that meet there (ReLUs at 0) the sum, in which they may cancel, moves much less than their derivatives.
KINKS = 30
# What is smaller than this part of the gradient is not resolved, and counts as zero.
FLOOR = {"float64": 1e-3, "float32": 0.1}
KERNEL_TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
REPEAT_TOLERANCE = 1e3  # units of roundoff: parallel sums may differ by rounding from call to call
NOISE = 64  # units of roundoff by which a product with the Hessian may be off
COUPLED_TOLERANCE = 1e5  # units of roundoff: other batch sizes take other kernels, and outputs may be small differences


@frozen
class Derivatives:
    """How far automatic differentiation is from finite differences of one order less, and what is wrong, if anything.

    All errors are relative: to the quantity itself, or to the gradient where the quantity is small beside it.
    repeat: outputs and ∇f at the same weights and inputs, twice (0: bit for bit).
    coupled: outputs at an input alone, or among copies of itself, against those at the same input among others.
    gradient: ⟨∇f, v⟩ against the difference of f.   hessian: H·v against the difference of ∇f.
    symmetry: ⟨u, Hv⟩ against ⟨v, Hu⟩.
    None where it was not reached.   problem: what is wrong, "" for nothing.   reason: TensorFlow's own words.
    sure: the differences were good enough to tell right from wrong; kinks and rounding can forbid it.
    """

    precision: str
    repeat: float = 0.0
    coupled: float = 0.0
    gradient: float | None = None
    hessian: float | None = None
    symmetry: float | None = None
    problem: Problem = ""
    reason: str = ""
    sure: bool = True

    @property
    def error(self) -> float | None:
        """The error that belongs to the problem."""
        own: dict[str, float | None] = {
            "stochastic": self.repeat,
            "coupled": self.coupled,
            "gradient": self.gradient,
            "hessian": self.hessian,
            "symmetry": self.symmetry,
        }
        return own.get(self.problem)


def check_derivatives(
    net: Network, x: Any, *, order: int = 2, mode: str = "auto", seed: int = 0, aside: bool = True
) -> Derivatives:
    """Compare first and second derivatives of the chosen output, summed over x, with finite differences.

    A right model is never blamed: the difference has to disagree by more than its own uncertainty (how much it moves
    from one step to the next smaller one, and rounding) along every one of three random directions, and second
    derivatives are blamed only where the first ones agree. A right model of smooth layers costs about five gradients,
    two Hessian-vector products and three plain calls.

    Args:
        net: the model, in its own precision; float64 resolves 1e-5 of the Hessian, float32 2e-3.
        x: [N, ...], few inputs.   order: 1 leaves second derivatives out.   mode: as for `hvp`.
        seed: draws the directions.
        aside: check a little beside the model's weights, because biases of exactly 0 at inputs of exactly 0 put a ReLU
            on its kink. False: at these weights, where derivatives at kinks are left open.

    The network is left at its weights, and its state (moving averages, random seeds) as it was.
    """
    x = net.inputs(x)
    with unchanged(net):
        return _Point(net, x, mode, np.random.default_rng(seed), aside).derivatives(order)


def check_outputs(net: Network, x: tf.Tensor) -> Derivatives:
    """Return whether outputs at x: [N, ...] repeat, and whether the first input's depend on the others.

    The model is called plainly, because a compiled function repeats what Python draws. The other inputs are replaced by
    the first one, where nothing but rounding may change, and taken away, where another batch size takes other kernels.
    """
    eps = noise_of(net, x)
    calls = (x, x, tf.repeat(x[:1], len(x), axis=0), x[:1])
    together, again, copies, alone = (net.outputs(each).numpy() for each in calls)
    repeat = relative(together, again)
    replaced, taken_away = relative(together[:1], copies[:1]), relative(together[:1], alone)
    found = Derivatives(net.dtype.name, repeat, max(replaced, taken_away))
    if not np.isfinite(together).all():
        return evolve(found, problem="not finite", sure=False)
    if repeat > REPEAT_TOLERANCE * eps:
        return evolve(found, problem="stochastic")
    if replaced > REPEAT_TOLERANCE * eps or taken_away > COUPLED_TOLERANCE * eps:
        return evolve(found, problem="coupled")
    return found


class _Point:
    """A network at the weights of now or beside them, which are counted in units of each variable's own size."""

    def __init__(self, net: Network, x: tf.Tensor, mode: str, rng: np.random.Generator, aside: bool):
        self.net, self.x, self.mode, self.rng = net, x, mode, rng
        self.precision = net.dtype.name
        self.eps = noise_of(net, x)
        self.unit = np.concatenate([np.full(v.shape, own_size(v)).ravel() for v in net.variables])
        self.aside = aside
        shift = ASIDE[self.precision] * self.unit * rng.standard_normal(net.size)
        self.theta = net.theta() + tf.constant(shift if aside else 0 * shift, net.dtype)

    def derivatives(self, order: int) -> Derivatives:
        """Return the comparison."""
        found = check_outputs(self.net, self.x)
        if found.problem:
            return found
        found = evolve(found, repeat=max(found.repeat, relative(*(self.at(None)[1] for _ in range(2)))))
        if not np.isfinite(found.repeat):
            return evolve(found, problem="not finite", sure=False)
        if found.repeat > REPEAT_TOLERANCE * self.eps:
            return evolve(found, problem="stochastic")
        self.f, self.g = self.at(None)
        # In float32 rounding inside a function (the elu of 1e-6 is a staircase) makes it another one at small steps,
        # consistently; a number shows that only at some larger step, a vector by an error that falls with larger ones.
        first = _Comparison(self.precision, every_step=self.precision == "float32")
        second = _Comparison(self.precision)
        second.agrees = order == 1
        u, symmetry = self.rng.standard_normal(self.net.size), None
        for _ in range(DIRECTIONS):
            v = self.rng.standard_normal(self.net.size)
            hv = np.zeros_like(v)
            if order == 2:
                try:
                    hv = self.hvp(v)
                    if symmetry is None:
                        symmetry = self.asymmetry(u, self.hvp(u), v, hv)
                except NtkbenchError as error:
                    return evolve(found, problem="no second derivative", reason=str(error).rstrip("."))
            if not np.isfinite(hv).all():
                return evolve(found, problem="not finite", sure=False)
            self.differences(v, hv, first, second)
            if first.agrees and second.agrees:
                break
        found = evolve(found, gradient=first.error, hessian=second.error, symmetry=symmetry)
        if first.disagrees:
            return evolve(found, problem="gradient")
        if second.disagrees and first.agrees:
            return evolve(found, problem="hessian")
        if symmetry is not None and symmetry > max(TOLERANCE[self.precision], NOISE * self.eps):
            return evolve(found, problem="symmetry")
        # The error of a wrong layer can have a low rank, and hide from a direction that another one has seen it along.
        return evolve(found, sure=all(each.agrees and not each.disagreements for each in (first, second)))

    def differences(self, v: np.ndarray, hv: np.ndarray, first: _Comparison, second: _Comparison) -> None:
        """Compare along v, with one step after the other until both comparisons agree."""
        floor, size = FLOOR[self.precision], _norm(self.g)
        slope = np.array([self.g @ v])
        first.begin(slope, floor * size, self.eps * (size + abs(self.f)))
        second.begin(hv, floor * size, self.eps * (size + _norm(hv)))
        for step in STEPS[self.precision]:
            (f_plus, g_plus), (f_minus, g_minus) = self.at(step * v), self.at(-step * v)
            # At a kink of f itself (a ReLU at exactly 0, as with zero inputs and biases) differences agree with each
            # other; but forwards and backwards they do not.
            bend = abs(f_plus - 2 * self.f + f_minus) / (2 * step)
            bend_of_g = 0.0 if self.aside else _norm(g_plus - 2 * self.g + g_minus) / (2 * step)
            by = 1 if self.aside else KINKS
            first.add(step, np.array([(f_plus - f_minus) / (2 * step)]), by * bend)
            second.add(step, (g_plus - g_minus) / (2 * step), by * bend_of_g)
            if first.agrees and second.agrees:
                break
        first.end()
        second.end()

    def at(self, shift: np.ndarray | None) -> tuple[float, np.ndarray]:
        """Return f and ∂f/∂shift at w + unit·shift, in float64."""
        theta = self.theta if shift is None else self.theta + tf.constant(self.unit * shift, self.net.dtype)
        f, g = _value_and_gradient(self.net)(theta, self.x)
        return float(f), self.unit * g.numpy().astype(np.float64)

    def hvp(self, v: np.ndarray) -> np.ndarray:
        """Return the Hessian in shifts times v, by automatic differentiation, in float64."""
        self.net.assign(self.theta)
        found = flat_hvp(self.net, self.mode)(self.x, tf.constant(self.unit * v, self.net.dtype))
        return self.unit * found.numpy().astype(np.float64)

    def asymmetry(self, u: np.ndarray, hu: np.ndarray, v: np.ndarray, hv: np.ndarray) -> float:
        """Return |⟨u, Hv⟩ − ⟨v, Hu⟩| in units of ‖Hv‖ and ‖Hu‖."""
        size = max(_norm(hu), _norm(hv), FLOOR[self.precision] * _norm(self.g), float(np.finfo(np.float64).tiny))
        return float(abs(u @ hv - v @ hu) / size)


class _Comparison:
    """One derivative against differences of several steps, along one direction after the other."""

    def __init__(self, precision: str, *, every_step: bool = False):
        self.tolerance, self.every_step = TOLERANCE[precision], every_step
        self.agrees, self.disagreements = False, 0
        self.error: float | None = None

    def begin(self, exact: np.ndarray, floor: float, noise: float) -> None:
        """Start a direction. floor: what counts as zero.   noise: rounding of what is differenced."""
        self._exact, self._floor, self._noise = exact, floor, noise
        self._before: np.ndarray | None = None
        self._pairs: list[tuple[float, float]] = []  # uncertainty and error
        self._least = np.inf  # error of any step

    def add(self, step: float, difference: np.ndarray, bend: float = 0.0) -> None:
        """Take the next smaller step into account. bend: how far one-sided differences are from the central one."""
        if self.agrees:
            return
        size = max(_norm(self._exact), _norm(difference), self._floor, float(np.finfo(np.float64).tiny))
        error = _norm(self._exact - difference) / size
        self._least = min(self._least, error)
        if error <= self.tolerance:
            self.agrees, self.error = True, error
        elif self._before is not None:
            # A kink within both steps, or within the larger one only, moves the difference by at least a fourth of
            # the error that it makes; so do truncation and rounding.
            uncertainty = (4 * (_norm(difference - self._before) + bend) + 8 * self._noise / step) / size
            self._pairs.append((uncertainty, error))
        self._before = difference

    def end(self) -> None:
        """Finish a direction."""
        if self.agrees or not self._pairs:
            return
        pairs = self._pairs if self.every_step else [min(self._pairs)]
        error = min(self._pairs)[1]
        self.error = error if self.error is None else min(error, self.error)
        lasting = error <= 2 * self._least
        self.disagreements += lasting and all(e > self.tolerance + uncertainty for uncertainty, e in pairs)

    @property
    def disagrees(self) -> bool:
        """Whether every direction has disagreed."""
        return self.disagreements == DIRECTIONS


def _norm(v: np.ndarray) -> float:
    return float(np.linalg.norm(v))


def own_size(variable: tf.Variable) -> float:
    """Return the root mean square of a variable; for one that is zero, what an initialiser would have given it."""
    value = variable.numpy().astype(np.float64)
    size = float(np.sqrt(np.mean(value**2))) if value.size else 0.0
    return size if 0 < size < np.inf else 1.0 / np.sqrt(max(1, int(np.prod(value.shape[:-1]))))


def _value_and_gradient(net: Network) -> Any:
    def build() -> Any:
        def compute(theta: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            net.assign(theta)
            with tf.GradientTape() as tape:
                f = tf.reduce_sum(net.scalar(x))
            return f, net.flatten(dense_gradient(tape, f, net.variables))

        return compute

    return net.function("value and gradient", build)


def relative(a: np.ndarray, b: np.ndarray) -> float:
    """Return ‖a − b‖ / max(‖a‖, ‖b‖), 0 where both are equal, infinite where one is not finite."""
    if np.array_equal(a, b):
        return 0.0
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    with np.errstate(invalid="ignore"):
        found = float(np.linalg.norm(a - b) / max(np.linalg.norm(a), np.linalg.norm(b)))
    return found if np.isfinite(found) else np.inf


def in_float64(net: Network, x: Any) -> Network | None:
    """Return the network in float64: itself, or one around a copy that gives the same outputs at x: [N, ...].

    None where there is no such copy: other models than Keras's, layers without a configuration, a fixed precision.
    """
    try:
        return network_in(net, x, "float64")
    except Exception:  # whatever a user's layer says to another precision, the answer is that it cannot be cast
        return None


@contextlib.contextmanager
def unchanged(net: Network) -> Iterator[None]:
    """Put weights and state back when the block ends."""
    others = [v if isinstance(v, tf.Variable) else v.value for v in getattr(net.model, "variables", ())]
    before = [(v, v.read_value()) for v in [*net.variables, *others]]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)

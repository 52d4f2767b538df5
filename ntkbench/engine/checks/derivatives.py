"""Check a model numerically: its derivatives against finite differences, its outputs against a second call."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import tensorflow as tf
from attrs import evolve, frozen

from ...errors import NtkbenchError
from ..autodiff import dense_gradient, flat_hvp
from ..model import EveryUnit, Network, every_unit, network_in, noise_of, sizes_of, trace_of, unchanged

Problem = Literal["", "stochastic", "coupled", "not finite", "gradient", "no second derivative", "hessian", "symmetry"]

SAMPLES = 2  # number of inputs at which a model is checked
DIRECTIONS = 3  # random directions; a derivative counts as wrong only if all of them disagree
# Steps in units of each variable's size, tried in turn until one agrees: a small step crosses fewer kinks (ReLU, max
# pooling), a large one has less rounding error.
STEPS = {"float64": (1e-5, 1e-6, 1e-7, 1e-8), "float32": (4e-2, 1e-2, 2.5e-3, 6e-4, 1.5e-4)}
PERTURBATION = {"float64": 1e-3, "float32": 1e-2}  # random shift of the weights, in the same units
# float64: TensorFlow's exact gelu is accurate only to 1e-8. float32: rounding and truncation at the best step.
TOLERANCE = {"float64": 1e-5, "float32": 2e-3}
# At unperturbed weights, a disagreement counts only if it exceeds the gap between one-sided differences by this factor:
# where kinks meet (ReLUs at 0) they may cancel in the sum, which then moves much less than their derivatives.
KINKS = 30
# Values below this fraction of the gradient are not resolved and count as zero.
FLOOR = {"float64": 1e-3, "float32": 0.1}
KERNEL_TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
REPEAT_TOLERANCE = 1e3  # units of roundoff: parallel sums may round differently from call to call
NOISE = 64  # units of roundoff: error allowed in a Hessian-vector product
COUPLED_TOLERANCE = 1e5  # units of roundoff: the batch size selects the kernel, and outputs may suffer cancellation


@frozen
class Derivatives:
    """Result of comparing automatic derivatives with finite differences.

    All errors are relative, either to the quantity itself or, if that is small, to the gradient. An error is None if
    the check stopped before computing it.

    Attributes:
        precision: Floating-point type of the model.
        repeat: Difference of outputs and ∇f between two calls at the same weights and inputs (0: bit for bit equal).
        coupled: Difference of an input's outputs alone, or among copies of itself, from those among other inputs.
        gradient: Error of ⟨∇f, v⟩ against the difference of f.
        hessian: Error of H·v against the difference of ∇f.
        symmetry: Difference between ⟨u, Hv⟩ and ⟨v, Hu⟩.
        problem: The first problem found, "" for none.
        reason: TensorFlow's error message, if there is one.
        sure: Whether the check is conclusive; kinks or rounding can make it inconclusive.
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
        """The error that corresponds to `problem`, or None."""
        own: dict[str, float | None] = {
            "stochastic": self.repeat,
            "coupled": self.coupled,
            "gradient": self.gradient,
            "hessian": self.hessian,
            "symmetry": self.symmetry,
        }
        return own.get(self.problem)


def check_derivatives(
    net: Network, x: Any, *, order: int = 2, mode: str = "auto", seed: int = 0, perturb: bool = True
) -> Derivatives:
    """Compare first and second derivatives of the chosen output, summed over x, with finite differences.

    The check is designed never to reject a correct model. A derivative counts as wrong only if it disagrees along all
    three random directions by more than the uncertainty of the difference (its change from one step to the next, plus
    rounding). Second derivatives count as wrong only if the first ones agree. A correct model with smooth layers costs
    about five gradients, two Hessian-vector products and three plain calls.

    Weights and state (moving averages, random seeds) are restored afterwards.

    Args:
        net: The model, in its own precision; float64 resolves 1e-5 of the Hessian, float32 2e-3.
        x: A few inputs: [N, ...].
        order: Highest order to check, 1 or 2.
        mode: As for `hvp`.
        seed: Seed of the random directions.
        perturb: Whether to shift the weights slightly first, because zero biases at zero inputs put a ReLU exactly on
            its kink. If False, derivatives at kinks remain undecided.
    """
    x = net.inputs(x)
    with unchanged(net):
        return _Point(net, x, mode, np.random.default_rng(seed), perturb).derivatives(order)


def check_outputs(net: Network, x: tf.Tensor) -> Derivatives:
    """Check that outputs at x: [N, ...] are repeatable and that the outputs of an input do not depend on the others.

    The model is called eagerly, because a compiled function would repeat random numbers drawn by Python. To detect
    coupling, the other inputs are first replaced by the first one (only rounding may change), then removed (the batch
    size may select another kernel); finally every input is computed alone, by a compiled call.
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
    if len(x) > 1:
        one_by_one = np.concatenate([trace_of(net, x).outputs(one).numpy() for one in tf.split(x, len(x))])
        apart = np.linalg.norm(together - one_by_one, axis=1).max() / (np.linalg.norm(together, axis=1).max() or 1.0)
        if apart > COUPLED_TOLERANCE * eps:
            return evolve(found, coupled=max(found.coupled, float(apart)), problem="coupled")
    return found


class _Point:
    """A network at its current or slightly shifted weights, measured in units of each variable's size."""

    def __init__(self, net: Network, x: tf.Tensor, mode: str, rng: np.random.Generator, perturb: bool):
        self.net, self.x, self.mode, self.rng = net, x, mode, rng
        self.precision = net.dtype.name
        self.eps = noise_of(net, x)
        self.unit = sizes_of(net)
        self.perturb = perturb
        shift = PERTURBATION[self.precision] * self.unit * rng.standard_normal(net.size)
        self.theta = net.theta() + tf.constant(shift if perturb else 0 * shift, net.dtype)

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
        # In float32, rounding inside a function (elu near 1e-6 is a staircase) makes it consistently a different
        # function at small steps. A scalar reveals this only at some larger step, a vector by an error that falls as
        # the step grows.
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
                    return evolve(
                        found, problem="no second derivative", reason=str(error).partition("; ")[0].rstrip(".")
                    )
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
        # The error of a wrong layer can have low rank, so that some directions show it and others do not.
        return evolve(found, sure=all(each.agrees and not each.disagreements for each in (first, second)))

    def differences(self, v: np.ndarray, hv: np.ndarray, first: _Comparison, second: _Comparison) -> None:
        """Compare along v, step by step, until both comparisons agree."""
        floor, size = FLOOR[self.precision], _norm(self.g)
        slope = np.array([self.g @ v])
        first.begin(slope, floor * size, self.eps * (size + abs(self.f)))
        second.begin(hv, floor * size, self.eps * (size + _norm(hv)))
        for step in STEPS[self.precision]:
            (f_plus, g_plus), (f_minus, g_minus) = self.at(step * v), self.at(-step * v)
            # At a kink of f itself (a ReLU at exactly 0, as with zero inputs and biases), central differences agree
            # with each other, but forward and backward differences do not.
            bend = abs(f_plus - 2 * self.f + f_minus) / (2 * step)
            bend_of_g = 0.0 if self.perturb else _norm(g_plus - 2 * self.g + g_minus) / (2 * step)
            by = 1 if self.perturb else KINKS
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
        """Return the Hessian with respect to the shift, times v, by automatic differentiation, in float64."""
        self.net.assign(self.theta)
        found = flat_hvp(self.net, self.mode)(self.x, tf.constant(self.unit * v, self.net.dtype))
        return self.unit * found.numpy().astype(np.float64)

    def asymmetry(self, u: np.ndarray, hu: np.ndarray, v: np.ndarray, hv: np.ndarray) -> float:
        """Return |⟨u, Hv⟩ − ⟨v, Hu⟩| relative to the larger of ‖Hu‖ and ‖Hv‖."""
        size = max(_norm(hu), _norm(hv), FLOOR[self.precision] * _norm(self.g), float(np.finfo(np.float64).tiny))
        return float(abs(u @ hv - v @ hu) / size)


class _Comparison:
    """Comparison of one derivative with differences at several steps, one direction at a time."""

    def __init__(self, precision: str, *, every_step: bool = False):
        self.tolerance, self.every_step = TOLERANCE[precision], every_step
        self.agrees, self.disagreements = False, 0
        self.error: float | None = None

    def begin(self, exact: np.ndarray, floor: float, noise: float) -> None:
        """Start a direction.

        Args:
            exact: The automatic derivative along the direction.
            floor: Norm below which values count as zero.
            noise: Rounding error of the values that are differenced.
        """
        self._exact, self._floor, self._noise = exact, floor, noise
        self._before: np.ndarray | None = None
        self._pairs: list[tuple[float, float]] = []  # uncertainty and error
        self._least = np.inf  # smallest error over all steps

    def add(self, step: float, difference: np.ndarray, bend: float = 0.0) -> None:
        """Add the next smaller step; `bend` is the gap between one-sided and central differences."""
        if self.agrees:
            return
        size = max(_norm(self._exact), _norm(difference), self._floor, float(np.finfo(np.float64).tiny))
        error = _norm(self._exact - difference) / size
        self._least = min(self._least, error)
        if error <= self.tolerance:
            self.agrees, self.error = True, error
        elif self._before is not None:
            # A kink within both steps, or only within the larger one, changes the difference by at least a quarter of
            # the error it causes; so do truncation and rounding.
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
        """Whether all directions disagreed."""
        return self.disagreements == DIRECTIONS


def _norm(v: np.ndarray) -> float:
    return float(np.linalg.norm(v))


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
    """Return ‖a − b‖ / max(‖a‖, ‖b‖): 0 if both are equal, infinity if either is not finite."""
    if np.array_equal(a, b):
        return 0.0
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    with np.errstate(invalid="ignore"):
        found = float(np.linalg.norm(a - b) / max(np.linalg.norm(a), np.linalg.norm(b)))
    return found if np.isfinite(found) else np.inf


def in_float64(net: Network, x: Any) -> Network | None:
    """Return the network in float64: itself, or a float64 copy with the same outputs at x: [N, ...].

    Returns None if no copy can be made, for example for models outside Keras, layers without a configuration, or a
    hard-coded precision.
    """
    try:
        exact = network_in(net, x, "float64")
        return every_unit(exact) if isinstance(net, EveryUnit) and exact is not net else exact
    except Exception:  # a user's layer may raise anything at another precision
        return None

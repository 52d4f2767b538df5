"""Train the network and its linearisation on a task, and compare their predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..datasets.task import Task, margins
from ..engine.context import CONFIRM_BELOW, Context
from ..engine.infinite_context import InfiniteContext
from ..engine.last_layer import last_layer_kernel
from ..errors import Diverged, Unsupported
from ..nests import map_leaves
from ..registry.specs import Architecture
from ..training import State, Trainer, critical_step
from ..types import Value

GOAL = 0.25  # training ends when the train loss has fallen to this share of the loss of the best constant
BATCH = 50  # samples in a minibatch
CHECK_EVERY = 20  # steps between evaluations of the train loss
SAFETY = 0.5  # step size, in units of the critical step of a minibatch
SAFETY_AT_BOTTLENECK = 0.1
HALVINGS = 6  # of the step size, when training diverges
LINEARIZED = frozenset({"test_error_linearized", "train_error_linearized", "linearization_gap", "disagreement"})
LAST_LAYER = "test_error_nngp"


def measure(ctx: Context | InfiniteContext) -> dict[str, Value]:
    """Return errors of the trained network, of its linearisation and of its last layer, and how far they differ.

    Training is minibatch SGD on the square loss of `Task.targets`, from w0. The step size is half the critical step of
    a minibatch, and training ends at the first check at which the train loss is a quarter of that of the best constant
    (the variance of the targets), or after settings.max_steps steps. The linearisation f(w0) + J(w0)·(w − w0) takes the
    same number of steps of the same size on the same minibatches: at the same training time, both differ by the
    network's nonlinearity alone.

    If linearization_gap is below 1e-3 in float32, everything is computed again in float64.

    At infinite width, network and linearisation are the same, and trained for infinite time: regression with the
    tangent kernel. No number but those named test_... depends on the labels of the test part.

    Raises:
        Unsupported: The outputs do not depend on the weights, or no limit is known.
        Diverged: Training diverges at every step size tried.

    Source: Lee et al. 2019 (arXiv 1902.06720); Jacot, Gabriel, Hongler 2018 (arXiv 1806.07572).
    """
    if isinstance(ctx, InfiniteContext):
        return at_infinity(ctx.limit, ctx.task, ctx.quantities)
    result = _trained(ctx, ctx.quantities)
    gap = result["linearization_gap"].value if "linearization_gap" in result else None
    if ctx.float32 and gap is not None and 0 < gap < CONFIRM_BELOW:
        result = _trained(ctx.float64, ctx.quantities)
    return result


def _trained(ctx: Context, wanted: frozenset[str]) -> dict[str, Value]:
    task, output_range = ctx.task, OutputRange(ctx.architecture)
    (x, y), (x_test, y_test) = task.train, task.test
    targets = task.targets(y)
    trained = Training(ctx, targets)
    of_network, steps = trained.network, trained.state.step
    f, f_test = of_network(x), of_network(x_test)
    values: dict[str, float | None] = {
        "test_error": task.error(f_test, y_test),
        "train_error": task.error(f, y),
        "train_loss": loss(f, targets) / loss_of_constant(targets),
        "margin": margin(task, f, y),
        "epochs": steps * trained.batch / len(y),
        "learning_rate": trained.step_size,
    }
    if not wanted.isdisjoint(LINEARIZED):
        linear, f0 = trained.linearized(), output_range.to_targets(trained.initial(x_test))
        linear_test = linear(x_test)
        values |= {
            "test_error_linearized": task.error(linear_test, y_test),
            "train_error_linearized": task.error(linear(x), y),
            "linearization_gap": _ratio(f_test - linear_test, linear_test - f0),
            "disagreement": disagreement(task, f_test, linear_test),
        }
    if LAST_LAYER in wanted:
        values[LAST_LAYER] = _last_layer_error(ctx, task, trained, output_range)
    return {name: Value(value, precision=ctx.precision) for name, value in values.items()}


class OutputRange:
    """The affine map between targets and outputs of an architecture whose outputs have a range of their own.

    `Architecture.targets` are the outputs for the targets −1 and +1.
    """

    def __init__(self, architecture: Architecture):
        low, high = architecture.targets
        self.center, self.half = (low + high) / 2, (high - low) / 2

    def to_outputs(self, targets: np.ndarray) -> np.ndarray:
        """Return the outputs that stand for these targets."""
        return self.center + self.half * targets

    def to_targets(self, outputs: np.ndarray) -> np.ndarray:
        """Return outputs in the unit of the targets, float64."""
        return (np.asarray(outputs, np.float64) - self.center) / self.half


class Training:
    """The training of a context's network on its task.

    Attributes:
        state: The state at the end.
        step_size: The step size η.
        batch: Number of samples in a minibatch.
    """

    def __init__(self, ctx: Context, targets: np.ndarray):
        self.ctx, self.range = ctx, OutputRange(ctx.architecture)
        self.x, self.y = ctx.task.train[0], self.range.to_outputs(targets)
        self.batch = min(BATCH, len(self.y))
        # Minibatches have larger critical curvatures than the whole set; these samples are spread over it.
        some = np.linspace(0, len(self.y) - 1, self.batch).astype(int)
        critical = critical_step(ctx.network, map_leaves(lambda part: np.asarray(part)[some], self.x))
        if not np.isfinite(critical):
            raise Unsupported("The outputs do not depend on the trainable weights, so there is nothing to train.")
        safety = SAFETY_AT_BOTTLENECK if ctx.architecture.bottleneck else SAFETY
        goal = GOAL * loss_of_constant(targets) * self.range.half**2
        for halvings in range(HALVINGS + 1):
            self.step_size = safety * critical / 2**halvings
            self.trainer = self._trainer()
            self.start = self.trainer.start(ctx.theta)
            try:
                self.state = self.trainer.run(
                    self.start, ctx.settings.max_steps, stop=lambda found: found <= goal, check_every=CHECK_EVERY
                )
            except Diverged:
                if halvings == HALVINGS:
                    raise
            else:
                return

    def _trainer(self, **options: Any) -> Trainer:
        return Trainer(
            self.ctx.network,
            self.x,
            self.y,
            learning_rate=self.step_size,
            batch_size=self.batch,
            order_seed=self.ctx.seed,
            **options,
        )

    def initial(self, x: Any) -> np.ndarray:
        """Return f(w0; x): [N, O], as the network returns it."""
        return self.trainer.outputs(self.start, x)

    def network(self, x: Any) -> np.ndarray:
        """Return the outputs of the trained network in the unit of the targets: [N, O] float64."""
        return self.range.to_targets(self.trainer.outputs(self.state, x))

    def linearized(self) -> Callable[[Any], np.ndarray]:
        """Train the linearisation on the same minibatches for as many steps, and return its outputs like `network`."""
        trainer = self._trainer(linearize_at=self.ctx.theta)
        state: State = trainer.advance(trainer.start(), self.state.step)
        return lambda x: self.range.to_targets(trainer.outputs(state, x))


def _last_layer_error(ctx: Context, task: Task, trained: Training, output_range: OutputRange) -> float | None:
    """Return the test error when the last layer alone is trained; None if the outputs are not affine in its weights.

    Gradient flow from w0 up to the same train loss, at most for the time of settings.max_steps steps at the critical
    step size of this layer.
    """
    (x, y), (x_test, y_test) = task.train, task.test
    net = ctx.network
    net.assign(ctx.theta)
    inputs, test = net.inputs(x), net.inputs(x_test)
    kernel, cross = last_layer_kernel(net, inputs), last_layer_kernel(net, test, inputs)
    if kernel is None or cross is None:
        return None
    f0, f0_test = (output_range.to_targets(trained.initial(part)) for part in (x, x_test))
    targets = task.targets(y)
    flow = GradientFlow(kernel, targets - f0)
    time = flow.time_of(GOAL * loss_of_constant(targets), most=ctx.settings.max_steps * flow.critical)
    return task.error(f0_test + flow.predict(cross, time), y_test)


class GradientFlow:
    """Gradient flow on Σ (f − y)²/2 of a linear model with kernel K, in closed form.

    Args:
        kernel: K of the train part, [N, N].
        residual: y − f0 on the train part, [N, O].
    """

    def __init__(self, kernel: np.ndarray, residual: np.ndarray):
        values, self.vectors = np.linalg.eigh(kernel)
        self.values = np.maximum(values, 0.0)
        self.residual = self.vectors.T @ residual

    @property
    def critical(self) -> float:
        """The critical step size 2/λmax of gradient descent; 0 for a zero kernel."""
        return 2 / self.values[-1] if self.values[-1] > 0 else 0.0

    def loss(self, time: float) -> float:
        """Return the mean over samples of Σ_o (f − y)²/2 at a time."""
        left = np.exp(-self.values * time)[:, None] * self.residual
        return float(np.sum(left**2)) / (2 * len(left))

    def time_of(self, loss: float, most: float) -> float:
        """Return the time at which the loss has fallen to `loss`, to 1e-6 of it; `most` if that is later."""
        if self.loss(most) > loss:
            return most
        low, high = 0.0, most
        while high - low > 1e-6 * high:
            middle = (low + high) / 2
            low, high = (middle, high) if self.loss(middle) > loss else (low, middle)
        return high

    def predict(self, cross: np.ndarray, time: float) -> np.ndarray:
        """Return f − f0 at other inputs, [M, O], from the kernel [M, N] between them and the train part."""
        safe = np.where(self.values > 0, self.values, 1.0)
        factor = np.where(self.values > 0, -np.expm1(-safe * time) / safe, time)
        return cross @ (self.vectors @ (factor[:, None] * self.residual))


def at_infinity(limit: Any, task: Task, wanted: frozenset[str]) -> dict[str, Value]:
    """Return the errors of regression with the limit kernel; what compares two networks has no value.

    Args:
        limit: Tangent kernel at infinite width, with `.nngp`.
        task: The task.
        wanted: Keys of the requested quantities.

    Source: Lee et al. 2019 (arXiv 1902.06720), equations 14–16, at infinite time and with f0 = 0 on average.
    """
    from ..kernels import Ensemble  # TensorFlow Probability is slow to import
    from ..kernels.remembered import Remembered

    (x, y), (x_test, y_test) = task.train, task.test
    targets = task.targets(y)
    limit, block = Remembered(limit), max(len(y), len(y_test))  # matrices of whole parts, shared by both ensembles
    values: dict[str, float | None] = dict.fromkeys(wanted)
    if wanted - {LAST_LAYER}:
        ensemble = Ensemble(limit, x, targets, block=block)
        f, f_test = (ensemble.predict(part, covariance=False).mean for part in (x, x_test))
        of_both = {"test_error": task.error(f_test, y_test), "train_error": task.error(f, y)}
        values |= of_both | {f"{name}_linearized": error for name, error in of_both.items()}
        values |= {"train_loss": loss(f, targets) / loss_of_constant(targets), "margin": margin(task, f, y)}
    if LAST_LAYER in wanted:
        bayesian = Ensemble(limit, x, targets, train="nngp", block=block).predict(x_test, covariance=False)
        values[LAST_LAYER] = task.error(bayesian.mean, y_test)
    return {name: Value(value, precision="float64") for name, value in values.items()}


def loss(f: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean over samples of Σ_o (f − targets)²/2."""
    return float(np.sum((f - targets) ** 2)) / (2 * len(f))


def loss_of_constant(targets: np.ndarray) -> float:
    """Return the loss of the constant prediction that fits best."""
    return loss(targets, targets.mean(0))


def margin(task: Task, f: np.ndarray, y: np.ndarray) -> float | None:
    """Return the mean margin of a classification; None for a regression."""
    return float(np.mean(margins(f, y))) if task.kind == "classification" else None


def disagreement(task: Task, f: np.ndarray, other: np.ndarray) -> float | None:
    """Return the share of samples that two classifiers put into different classes; None for a regression."""
    return float(np.mean(f.argmax(1) != other.argmax(1))) if task.kind == "classification" else None


def _ratio(difference: np.ndarray, moved: np.ndarray) -> float:
    """Return ‖difference‖/‖moved‖, 0 if nothing moved."""
    size = float(np.linalg.norm(moved))
    return float(np.linalg.norm(difference)) / size if size else 0.0

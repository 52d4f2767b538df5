"""The context of a measurement: a model at initialisation, its probes, and the engine bound to both."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from ..datasets.task import Task
from ..errors import NtkbenchError
from ..registry.specs import Architecture
from ..types import Settings, Value, Width
from . import hessian as _hessian, ntk as _ntk
from .linearize import Linearized, LinearModel
from .model import Network
from .ntk import KernelMap
from .ops import full_precision
from .search import SampleCurvature, Trajectory, WeightedOutput, gradient_descent

CONFIRM_BELOW = 1e-3  # relative changes below this value are recomputed in float64


class Context:
    """One model at its initialisation w0 and its probes, passed to every measurement.

    Attributes:
        model: The Keras model (or other supported model) at w0.
        x: Probes [N, ...] as the model takes them: a tensor or a nest of tensors.
        inputs: The same probes as the engine takes them: x itself, or the tensor [N, D] that a nest is packed into.
        y: Targets [N], mapped into the range of the output.
        width: Width of the model; `math.inf` in an `InfiniteContext`.
        seed: Seed of the cell.
        precision: "float32" or "float64".
        device: Name of the device.
        rng: NumPy generator of this cell and measurement.
        settings: Sizes and procedures (`Settings`).
        quantities: Result keys that are requested.
        architecture: Registered specification of the architecture.
        network: The model as a function of flat weights.
        theta: w0 as one vector [P].
        kernel_map: Tangent kernel at the probes as a function of the weights.
        linear_model: Linear model around w0 at the probes.
        weighted_output: Weighted sum of the outputs at the probes.
        limit: Kernel that the tangent kernel converges to as the width grows; Unsupported if none is known.
        task: Train and test part of the dataset, for measurements with needs="task"; the model then has
            `task.outputs` outputs.
        trajectory: Path of gradient descent, computed once and shared by all measurements.
    """

    def __init__(
        self,
        network: Network,
        x: Any,
        y: np.ndarray,
        *,
        width: Width,
        seed: int,
        precision: str,
        device: str,
        settings: Settings,
        architecture: Architecture,
        make_rng: Callable[[str], np.random.Generator],
        make_limit: Callable[[], Any],
        make_float64: Callable[[], Context] | None = None,
        task: Task | None = None,
    ):
        self.network, self.model = network, network.model
        self.inputs, self.y = network.inputs(x), np.asarray(y, np.float64)
        self.x = network.given(self.inputs)
        self.width, self.seed, self.precision, self.device = width, seed, precision, device
        self.settings, self.architecture = settings, architecture
        self.quantities: frozenset[str] = frozenset()
        self.theta = network.theta()
        self._make_rng, self._make_limit, self._make_float64 = make_rng, make_limit, make_float64
        self._in_float64: Context | None = None
        self._task = task
        self.rng = make_rng("")

    # -- the public functions, bound to the model ---------------------------------------------------------------

    def empirical_ntk(self, x1: Any = None, x2: Any = None, **options: Any) -> np.ndarray:
        """Return `ntkbench.empirical_ntk` of the model; by default at the probes and for the measured output unit."""
        options.setdefault("outputs", self.network.output)
        return _ntk.empirical_ntk(self.network, self.inputs if x1 is None else x1, x2, **options)

    def hessian_norm(self, x: Any = None, **options: Any) -> _hessian.HessianNorm:
        """Return `ntkbench.hessian_norm` of the model; by default at the probes."""
        options.setdefault("tol", self.settings.tol)
        options.setdefault("seed", self.seed)
        return _hessian.hessian_norm(self.network, self.inputs if x is None else x, **options)

    def hvp(self, x: Any, vectors: Any, **options: Any) -> list[np.ndarray]:
        """Return `ntkbench.hvp` of the model."""
        return _hessian.hvp(self.network, x, vectors, **options)

    def linearize(self) -> Linearized:
        """Return the linear model around the current weights."""
        return Linearized(self.network)

    # -- shared by the built-in measurements ---------------------------------------------------------------------

    @cached_property
    def kernel_map(self) -> KernelMap:
        return KernelMap(self.network, self.inputs)

    @cached_property
    def kernel(self) -> np.ndarray:
        """K(w0): [N, N] float64."""
        return self.kernel_map.kernel(self.theta)

    @property
    def limit(self) -> Any:
        return self._make_limit()

    @property
    def task(self) -> Task:
        return given_task(self._task)

    @cached_property
    def linear_model(self) -> LinearModel:
        return LinearModel(self.network, self.inputs, self.theta)

    @cached_property
    def weighted_output(self) -> WeightedOutput:
        return WeightedOutput(self.network, self.inputs)

    @cached_property
    def gradient_norm(self) -> float:
        """Root mean square of ‖∇f(w0; x)‖ over the probes."""
        return float(np.sqrt(np.mean(np.diag(self.kernel))))

    @property
    def hessian_norms(self) -> _hessian.HessianNorm:
        """Hessian norms at w0, one per probe."""
        return self._hessians[0]

    @property
    def curvatures(self) -> list[SampleCurvature]:
        """The first `ball_probes` probes with their leading Hessian eigenpairs at w0."""
        return [SampleCurvature(self.network, self.inputs[i : i + 1], pair) for i, pair in enumerate(self._hessians[1])]

    @cached_property
    def _hessians(self) -> tuple[_hessian.HessianNorm, list[_hessian.Eigenpair]]:
        count = self.settings.ball_probes
        self.network.assign(self.theta)
        with full_precision():
            return _hessian.norms_and_pairs(
                self.network, self.inputs, tol=self.settings.tol, seed=self.seed, pairs=count
            )

    @cached_property
    def trajectory(self) -> Trajectory:
        s = self.settings
        safety = 0.1 if self.architecture.bottleneck else 0.5
        return gradient_descent(
            self.network,
            self.inputs,
            self.y,
            self.theta,
            safety=safety,
            target_ratio=s.target_ratio,
            max_steps=s.max_steps,
        )

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters of the model."""
        return self.network.size

    @property
    def float64(self) -> Context:
        """Context of the same model and weights in float64, or this one if it is in float64 already."""
        if self.precision == "float64" or self._make_float64 is None:
            return self
        if self._in_float64 is None:
            self._in_float64 = self._make_float64()
        self._in_float64.settings = self.settings
        return self._in_float64

    def confirmed(self, compute: Callable[[Context], float]) -> Value:
        """Return compute(self), recomputed in float64 if the relative change is below 1e-3."""
        value = compute(self)
        if self.float32 and 0 < abs(value) < CONFIRM_BELOW:
            return Value(compute(self.float64), precision="float64")
        return Value(value, precision=self.precision)

    @property
    def float32(self) -> bool:
        return self.precision == "float32"

    def start(self, measurement: str, quantities: frozenset[str], settings: Settings | None = None) -> None:
        """Prepare for a measurement: reset the weights to w0, the random generator and the requested quantities.

        Args:
            measurement: Name of the measurement.
            quantities: Result keys that are requested.
            settings: Settings of its cell, which may differ from those of another measurement only in the radius; None
                keeps the current ones.
        """
        self.network.assign(self.theta)
        self.settings = settings or self.settings
        self.rng = self._make_rng(measurement)
        self.quantities = quantities

    def direction(self) -> tf.Tensor:
        """Draw a direction uniformly from the unit sphere in weight space: [P]."""
        v = self.rng.standard_normal(self.network.size)
        return tf.constant(v / np.linalg.norm(v), self.network.dtype)


def given_task(task: Task | None) -> Task:
    """Return the task of a context; raise NtkbenchError if it has none."""
    if task is None:
        raise NtkbenchError('Only measurements with needs="task" have a task. Register this one with needs="task".')
    return task

"""The context of a measurement: a model at initialisation, its probes, and the engine bound to both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ..datasets.task import Task
from ..nests import read_only
from ..registry.specs import Architecture
from ..types import Settings, Value, Width
from . import hessian as _hessian, ntk as _ntk
from .cell_context import CellContext
from .linearize import Linearized, LinearModel
from .model import Network
from .ntk import KernelMap
from .ops import full_precision
from .search import SampleCurvature, Trajectory, WeightedOutput, gradient_descent

CLIMBING = frozenset({"kernel_change_worst", "search_gain"})  # quantities that follow the gradient of the kernel
CONFIRM_BELOW = 1e-3  # relative changes below this value are recomputed in float64


class Context(CellContext):
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
        params: All its parameters.
        network: The model as a function of flat weights.
        theta: w0 as one vector [P].
        kernel_map: Tangent kernel at the probes as a function of the weights.
        linear_model: Linear model around w0 at the probes.
        weighted_output: Weighted sum of the outputs at the probes.
        limit: Kernel that the tangent kernel converges to as the width grows; Unsupported if none is known.
        task: Train and test part of the dataset, for measurements with needs="task"; the model then has
            `task.outputs` outputs.
        trajectory: Path of gradient descent, computed once and shared by all measurements.

    Args:
        planned: Quantities that will be measured on the same model, of which shared functions are compiled at once.
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
        params: Mapping[str, Any] | None = None,
        planned: Collection[str] = (),
    ):
        super().__init__(
            y,
            width=width,
            seed=seed,
            precision=precision,
            device=device,
            settings=settings,
            architecture=architecture,
            make_rng=make_rng,
            make_limit=make_limit,
            task=task,
            params=params,
        )
        self.network, self.model = network, network.model
        self.inputs = network.inputs(x)
        self.x = network.given(self.inputs)
        self.theta = network.theta()
        self._make_float64, self._planned = make_float64, frozenset(planned)
        self._in_float64: Context | None = None

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
        """The tangent kernel of the probes as a compiled function of the weights."""
        return KernelMap(self.network, self.inputs, with_gradient=not CLIMBING.isdisjoint(self._planned))

    @cached_property
    def kernel(self) -> np.ndarray:
        """K(w0): [N, N] float64, read-only."""
        return read_only(self.kernel_map.kernel(self.theta))

    @cached_property
    def linear_model(self) -> LinearModel:
        """The linearisation at w0, at the probes."""
        return LinearModel(self.network, self.inputs, self.theta)

    @cached_property
    def weighted_output(self) -> WeightedOutput:
        """Weighted sums of the outputs at the probes, with their derivatives."""
        return WeightedOutput(self.network, self.inputs)

    @cached_property
    def gradient_norm(self) -> float:
        """Root mean square of ‖∇f(w0; x)‖ over the probes."""
        return float(np.sqrt(np.mean(np.diag(self.kernel))))

    @cached_property
    def hessian_norms(self) -> _hessian.HessianNorm:
        """Hessian norms at w0, one per probe."""
        self.network.assign(self.theta)
        return self.hessian_norm()

    @cached_property
    def curvatures(self) -> list[SampleCurvature]:
        """The first `ball_probes` probes with their leading Hessian eigenpairs at w0."""
        x, tol = self.inputs[: self.settings.ball_probes], self.settings.tol
        self.network.assign(self.theta)
        with full_precision():
            _, pairs = _hessian.norms_and_pairs(self.network, x, tol=tol, seed=self.seed, pairs=len(x))
        return [SampleCurvature(self.network, x[i : i + 1], pair) for i, pair in enumerate(pairs)]

    @cached_property
    def trajectory(self) -> Trajectory:
        """The path of gradient descent from w0 on the square loss of the probes."""
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
        self._in_float64.settings, self._in_float64._workspace = self.settings, self._workspace
        return self._in_float64

    def confirmed(self, compute: Callable[[Context], float]) -> Value:
        """Return compute(self), recomputed in float64 if the relative change is below 1e-3."""
        value = compute(self)
        if self.float32 and 0 < abs(value) < CONFIRM_BELOW:
            return Value(compute(self.float64), precision="float64")
        return Value(value, precision=self.precision)

    @property
    def float32(self) -> bool:
        """Whether this context computes in float32."""
        return self.precision == "float32"

    def start(
        self,
        measurement: str,
        quantities: frozenset[str],
        settings: Settings | None = None,
        workspace: Path | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Reset the weights to w0, and prepare for a measurement as `CellContext.start` does."""
        self.network.assign(self.theta)
        super().start(measurement, quantities, settings, workspace, say)

    def direction(self) -> tf.Tensor:
        """Draw a direction uniformly from the unit sphere in weight space: [P]."""
        v = self.rng.standard_normal(self.network.size)
        return tf.constant(v / np.linalg.norm(v), self.network.dtype)

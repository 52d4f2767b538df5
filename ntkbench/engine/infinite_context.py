"""The context of a measurement at infinite width: a kernel and the probes, without a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from ..datasets.task import Task
from ..nests import read_only
from ..registry.specs import Architecture
from ..types import Settings
from .cell_context import CellContext


class InfiniteContext(CellContext):
    """The limit kernel of an architecture, or a registered kernel, and the probes of a cell at infinite width.

    It is passed to measurements with `at_infinity=True` in place of a `Context`, with the same names where they have a
    meaning without a model.

    Attributes:
        x: Probes [N, ...]; floating-point parts have the precision of the run.
        y: Targets [N], mapped into the range of the output.
        width: `math.inf`.
        seed: Seed of the cell, on which only the probes depend.
        precision: "float32" or "float64".
        device: Name of the device.
        rng: NumPy generator of this cell and measurement.
        settings: Sizes and procedures (`Settings`).
        quantities: Result keys that are requested.
        architecture: Registered specification of the architecture; of a kernel, `Kernel.subject`.
        params: All its parameters.
        n_parameters: None; a model at finite width has a number.
        limit: The kernel: `limit.matrix(x1, x2)` is the tangent kernel of one output unit, `limit.nngp` the kernel of
            the outputs at initialisation. Computed on first use and shared by all seeds of a group.
    """

    n_parameters: int | None = None

    def __init__(
        self,
        x: Any,
        y: np.ndarray,
        *,
        seed: int,
        precision: str,
        device: str,
        settings: Settings,
        architecture: Architecture,
        make_rng: Callable[[str], np.random.Generator],
        make_limit: Callable[[], Any],
        task: Task | None = None,
        params: Mapping[str, Any] | None = None,
    ):
        super().__init__(
            y,
            width=math.inf,
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
        self.x = _in_precision(x, precision)

    @cached_property
    def kernel(self) -> np.ndarray:
        """K(x, x): [N, N] float64, read-only. It is computed in float64 in every precision of the run."""
        x = _in_precision(self.x, "float64")
        return read_only(self.limit.matrix(x, x).numpy())

    @cached_property
    def kernel_error(self) -> float:
        """Spectral norm of the error of `kernel`: rounding, and the limit's own estimate (`limit.error`) if it has one.

        An eigenvalue of the kernel is off by at most this much.
        """
        rounding = np.finfo(np.float64).eps * len(self.kernel) * np.linalg.norm(self.kernel, 2)
        if not hasattr(self.limit, "error"):
            return float(rounding)
        return float(rounding + np.linalg.norm(self.limit.error(_in_precision(self.x, "float64")), 2))

    @cached_property
    def gradient_norm(self) -> float:
        """Root mean square of ‖∇f(x)‖ over the probes."""
        return float(np.sqrt(np.mean(np.diag(self.kernel))))


def _in_precision(x: Any, precision: str) -> Any:
    """Return a nest of tensors, with its floating-point parts in a precision; integers and booleans stay."""

    def cast(part: Any) -> tf.Tensor:
        part = tf.convert_to_tensor(part)
        return tf.cast(part, precision) if part.dtype.is_floating else part

    return tf.nest.map_structure(cast, x)

"""Random perturbations, which say least about the worst case."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ..engine.context import Context
from ..engine.ntk import relative_change
from ..types import Value


def measure(ctx: Context) -> dict[str, Value]:
    """Return kernel_change_random and linearization_error_random.

    Both are means over points w0 + R·u, with u uniform on the unit sphere; the error is the standard error of the mean.
    Source: Liu, Zhu, Belkin 2020 (arXiv 2010.01092).
    """
    directions = [ctx.direction() for _ in range(ctx.settings.draws)]

    def kernel_change(at: Context, direction: tf.Tensor) -> float:
        return relative_change(at.kernel_map.kernel(at.theta + at.settings.radius * direction), at.kernel)

    def linearization_error(at: Context, direction: tf.Tensor) -> float:
        residual = at.linear_model.residual(at.settings.radius * direction)
        scale = at.settings.radius * at.gradient_norm
        return float(np.sqrt(np.mean(residual**2))) / scale if scale else 0.0

    return {
        "kernel_change_random": _mean(ctx, directions, kernel_change),
        "linearization_error_random": _mean(ctx, directions, linearization_error),
    }


def _mean(ctx: Context, directions: list[tf.Tensor], value_at) -> Value:
    drawn: list[float] = []

    def mean(at: Context) -> float:
        drawn[:] = [value_at(at, tf.cast(direction, at.network.dtype)) for direction in directions]
        return float(np.mean(drawn))

    value = ctx.confirmed(mean)
    error = float(np.std(drawn, ddof=1) / np.sqrt(len(drawn))) if len(drawn) > 1 else None
    return Value(value.value, error, "statistical", value.precision)

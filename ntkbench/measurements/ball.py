"""The worst direction in a ball of weights: of the kernel, of the linear model, and of the Hessian."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ..engine.ascent import Best, ascend
from ..engine.context import Context
from ..engine.kernel_distance import relative_change
from ..types import Value


def measure(ctx: Context) -> dict[str, Value]:
    """Return the largest values found within R of w0: kernel_change_worst, linearization_error_worst,
    hessian_norm_ball (Liu, Zhu, Belkin 2020, arXiv 2010.01092). Lower bounds of the suprema.
    """
    result: dict[str, Value] = {}
    if "kernel_change_worst" in ctx.quantities:
        result["kernel_change_worst"] = kernel_change_worst(ctx)
    if "linearization_error_worst" in ctx.quantities:
        result["linearization_error_worst"] = linearization_error_worst(ctx)
    if "hessian_norm_ball" in ctx.quantities:
        found = [sample.in_ball(ctx.theta, ctx.settings.radius, ctx.settings.tol) for sample in ctx.curvatures]
        result["hessian_norm_ball"] = Value(float(np.mean(found)), None, "bound")
    return result


def kernel_change_worst(ctx: Context) -> Value:
    """Return max over the ball of ‖K(w) − K(w0)‖_F/‖K(w0)‖_F, started at ± the direction in which ‖K‖ grows."""
    k0, radius = ctx.kernel, ctx.settings.radius

    def objective(v: tf.Tensor) -> tuple[float, tf.Tensor]:
        k, gradient = ctx.kernel_map.kernel_and_gradient(ctx.theta + radius * v, k0)
        return relative_change(k, k0), gradient

    _, growth = ctx.kernel_map.kernel_and_gradient(ctx.theta, np.zeros_like(k0))
    best = ascend(objective, _starts(ctx, growth))
    return _confirmed(ctx, best, _kernel_change_at)


def _kernel_change_at(ctx: Context, direction: tf.Tensor) -> float:
    k = ctx.kernel_map.kernel(ctx.theta + ctx.settings.radius * direction)
    return relative_change(k, ctx.kernel)


def linearization_error_worst(ctx: Context) -> Value:
    """Return max over the ball of rms(f − f_lin)/(R·gradient_norm), started at ± the top Hessian eigenvector."""
    radius, model = ctx.settings.radius, ctx.linear_model

    def objective(v: tf.Tensor) -> tuple[float, tf.Tensor]:
        residual, gradient = model.residual_and_gradient(radius * v)
        return _relative_error(ctx, residual), gradient

    top = max((sample.top for sample in ctx.curvatures), key=lambda top: abs(top.value))
    best = ascend(objective, _starts(ctx, top.vector * float(top.value != 0)))
    return _confirmed(ctx, best, _linearization_error_at)


def _linearization_error_at(ctx: Context, direction: tf.Tensor) -> float:
    return _relative_error(ctx, ctx.linear_model.residual(ctx.settings.radius * direction))


def _relative_error(ctx: Context, residual: np.ndarray) -> float:
    scale = ctx.settings.radius * ctx.gradient_norm
    return float(np.sqrt(np.mean(np.square(residual)))) / scale if scale else 0.0


def _starts(ctx: Context, direction: tf.Tensor) -> list[tuple[tf.Tensor, int]]:
    budget = ctx.search_budget
    return list(zip([direction, -direction, *(ctx.direction() for _ in budget[2:])], budget, strict=True))


def _confirmed(ctx: Context, best: Best, value_at) -> Value:
    """Return the best value, measured again in float64 at the same point when it is small."""
    if best.direction is None:
        return Value(0.0, None, "bound", ctx.precision)
    direction = best.direction

    def value(at: Context) -> float:
        return best.value if at is ctx else value_at(at, tf.cast(direction, at.network.dtype))

    confirmed = ctx.confirmed(value)
    return Value(confirmed.value, None, "bound", confirmed.precision)

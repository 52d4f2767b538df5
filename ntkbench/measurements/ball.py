"""Measure the largest change of the kernel, the linear model and the Hessian in a ball around initialisation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import define

from ..engine.context import CLIMBING, Context
from ..engine.ntk import relative_change
from ..engine.search import (
    Crossings,
    Maximum,
    Vector,
    ascend,
    ascend_best,
    climb,
    kink_share,
    largest,
    rms_of_variables,
    unit,
    vector,
)
from ..errors import Diverged
from ..types import KINKED, Value

ASCENT = 60  # maximum number of evaluations of one ascent
POLISHED = 1e-4  # relative gain at which the final ascent stops
NOISE = 1.0  # standard deviation of the Gaussian displacement that probes kinks, relative to each variable's rms
SMOOTH = (0.4, 0.8)  # fractions of R tried for the smooth ascent; the rest crosses kinks

WithGradient = Callable[[Vector], tuple[float, Vector]]
"""Objective of `ascend` with a gradient at every point."""


@define
class _Watched:
    """An objective that remembers whether all of its values were finite."""

    objective: WithGradient
    finite: bool = True

    def __call__(self, v: Vector) -> tuple[float, Vector]:
        value, gradient = self.objective(v)
        self.finite &= bool(np.isfinite(value))
        return value, gradient

    def check(self, best: Maximum, what: str, radius: float) -> None:
        """Raise Diverged if nothing was found because values were not finite, which is not a maximum of 0."""
        if not self.finite and not best.value > 0:
            raise Diverged(f"{what} is not finite at radius {radius:g}. Choose a smaller --radius.")


@np.errstate(over="ignore", invalid="ignore")  # values that are not finite are reported as such
def measure(ctx: Context) -> dict[str, Value]:
    """Return kernel_change_worst, linearization_error_worst and hessian_norm_ball: the largest values within R of w0.

    They are lower bounds of the suprema. kernel_change_worst is reported with search_gain and kink_share, which tell
    how far its search can be trusted.

    Source: Liu, Zhu, Belkin 2020 (arXiv 2010.01092).
    """
    result: dict[str, Value] = {}
    if not ctx.quantities.isdisjoint(CLIMBING):
        result |= kernel_change_worst(ctx)
    elif "kink_share" in ctx.quantities:
        result["kink_share"] = largest_kink_share(ctx)
    if "linearization_error_worst" in ctx.quantities:
        result["linearization_error_worst"] = linearization_error_worst(ctx)
    if "hessian_norm_ball" in ctx.quantities:
        found = [sample.in_ball(ctx.theta, ctx.settings.radius, ctx.settings.tol) for sample in ctx.curvatures]
        result["hessian_norm_ball"] = Value(float(np.mean(found)), None, "bound")
    return result


def kernel_change_worst(ctx: Context) -> dict[str, Value]:
    """Return kernel_change_worst = max over the ball of ‖K(w) − K(w0)‖_F/‖K(w0)‖_F, with search_gain and kink_share.

    Two independent searches maximise the same objective. One ascends from ± the direction in which ‖K‖ grows, the other
    from ± the displacement of gradient descent and ± a random direction. If the gradient has kinks, both also cross
    them, each with its own random draws. search_gain is the relative gain of the combined search over the worse of the
    two.
    """
    objective, growth, share = _Watched(kernel_objective(ctx)), kernel_growth(ctx), largest_kink_share(ctx)
    halves = [[growth], [_descent(ctx), ctx.direction()]]
    found = [largest(ascend_best(objective, _both(start), ASCENT) for start in half) for half in halves]
    if (share.value or 0.0) > KINKED:
        found = [largest([smooth, *across_kinks(ctx, objective)]) for smooth in found]
    best = largest(found)
    if best.direction is not None:
        best = largest([best, ascend(objective, best, ASCENT, POLISHED)])
    objective.check(best, "The tangent kernel", ctx.settings.radius)
    return {
        "kernel_change_worst": _confirmed(ctx, best, _kernel_change_at),
        "search_gain": Value(_gain(best, found), None, "bound"),
        "kink_share": share,
    }


def kernel_objective(ctx: Context) -> WithGradient:
    """Return the objective: unit vector v [P] -> (relative kernel change at w0 + R·v, its gradient up to a factor)."""
    k0, origin, radius = ctx.kernel, vector(ctx.theta), ctx.settings.radius

    def objective(v: Vector) -> tuple[float, Vector]:
        k, gradient = ctx.kernel_map.kernel_and_gradient(origin + radius * v, k0)
        return relative_change(k, k0), gradient

    return objective


def kernel_growth(ctx: Context) -> Vector:
    """Return the gradient of ½‖K‖² at w0: [P]."""
    return vector(ctx.kernel_map.kernel_and_gradient(ctx.theta, np.zeros_like(ctx.kernel))[1])


def _kernel_change_at(ctx: Context, direction: Vector) -> float:
    k = ctx.kernel_map.kernel(vector(ctx.theta) + ctx.settings.radius * direction)
    return relative_change(k, ctx.kernel)


def largest_kink_share(ctx: Context) -> Value:
    """Return the largest share of the gradient's change that second derivatives do not explain.

    The maximum is over three displacements: that of gradient descent, Jᵀc of length R with the leading eigenvector c of
    K, and a Gaussian one, which reaches kinks that gradients do not lead to.
    """
    rms = rms_of_variables(ctx.network, ctx.theta)
    gaussian = rms * (ctx.rng.standard_normal(len(rms)) * NOISE).astype(rms.dtype)
    outputs = unit(_along_outputs(ctx))
    displacements = [_descent(ctx), gaussian, *([] if outputs is None else [ctx.settings.radius * outputs])]
    everywhere = np.ones(len(ctx.y))
    share, error = max(kink_share(ctx.weighted_output, ctx.theta, v, everywhere) for v in displacements)
    return Value(share, error, "bound")


def linearization_error_worst(ctx: Context) -> Value:
    """Return the maximum of rms(f − f_lin)/(R·gradient_norm) over the ball.

    The search starts at ± the top Hessian eigenvector, ± the displacement of gradient descent and ± a random direction.
    """
    radius, model = ctx.settings.radius, ctx.linear_model

    def objective(v: Vector) -> tuple[float, Vector]:
        residual, gradient = model.residual_and_gradient(radius * v)
        total = float(np.sum(np.square(residual)))
        error = _relative_error(ctx, residual)
        return error, vector(gradient) * (radius * error / total if total else 0.0)

    top = max((sample.top for sample in ctx.curvatures), key=lambda top: abs(top.value))
    starts = [top.vector * float(top.value != 0), _descent(ctx), ctx.direction()]
    watched = _Watched(objective)
    best = largest(ascend_best(watched, _both(start), ASCENT, climb) for start in starts)
    watched.check(best, "The error of the linear model", radius)
    return _confirmed(ctx, best, _linearization_error_at)


def _linearization_error_at(ctx: Context, direction: Vector) -> float:
    return _relative_error(ctx, ctx.linear_model.residual(ctx.settings.radius * direction))


def _relative_error(ctx: Context, residual: np.ndarray) -> float:
    scale = ctx.settings.radius * ctx.gradient_norm
    return float(np.sqrt(np.mean(np.square(residual)))) / scale if scale else 0.0


# -- starting points of the searches -----------------------------------------------------------------------------------


def _both(direction: Vector) -> tuple[Vector, Vector]:
    return direction, -direction


def _descent(ctx: Context) -> Vector:
    """Return the displacement of gradient descent [P], zero if it diverges."""
    try:
        return ctx.trajectory.end - ctx.trajectory.origin
    except Diverged:
        return vector(tf.zeros_like(ctx.theta))


def _along_outputs(ctx: Context) -> Vector:
    """Return Jᵀc [P] for the leading eigenvector c of K."""
    _, vectors = np.linalg.eigh(ctx.kernel)
    gradient, _ = ctx.weighted_output.gradient_and_product(ctx.theta, vectors[:, -1], tf.zeros_like(ctx.theta))
    return gradient


def across_kinks(ctx: Context, objective: WithGradient) -> Iterator[Maximum]:
    """Yield maxima found by crossing kinks within R of w0, alone and combined with an ascent in the other weights."""
    radius = ctx.settings.radius
    crossings = Crossings(ctx.weighted_output, ctx.theta, ctx.kernel, ctx.rng)

    def value(displacement: Vector) -> float:
        found = _kernel_change_at(ctx, displacement / radius)
        return found if np.isfinite(found) else 0.0

    yield crossings.climb(value, radius)
    for crossing in crossings.best(value, radius):
        if (alone := unit(crossing.within(radius))) is not None:
            yield Maximum(value(radius * alone), alone)
        for part in SMOOTH:
            fixed = crossing.within(radius * (1 - part**2) ** 0.5) / radius
            free = fixed == 0

            def beside(u: Vector, part: float = part, fixed: np.ndarray = fixed, free: np.ndarray = free) -> Any:
                reached, gradient = objective(fixed + part * u)
                return reached, np.where(free, gradient, 0)

            _, start = objective(fixed)
            smooth = ascend(beside, np.where(free, start, 0), ASCENT)
            if smooth.direction is not None and (both := unit(fixed + part * smooth.direction)) is not None:
                yield Maximum(value(radius * both), both)


# -- results of the searches -----------------------------------------------------------------------------------------


def _gain(best: Maximum, found: Iterable[Maximum]) -> float:
    """Return the relative gain of the best maximum over the worse search: infinity if that one found nothing."""
    worse = min(maximum.value for maximum in found)
    if worse > 0:
        return best.value / worse - 1
    return float("inf") if best.value > 0 else 0.0


def _confirmed(ctx: Context, best: Maximum, value_at: Callable[[Context, tf.Tensor], float]) -> Value:
    """Return the best value, measured again in float64 at the same point if it is small."""
    if best.direction is None:
        return Value(0.0, None, "bound", ctx.precision)
    direction = best.direction

    def value(at: Context) -> float:
        return best.value if at is ctx else value_at(at, tf.cast(direction, at.network.dtype))

    confirmed = ctx.confirmed(value)
    return Value(confirmed.value, None, "bound", confirmed.precision)

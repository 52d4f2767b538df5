"""Effect of gradient descent on the kernel, the linear model, the loss and the weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf
from attrs import evolve

from ..engine.context import CONFIRM_BELOW, Context
from ..engine.ntk import relative_change
from ..types import Curve, Value

CONFIRMED = ("kernel_change_gd", "linearization_error_gd")
SPACING = 1.3
"""Smallest ratio of neighbouring steps in a curve, so that thousands of steps give about thirty points."""
DIGITS = 8
"""Significant digits of a curve."""


def measure(ctx: Context) -> dict[str, Value | Curve]:
    """Return the quantities and curves of the gradient-descent path (Liu, Zhu, Belkin 2020, arXiv 2010.01092).

    If the kernel change or the linearisation error is below 1e-3, the whole path is recomputed in float64 and all
    values are taken from that path.
    """
    result = _along_path(ctx, ctx.quantities)
    small = [value.value for name in CONFIRMED if isinstance(value := result.get(name), Value)]
    if ctx.float32 and any(value is not None and 0 < value < CONFIRM_BELOW for value in small):
        result = _along_path(ctx.float64, ctx.quantities)
    return result


def _along_path(ctx: Context, wanted: frozenset[str]) -> dict[str, Value | Curve]:
    path = ctx.trajectory
    k0 = path.kernels[0]
    change = tf.norm(path.end - path.origin)
    with np.errstate(divide="ignore", invalid="ignore"):
        pl = np.where(path.losses > 0, path.gradients / (2 * path.losses), np.inf)
    lambda_min = float(np.linalg.eigvalsh(k0)[0])
    values = {
        "kernel_change_gd": max(relative_change(k, k0) for k in path.kernels.values()),
        "final_loss_ratio": float(path.losses[-1] / path.losses[0]) if path.losses[0] else 0.0,
        "steps": float(path.steps),
        "step_size": path.step_size,
        "pl_ratio": float(pl.min() / lambda_min) if lambda_min > 0 else None,
        "weight_change": float(change),
        "relative_weight_change": float(change / tf.norm(path.origin)),
    }
    if "linearization_error_gd" in wanted:  # skipped otherwise, because the linear model is one more function to trace
        values["linearization_error_gd"] = linearization_error_gd(ctx)
    result = {name: Value(value, precision=ctx.precision) for name, value in values.items()}
    curves: dict[str, Curve] = {}
    if "loss_along_gd" in wanted:
        curves["loss_along_gd"] = _curve({step: path.losses[step] for step in spaced(range(path.steps + 1))})
    if "kernel_change_along_gd" in wanted:
        changes = {step: relative_change(path.kernels[step], k0) for step in spaced(path.kernels)}
        curves["kernel_change_along_gd"] = _curve(changes)
    return {**result, "steps": evolve(result["steps"], error=0.0, error_kind="exact"), **curves}


def _curve(points: Mapping[int, float]) -> Curve:
    return Curve(points, [float(f"{y:.{DIGITS}g}") for y in points.values()])


def spaced(steps: Iterable[int]) -> list[int]:
    """Return the first and the last of ascending steps, and those between that grow by at least SPACING."""
    kept: list[int] = []
    for step in steps:
        if not kept or step >= SPACING * kept[-1]:
            kept.append(step)
    return kept if not kept or step == kept[-1] else [*kept, step]


def linearization_error_gd(ctx: Context) -> float:
    """Return rms(f − f_lin)/rms(f_lin − f0) at the end of the path, 0 if the path did not move."""
    f0, rise, f = ctx.linear_model.expansion(ctx.trajectory.end - ctx.trajectory.origin)
    moved = float(np.linalg.norm(rise))
    return float(np.linalg.norm(f - f0 - rise)) / moved if moved else 0.0

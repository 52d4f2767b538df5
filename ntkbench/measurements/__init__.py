"""The built-in measurements, registered through the public hook (metrics by Liu, Zhu and Belkin 2020)."""

from __future__ import annotations

from attrs import evolve

from ..registry.hookspecs import hookimpl
from ..types import Quantity

Bounds = tuple[float, float]
NON_NEGATIVE: Bounds = (0.0, float("inf"))
KINKED = 0.05  # kink_share above which a network counts as one with kinks; smooth ones stay below kinks.STILL
UNSURE = 0.1  # search_gain above which kernel_change_worst is a lower bound only, its search unsure
ANY: Bounds = (float("-inf"), float("inf"))


def _lower(name: str, symbol: str, reduction: str, summary: str, unit: str = "1") -> Quantity:
    return Quantity(name, symbol, unit, NON_NEGATIVE, "lower", reduction, summary)


def _plain(
    name: str, symbol: str, reduction: str, summary: str, unit: str = "1", bounds: Bounds = NON_NEGATIVE
) -> Quantity:
    return Quantity(name, symbol, unit, bounds, reduction=reduction, summary=summary)


GRADIENT = [
    _plain("gradient_norm", "‖∇f‖", "rms", "norm of the output's gradient at initialisation", "f"),
    _plain("q_infinity", "Q∞", "mean", "largest influence of one hidden neuron on the output", "f"),
]
HESSIAN = [
    _lower("hessian_norm", "‖H‖", "mean", "spectral norm of the output's Hessian at initialisation", "f"),
    evolve(_lower("hessian_norm", "‖H‖", "max", "the same norm, largest over the probes", "f"), key="hessian_norm:max"),
    _lower("curvature_ratio", "‖H‖/‖∇f‖²", "mean", "Hessian norm over the squared gradient norm", "f^-1"),
]
BALL = [
    _lower("hessian_norm_ball", "sup ‖H‖", "mean", "largest Hessian norm found in the ball of radius R", "f"),
    _lower("kernel_change_worst", "ΔK worst", "value", "largest relative kernel change in the ball of radius R"),
    _plain(
        "search_gain",
        "search gain",
        "value",
        "what the search for the worst kernel change found beyond the worse of its two independent halves, relative",
    ),
    _plain(
        "kink_share",
        "kinks",
        "max",
        "share of the gradient's change along a line that second derivatives do not explain, the largest over the "
        "displacement of gradient descent, ±Jᵀc and random directions: 0 where the network is smooth",
    ),
    _lower("linearization_error_worst", "Δf worst", "value", "largest relative error of the linear model in the ball"),
]
GD = [
    _lower("kernel_change_gd", "ΔK gd", "max", "largest relative kernel change along gradient descent"),
    _lower("linearization_error_gd", "Δf gd", "value", "relative error of the linear model after gradient descent"),
    _plain("final_loss_ratio", "L_T/L_0", "value", "loss at the end of gradient descent over loss at its start"),
    _plain("steps", "T", "value", "steps of gradient descent"),
    _plain("step_size", "η", "value", "step size of gradient descent at its end", "f^-2"),
    _plain("pl_ratio", "PL*", "value", "smallest ‖∇L‖²/(2L) on the path, over λmin(K) at initialisation"),
    _plain("weight_change", "‖Δw‖", "value", "distance from initialisation to the end of gradient descent"),
    _plain("relative_weight_change", "‖Δw‖/‖w‖", "value", "that distance over the norm of the initial weights"),
]
RANDOM = [
    _lower("kernel_change_random", "ΔK random", "mean", "relative kernel change at a random point at distance R"),
    _lower("linearization_error_random", "Δf random", "mean", "relative error of the linear model at such a point"),
]
KERNEL = [
    _plain("lambda_min", "λmin", "value", "smallest eigenvalue of the tangent kernel", "f^2", ANY),
    _plain("condition", "λmax/λmin", "value", "condition number of the tangent kernel", bounds=ANY),
]
CONVERGENCE = [
    _plain("kernel_convergence", "‖K−K∞‖/‖K∞‖", "value", "relative distance of the tangent kernel from its limit"),
]


@hookimpl
def ntkbench_register_measurements(register):
    """Register the rows of the standard metrics."""
    here = __name__
    register("gradient", f"{here}.gradient:measure", quantities=GRADIENT, summary="gradient at initialisation")
    register("hessian", f"{here}.hessian:measure", quantities=HESSIAN, needs="hessian", summary="Hessian at the start")
    register(
        "ball",
        f"{here}.ball:measure",
        quantities=BALL,
        needs=("ball", "trajectory"),
        companions={"kernel_change_worst": ("search_gain", "kink_share")},
        summary="worst direction in a ball",
    )
    register("gd", f"{here}.gd:measure", quantities=GD, needs="trajectory", summary="full-batch gradient descent")
    register("random", f"{here}.random:measure", quantities=RANDOM, summary="random directions")
    register("kernel", f"{here}.kernel:measure", quantities=KERNEL, summary="spectrum of the tangent kernel")
    register(
        "kernel_convergence",
        f"{here}.convergence:measure",
        quantities=CONVERGENCE,
        needs="limit",
        summary="distance from infinite width",
    )

"""The built-in measurements, registered through the public plugin hook (metrics by Liu, Zhu and Belkin 2020)."""

from __future__ import annotations

from attrs import evolve

from ..registry.hookspecs import hookimpl
from ..types import Quantity

Bounds = tuple[float, float]
NON_NEGATIVE: Bounds = (0.0, float("inf"))
ANY: Bounds = (float("-inf"), float("inf"))


def _lower(name: str, symbol: str, reduction: str, summary: str, unit: str = "1") -> Quantity:
    return Quantity(name, symbol, unit, NON_NEGATIVE, "lower", reduction, summary)


def _plain(
    name: str, symbol: str, reduction: str, summary: str, unit: str = "1", bounds: Bounds = NON_NEGATIVE
) -> Quantity:
    return Quantity(name, symbol, unit, bounds, reduction=reduction, summary=summary)


def _share(name: str, symbol: str, summary: str) -> Quantity:
    return Quantity(name, symbol, "1", (0.0, 1.0), summary=summary, per="variable")


GRADIENT = [
    _plain("gradient_norm", "‖∇f‖", "rms", "norm of the output's gradient at initialisation", "f"),
    _plain("q_infinity", "Q∞", "mean", "largest influence of one hidden neuron on the output", "f"),
]
HESSIAN = [
    _lower("hessian_norm", "‖H‖", "mean", "spectral norm of the output's Hessian at initialisation", "f"),
    evolve(
        _lower(
            "hessian_norm",
            "‖H‖",
            "max",
            "spectral norm of the output's Hessian at initialisation, largest over the probes",
            "f",
        ),
        key="hessian_norm:max",
    ),
    _lower("curvature_ratio", "‖H‖/‖∇f‖²", "mean", "Hessian norm divided by the squared gradient norm", "f^-1"),
]
BALL = [
    _lower("hessian_norm_ball", "sup ‖H‖", "mean", "largest Hessian norm found in the ball of radius R", "f"),
    _lower("kernel_change_worst", "ΔK worst", "value", "largest relative kernel change in the ball of radius R"),
    _plain(
        "search_gain",
        "search gain",
        "value",
        "relative gain of the search for the worst kernel change over the worse of its two independent halves",
    ),
    _plain(
        "kink_share",
        "kinks",
        "max",
        "share of the gradient's change along a line that second derivatives do not explain; largest value over the "
        "displacement of gradient descent, ±Jᵀc and random directions; 0 for smooth networks",
    ),
    _lower("linearization_error_worst", "Δf worst", "value", "largest relative error of the linear model in the ball"),
]
GD = [
    _lower("kernel_change_gd", "ΔK gd", "max", "largest relative kernel change along gradient descent"),
    _lower("linearization_error_gd", "Δf gd", "value", "relative error of the linear model after gradient descent"),
    _plain("final_loss_ratio", "L_T/L_0", "value", "final loss of gradient descent divided by its initial loss"),
    _plain("steps", "T", "value", "number of steps of gradient descent"),
    _plain("step_size", "η", "value", "final step size of gradient descent", "f^-2"),
    _plain("pl_ratio", "PL*", "value", "smallest ‖∇L‖²/(2L) on the path, divided by λmin(K) at initialisation"),
    _plain("weight_change", "‖Δw‖", "value", "distance from initialisation to the end of gradient descent"),
    _plain("relative_weight_change", "‖Δw‖/‖w‖", "value", "weight_change divided by the norm of the initial weights"),
]
RANDOM = [
    _lower("kernel_change_random", "ΔK random", "mean", "relative kernel change at a random point at distance R"),
    _lower(
        "linearization_error_random",
        "Δf random",
        "mean",
        "relative error of the linear model at a random point at distance R",
    ),
]
KERNEL = [
    _plain("lambda_min", "λmin", "value", "smallest eigenvalue of the tangent kernel", "f^2", ANY),
    _plain("condition", "λmax/λmin", "value", "condition number of the tangent kernel", bounds=ANY),
]
BEND = [
    _lower("kernel_slope", "κ₁", "mean", "relative kernel change of one input per unit of radius, as R → 0"),
    _share("bend_share", "‖H∇f‖² share", "share of a variable in ‖H∇f‖², that is, in the change of the tangent kernel"),
    _share("kernel_share", "‖∇f‖² share", "share of a variable in ‖∇f‖², the trace of the tangent kernel"),
    evolve(_plain("variable_size", "size", "value", "number of weights of a variable"), per="variable"),
]
CONVERGENCE = [
    _plain("kernel_convergence", "‖K−K∞‖/‖K∞‖", "value", "relative distance of the tangent kernel from its limit"),
]

TASK = [
    _plain("test_error", "E", "value", "test error of the trained network: share wrong, or squared error / variance"),
    _plain("train_error", "E train", "value", "train error of the trained network"),
    _plain("test_error_linearized", "E lin", "value", "test error of the network linearised at w0, trained alike"),
    _plain("train_error_linearized", "E lin train", "value", "train error of the linearised network"),
    _plain(
        "test_error_nngp", "E last layer", "value", "test error when the last layer alone is trained; at ∞ of the NNGP"
    ),
    _lower(
        "linearization_gap",
        "Δf task",
        "rms",
        "difference between trained and linearised network at the test inputs, relative to how far the latter moved",
    ),
    Quantity(
        "disagreement",
        "disagree",
        "1",
        (0.0, 1.0),
        "lower",
        "mean",
        "share of test inputs where trained and linearised network decide differently",
    ),
    _plain("train_loss", "L/L const", "value", "train loss at the end, divided by that of the best constant"),
    _plain(
        "margin",
        "margin",
        "mean",
        "output at the right class minus the largest other one, over train inputs",
        bounds=ANY,
    ),
    _plain("epochs", "epochs", "value", "number of passes over the train part"),
    _plain("learning_rate", "η task", "value", "step size of training", "f^-2"),
]


@hookimpl
def ntkbench_register_measurements(register):
    """Register the built-in measurements with their quantities."""
    here = __name__
    register(
        "gradient",
        f"{here}.gradient:measure",
        quantities=GRADIENT,
        summary="gradient at initialisation",
        at_infinity=True,
    )
    register(
        "hessian", f"{here}.hessian:measure", quantities=HESSIAN, needs="hessian", summary="Hessian at initialisation"
    )
    register(
        "ball",
        f"{here}.ball:measure",
        quantities=BALL,
        needs=("ball", "trajectory"),
        companions={"kernel_change_worst": ("search_gain", "kink_share")},
        summary="worst perturbation in a ball around initialisation",
    )
    register("gd", f"{here}.gd:measure", quantities=GD, needs="trajectory", summary="full-batch gradient descent")
    register("random", f"{here}.random:measure", quantities=RANDOM, needs="radius", summary="random perturbations")
    register(
        "bend",
        f"{here}.bend:measure",
        quantities=BEND,
        needs="hessian",
        summary="contribution of each variable to the change of the tangent kernel",
    )
    register(
        "kernel",
        f"{here}.kernel:measure",
        quantities=KERNEL,
        summary="spectrum of the tangent kernel",
        at_infinity=True,
    )
    register(
        "kernel_convergence",
        f"{here}.convergence:measure",
        quantities=CONVERGENCE,
        needs="limit",
        summary="distance of the tangent kernel from its infinite-width limit",
    )
    register(
        "task",
        f"{here}.task:measure",
        quantities=TASK,
        needs="task",
        at_infinity=True,
        summary="errors on a task of the trained network, its linearisation and its limit",
    )

"""Plugin for ntkbench: how the tangent kernel and the loss landscape move while a network trains."""

import importlib

from ntkbench import CurveSpec, Quantity, hookimpl

ntkbench_hooks = "0.1"

INFINITY = float("inf")
NOT_NEGATIVE = (0.0, INFINITY)


@hookimpl
def ntkbench_register_measurements(register):
    """Register the measurements."""
    register(
        "dynamics",
        "ntkbench_dynamics.measurement:measure",
        summary="how kernel, patterns, weights and sharpness move in training",
        needs="task",
        quantities=[
            Quantity(
                "kernel_distance_trained",
                "S(0, T)",
                bounds=(0.0, 1.0),
                direction="lower",
                summary="kernel distance (one minus the cosine) from initialisation to the end of training",
            ),
            Quantity(
                "kernel_change_trained",
                "ΔK",
                bounds=NOT_NEGATIVE,
                direction="lower",
                summary="relative kernel change from initialisation to the end of training",
            ),
            Quantity(
                "kernel_velocity_first",
                "v(0)",
                unit="1/epoch",
                bounds=NOT_NEGATIVE,
                direction="lower",
                summary="kernel distance over the first velocity_dt epochs, divided by velocity_dt",
            ),
            Quantity(
                "kernel_velocity_late",
                "v(late)",
                unit="1/epoch",
                bounds=NOT_NEGATIVE,
                direction="lower",
                summary="mean kernel velocity over the second half of training",
            ),
            Quantity(
                "label_alignment_initial",
                "CKA(0)",
                bounds=(-1.0, 1.0),
                summary="centred alignment of the initial kernel with that of the targets",
            ),
            Quantity(
                "label_alignment_trained",
                "CKA(T)",
                bounds=(-1.0, 1.0),
                summary="centred alignment of the trained kernel with that of the targets",
            ),
            Quantity(
                "kernel_rank_initial",
                "erank K(0)",
                bounds=(1.0, INFINITY),
                summary="effective rank of the initial kernel, summed over outputs",
            ),
            Quantity(
                "kernel_rank_trained",
                "erank K(T)",
                bounds=(1.0, INFINITY),
                summary="effective rank of the trained kernel, summed over outputs",
            ),
            Quantity(
                "pattern_change_trained",
                "ΔB",
                bounds=(0.0, 1.0),
                direction="lower",
                summary="share of hidden units, per input, whose sign differs after training",
            ),
            Quantity(
                "weight_change_trained",
                "Δw",
                bounds=NOT_NEGATIVE,
                summary="distance of the weights from initialisation, relative to their norm there",
            ),
            Quantity(
                "sharpness_initial",
                "λη/2(1+μ), 0",
                summary="largest eigenvalue of the initial loss Hessian over the bound of stability",
            ),
            Quantity(
                "sharpness_trained",
                "λη/2(1+μ)",
                summary="largest eigenvalue of the trained loss Hessian over the bound of stability",
            ),
            Quantity(
                "test_error_trained",
                "test error",
                bounds=NOT_NEGATIVE,
                summary="test error after training: share wrong, or squared error / variance",
            ),
            Quantity("train_error_trained", "train error", bounds=NOT_NEGATIVE, summary="train error after training"),
            Quantity("trained_epochs", "T", unit="epoch", bounds=NOT_NEGATIVE, summary="epochs of training"),
            Quantity("velocity_dt", "dt", unit="epoch", bounds=NOT_NEGATIVE, summary="dt of the kernel velocity"),
        ],
        companions={
            "kernel_velocity_first": ("velocity_dt",),
            "kernel_velocity_late": ("velocity_dt",),
        },
        curves=[
            _curve("kernel_velocity", "v", "kernel velocity S(t, t + dt)/dt per epoch", unit="1/epoch"),
            _curve("kernel_distance_from_start", "S(0, t)", "kernel distance to initialisation", 1.0),
            _curve("kernel_distance_to_end", "S(t, T)", "kernel distance to the end of training", 1.0),
            _curve("kernel_change_from_start", "ΔK", "relative kernel change since initialisation"),
            CurveSpec(
                "label_alignment",
                "CKA",
                x_unit="epoch",
                bounds=(-1.0, 1.0),
                summary="centred alignment of the kernel with that of the targets",
            ),
            CurveSpec(
                "kernel_rank",
                "erank K",
                x_unit="epoch",
                bounds=(1.0, INFINITY),
                summary="effective rank of the kernel, summed over outputs",
            ),
            _curve("pattern_change", "ΔB", "share of hidden units whose sign differs from initialisation", 1.0),
            _curve("weight_change_from_start", "Δw", "relative distance of the weights from initialisation"),
            _curve("output_distance_to_end", "Δf", "relative distance of the outputs from those at the end"),
            CurveSpec(
                "sharpness",
                "λη/2(1+μ)",
                x_unit="epoch",
                summary="largest eigenvalue of the loss Hessian over the bound of stability",
            ),
            _curve("train_loss_by_epoch", "L", "square loss on the train part", unit="f^2"),
            _curve("test_error_by_epoch", "test error", "test error along training"),
        ],
    )
    register(
        "catapult",
        "ntkbench_dynamics.catapult:measure",
        summary="gradient descent at 1.5 times the critical step size",
        needs="task",
        quantities=[
            Quantity(
                "catapult_converges",
                "converges",
                bounds=(0.0, 1.0),
                summary="1 if the loss falls below its first value in the end, 0 if it does not",
            ),
            Quantity(
                "catapult_peak",
                "L peak",
                bounds=(1.0, INFINITY),
                summary="largest loss divided by the first one, where it converges",
            ),
            Quantity(
                "catapult_curvature",
                "λT/λ0",
                bounds=NOT_NEGATIVE,
                summary="largest eigenvalue of the tangent kernel at the end over that at the start",
            ),
        ],
        curves=[
            CurveSpec(
                "catapult_loss", "L", x_unit="step", bounds=NOT_NEGATIVE, summary="loss over the first loss, by step"
            )
        ],
    )


@hookimpl
def ntkbench_register_suites(register):
    """Register the suite."""
    register(
        "fort2020",
        "ntkbench_dynamics.fort2020:fort2020_file",
        summary="two phases of training, on digits and by width: Fort et al. 2020 (arXiv 2010.15110)",
    )


def _curve(name, symbol, summary, largest=INFINITY, unit="1"):
    """Return the declaration of a curve by epoch whose values are not negative."""
    return CurveSpec(name, symbol, x_unit="epoch", unit=unit, bounds=(0.0, largest), summary=summary)


_HOME = {
    "activation_pattern": "distances",
    "alignment": "kernels",
    "all_distances": "kernels",
    "barrier": "landscape",
    "barriers": "basin",
    "centred_alignment": "kernels",
    "children": "basin",
    "disagreement": "distances",
    "effective_rank": "kernels",
    "gram": "kernels",
    "linearized": "basin",
    "LossHessian": "landscape",
    "output_distance": "distances",
    "parameter_angle": "distances",
    "parameter_distance": "distances",
    "pattern_distance": "distances",
    "plot": "picture",
    "probability_distance": "distances",
    "share_wrong": "basin",
    "stability": "landscape",
    "trace_kernel": "kernels",
    "Track": "track",
    "velocity": "kernels",
}


def __getattr__(name):
    """Import the functions on first use, so that `ntkbench list` stays fast."""
    if name in _HOME:
        return getattr(importlib.import_module(f"ntkbench_dynamics.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

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
        seconds=6,
        needs=["task", "hessian"],
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
                "output_hessian_initial",
                "‖∇²f‖(0)",
                unit="f",
                bounds=NOT_NEGATIVE,
                direction="lower",
                summary="mean norm of the initial Hessian of the measured output",
            ),
            Quantity(
                "output_hessian_trained",
                "‖∇²f‖(T)",
                unit="f",
                bounds=NOT_NEGATIVE,
                direction="lower",
                summary="mean norm of the trained Hessian of the measured output",
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
            CurveSpec(
                "kernel_distances",
                "S",
                x_unit="pair",
                bounds=(0.0, 1.0),
                summary="kernel distances between all snapshots, a heat map",
                axis="kernel_distance_from_start",
            ),
            _curve("kernel_change_from_start", "ΔK", "relative kernel change since initialisation"),
            CurveSpec(
                "label_alignment",
                "CKA",
                x_unit="epoch",
                bounds=(-1.0, 1.0),
                summary="centred alignment of the kernel with that of the targets",
            ),
            CurveSpec(
                "label_alignment_uncentred",
                "KTA",
                x_unit="epoch",
                bounds=(-1.0, 1.0),
                summary="alignment of the kernel with that of the targets, without centring",
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
            _curve("weight_angle_from_start", "1 − cos", "one minus the cosine of weights and initial weights", 2.0),
            _curve("output_distance_to_end", "Δf", "relative distance of the outputs from those at the end"),
            _curve(
                "probability_distance_to_end",
                "Δp",
                "mean distance of softmax f, in the unit of targets, from that at the end",
                2.0,
            ),
            _curve("disagreement_to_end", "Δ argmax", "share of probes in another class than at the end", 1.0),
            _curve("output_hessian", "‖∇²f‖", "mean norm of the Hessian of the measured output", unit="f"),
            CurveSpec(
                "sharpness",
                "λη/2(1+μ)",
                x_unit="epoch",
                summary="largest eigenvalue of the loss Hessian over the bound of stability",
            ),
            CurveSpec(
                "sharpness_second",
                "λ₂η/2(1+μ)",
                x_unit="epoch",
                summary="second largest eigenvalue of the loss Hessian over the bound of stability",
            ),
            _curve("train_loss_by_epoch", "L", "square loss on the train part", unit="f^2"),
            _curve("test_error_by_epoch", "test error", "test error along training"),
        ],
    )
    register(
        "barrier",
        "ntkbench_dynamics.spawning:measure",
        summary="error barriers between children spawned along training",
        seconds=2,
        needs="task",
        quantities=[
            _error("barrier_initial", "barrier(0)", "train barrier between children spawned at initialisation"),
            _error("barrier_early", "barrier(3.2)", "train barrier between children spawned at barrier_early_epoch"),
            _error("test_barrier_initial", "test barrier(0)", "test barrier between children of initialisation"),
            _error("test_barrier_early", "test barrier(3.2)", "test barrier between those of barrier_early_epoch"),
            _error("children_train_error", "child error", "largest train error of a child; a barrier needs about 0"),
            _error("barrier_early_epoch", "t", "3.2, or the last epoch of spawning before it", unit="epoch"),
        ],
        companions={
            "barrier_initial": ("children_train_error",),
            "barrier_early": ("children_train_error", "barrier_early_epoch"),
        },
        curves=[
            _curve(
                "train_barrier_by_spawn", "barrier", "train error barrier between children, by the epoch of spawning"
            ),
            _curve(
                "test_barrier_by_spawn", "test barrier", "test error barrier between children, by the epoch of spawning"
            ),
            _curve("children_distance", "Δw", "distance of the children's weights over the norm of the initial ones"),
            _curve("children_output_distance", "Δf", "relative distance of the children's outputs on the test part"),
            _curve(
                "children_disagreement", "Δ argmax", "share of test samples that children classify differently", 1.0
            ),
        ],
    )
    register(
        "onset",
        "ntkbench_dynamics.onset:measure",
        summary="errors of linear and of slow training from the snapshots on",
        seconds=14,
        needs="task",
        quantities=[
            _error(
                "test_error_linearized_initial", "err_lin(0)", "test error of the network linearised at initialisation"
            ),
            _error("test_error_linearized_early", "err_lin(3.2)", "test error of that linearised at onset_early_epoch"),
            _error("test_error_slow_initial", "err_slow(0)", "test error of slow training from initialisation"),
            _error("test_error_slow_early", "err_slow(3.2)", "test error of slow training from onset_early_epoch"),
            Quantity("test_advantage_initial", "advantage(0)", summary="err_lin(0) minus err_slow(0)"),
            Quantity(
                "test_advantage_early",
                "advantage(3.2)",
                summary="the same at onset_early_epoch",
            ),
            _error("test_error_network", "err", "test error of the network after training"),
            _error("test_error_probe_initial", "err_probe(0)", "test error of a linear model on the initial features"),
            _error("test_error_probe_trained", "err_probe(T)", "test error of a linear model on the trained features"),
            _error("onset_early_epoch", "t", "3.2, or the last snapshot before it", unit="epoch"),
        ],
        companions={
            "test_error_linearized_early": ("onset_early_epoch",),
            "test_error_slow_early": ("onset_early_epoch",),
            "test_advantage_early": ("onset_early_epoch",),
        },
        curves=[
            _curve("test_error_linearized_by_onset", "err_lin", "test error of the network linearised at an epoch"),
            _curve("test_error_slow_by_onset", "err_slow", "test error of slow training from an epoch on"),
            CurveSpec("test_advantage_by_onset", "advantage", x_unit="epoch", summary="err_lin minus err_slow"),
            _curve(
                "test_error_probe_by_onset", "err_probe", "test error of a linear model on the features of an epoch"
            ),
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
    """Register the suites."""
    register(
        "fort2020",
        "ntkbench_dynamics.fort2020:fort2020_file",
        summary="two phases of training, on digits and by width: Fort et al. 2020 (arXiv 2010.15110)",
    )
    register(
        "transient",
        "ntkbench_dynamics.transient:transient_file",
        summary="the transient of training against width, in the NTK, standard and maximal-update parameterisations",
    )


@hookimpl
def ntkbench_register_datasets(register):
    """Register the dataset."""
    register(
        "parity",
        "ntkbench_dynamics.parity:load",
        summary="random signs, labelled by the product of the first two: the initial tangent kernel does badly",
        forms="vector",
        task="ntkbench_dynamics.parity:load_task",
        params={
            "d": {"type": "int", "default": 40, "minimum": 2, "maximum": 10000, "help": "number of entries of an input"}
        },
    )


def _error(name, symbol, summary, unit="1"):
    """Return the declaration of an error, or of another number that is not negative."""
    return Quantity(name, symbol, unit=unit, bounds=NOT_NEGATIVE, summary=summary)


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
    "linear_probe": "probing",
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
    "tangent_regression": "basin",
    "Track": "track",
    "velocity": "kernels",
}


def __getattr__(name):
    """Import the functions on first use, so that `ntkbench list` stays fast."""
    if name in _HOME:
        return getattr(importlib.import_module(f"ntkbench_dynamics.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

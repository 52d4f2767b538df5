"""The measurement `dynamics`: how kernel, patterns, weights and sharpness move while a network trains on a task."""

import time

import numpy as np

import ntkbench as nb

from .distances import disagreement, output_distance, parameter_angle, pattern_distance, probability_distance
from .kernels import alignment, centred_alignment, effective_rank, trace_kernel
from .nests import rows
from .track import assigned, kept
from .training import Training


def measure(ctx):
    """Return numbers and curves of one training: see `ntkbench_dynamics.register`, and `Training` for its settings.

    Kernels are Gram matrices of all outputs at settings.n_probes inputs of the train part. Hessian norms are those of
    the measured output at the first settings.ball_probes of them.
    """
    snapshots = Snapshots(ctx)
    snapshots.take()
    return snapshots.numbers() | snapshots.curves()


class Snapshots:
    """What `dynamics` measures at the snapshots of a context's training, each as a function of the step."""

    def __init__(self, ctx):
        self.ctx, self.training = ctx, Training(ctx)
        self.track = self.training.track
        self.start, self.end = self.track.steps[0], self.track.steps[-1]

    def take(self):
        """Compute what is costly at each snapshot in turn, and report the epoch and the time left.

        The time left is predicted from the snapshots after the first one, for which functions are compiled.
        """
        began = left = None
        steps = self.track.steps
        for taken, step in enumerate(steps):
            if taken > 1:
                left = (time.monotonic() - began) / (taken - 1) * (len(steps) - taken)
            about = "" if left is None else f", about {left:.0f} s left"
            self.ctx.report(f"measuring, {self.track.place(step)}{about}")
            self.track.kernel(step)
            self.track.pattern(step)
            for of in (self.sharpness, self.output_hessian):
                if self._requested(of.__name__, step):
                    of(step)
            began = began or time.monotonic()

    def _requested(self, name, step):
        """Return whether a curve, or a quantity at the start or the end, needs a value at a step."""
        ends = {self.start: f"{name}_initial", self.end: f"{name}_trained"}
        needed = {name, f"{name}_second", ends.get(step)}
        return bool(needed & self.ctx.quantities)

    def numbers(self):
        """Return the quantities."""
        track, start, end, wanted = self.track, self.start, self.end, self.ctx.quantities
        velocities, half = track.velocities(), track.epoch(end) / 2
        late = [v for time, v in velocities.items() if time >= half or len(velocities) == 1]
        found = {
            "kernel_distance_trained": nb.kernel_distance(track.kernel(start), track.kernel(end)),
            "kernel_change_trained": self.kernel_change(end),
            "kernel_velocity_first": velocities[0.0],
            "kernel_velocity_late": float(np.mean(late)),
            "label_alignment_initial": self.label_alignment(start),
            "label_alignment_trained": self.label_alignment(end),
            "kernel_rank_initial": self.kernel_rank(start),
            "kernel_rank_trained": self.kernel_rank(end),
            "pattern_change_trained": self.pattern_change(end),
            "weight_change_trained": self.weight_change(end),
            "test_error_trained": self.test_error(end),
            "train_error_trained": self.training.error_of(self.ctx.task.train)(track.state(end).weights),
            "trained_epochs": track.epoch(end),
            "velocity_dt": track.dt,
        }
        costly = {
            "sharpness_initial": (self.sharpness, start),
            "sharpness_trained": (self.sharpness, end),
            "output_hessian_initial": (self.output_hessian, start),
            "output_hessian_trained": (self.output_hessian, end),
        }
        return found | {name: of(step) for name, (of, step) in costly.items() if name in wanted}

    def curves(self):
        """Return the curves that are requested and that the network has."""
        end, track = self.end, self.track
        found = {"kernel_velocity": nb.Curve(*zip(*track.velocities().items(), strict=True))}
        for name, of in {
            "kernel_distance_from_start": lambda step: nb.kernel_distance(track.kernel(self.start), track.kernel(step)),
            "kernel_distance_to_end": lambda step: nb.kernel_distance(track.kernel(step), track.kernel(end)),
            "kernel_change_from_start": self.kernel_change,
            "label_alignment": self.label_alignment,
            "label_alignment_uncentred": self.label_alignment_uncentred,
            "kernel_rank": self.kernel_rank,
            "pattern_change": self.pattern_change,
            "weight_change_from_start": self.weight_change,
            "weight_angle_from_start": lambda step: parameter_angle(self.weights(step), self.weights(self.start)),
            "output_distance_to_end": lambda step: output_distance(track.outputs(step), track.outputs(end)),
            "probability_distance_to_end": lambda step: self.of_classes(probability_distance, step),
            "disagreement_to_end": lambda step: self.of_classes(disagreement, step),
            "output_hessian": self.output_hessian,
            "sharpness": self.sharpness,
            "sharpness_second": lambda step: self.sharpness(step, 1),
            "train_loss_by_epoch": lambda step: self.training.trainer.loss(track.state(step)),
            "test_error_by_epoch": self.test_error,
        }.items():
            if name in self.ctx.quantities:
                points = [(track.epoch(step), of(step)) for step in track.steps]
                points = [(x, y) for x, y in points if y is not None]
                found[name] = nb.Curve([x for x, _ in points], [y for _, y in points]) if points else None
        if "kernel_distances" in self.ctx.quantities:
            found["kernel_distances"] = pairs(track.distances())
        return {name: curve for name, curve in found.items() if name in self.ctx.quantities and curve is not None}

    def weights(self, step):
        """Return the weights: [P] float64."""
        return self.track.state(step).weights.astype(np.float64)

    def kernel_change(self, step):
        """Return ‖K_t − K_0‖/‖K_0‖."""
        return nb.relative_change(self.track.kernel(step), self.track.kernel(self.start))

    def kernel_rank(self, step):
        """Return the effective rank of the kernel, summed over outputs."""
        return effective_rank(self._summed(step))

    def label_alignment(self, step):
        """Return the centred alignment of the kernel, summed over outputs, with the kernel Y·Yᵀ of the targets."""
        return centred_alignment(self._summed(step), self.training.targets @ self.training.targets.T)

    def label_alignment_uncentred(self, step):
        """Return the same without centring: the kernel-target alignment."""
        return alignment(self._summed(step), self.training.targets @ self.training.targets.T)

    def _summed(self, step):
        return trace_kernel(self.track.kernel(step), self.ctx.task.outputs)

    def pattern_change(self, step):
        """Return the share of hidden units, per input, whose sign differs from initialisation."""
        found = self.track.pattern(step)
        return None if found is None else pattern_distance(self.track.pattern(self.start), found)

    def weight_change(self, step):
        """Return ‖w_t − w_0‖/‖w_0‖."""
        return nb.relative_change(self.weights(step), self.weights(self.start))

    def of_classes(self, distance, step):
        """Return a distance of the outputs to those at the end, in the unit of targets; None without classes."""
        if not self.ctx.task.classes:
            return None
        return distance(*(self.training.as_targets(self.track.outputs(each)) for each in (step, self.end)))

    def sharpness(self, step, which=0):
        """Return an eigenvalue of the Hessian of the train loss over the bound of stability; None if there is none."""
        values = self.training.sharpness(step)
        return float(values[which]) if which < len(values) else None

    def output_hessian(self, step):
        """Return the mean norm of the Hessian of the measured output."""

        def measure():
            with assigned(self.training.trainer, self.track.state(step)):
                norms = self.ctx.hessian_norm(rows(self.track.x, slice(self.ctx.settings.ball_probes)))
            return {"norm": np.mean(norms.value)}

        return float(kept(self.track.folder / f"output-hessian-{step}.npz", measure)["norm"])

    def test_error(self, step):
        """Return the test error."""
        return self.training.error_of(self.ctx.task.test)(self.track.state(step).weights)


def pairs(s):
    """Return a symmetric matrix [T, T] with a diagonal of zeros as a curve of its pairs; see `CurveSpec.axis`."""
    values = s[np.tril_indices(len(s), -1)]
    return nb.Curve(range(len(values)), values)

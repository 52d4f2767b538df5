"""The measurement `dynamics`: how kernel, patterns, weights and sharpness move while a network trains on a task."""

import numpy as np

import ntkbench as nb
from ntkbench.errors import Diverged, Unsupported

from .distances import output_distance, pattern_distance
from .kernels import centred_alignment, effective_rank, trace_kernel
from .landscape import LossHessian, stability
from .nests import rows
from .track import Track, kept

EPOCHS, DT = 20, 0.4
BATCH, MOMENTUM = 50, 0.9
SAFETY, SAFETY_AT_BOTTLENECK = 0.5, 0.1  # step size, in units of the critical step of a minibatch
HALVINGS = 6  # of the step size, when training diverges


def measure(ctx):
    """Return numbers and curves of one training: see `ntkbench_dynamics.register`.

    Training is SGD with momentum 0.9 and minibatches of 50 on the square loss of `Task.targets`, for 20 epochs or
    settings.max_steps steps. The learning rate is constant: half the critical step of a minibatch, halved again while
    training diverges or ends with a tangent kernel of zero, that is, with dead units only. Kernels are Gram matrices of
    all outputs at settings.n_probes inputs of the train part.

    Raises:
        Unsupported: The outputs do not depend on the weights.
        Diverged: Training diverges at every step size tried.
    """
    training = Training(ctx)
    track, wanted = training.track, ctx.quantities
    start, end = track.steps[0], track.steps[-1]
    found = _numbers(ctx, training, start, end, wanted)
    found |= {name: curve for name, curve in _curves(ctx, training, wanted).items() if curve.x}
    return found


class Training:
    """The training of a context's network, with its snapshots in the context's workspace.

    Attributes:
        trainer: The trainer.
        track: The track.
        rate: The learning rate η.
        y: Targets of the train part as outputs of the architecture, [N, O].
    """

    def __init__(self, ctx):
        self.x, labels = ctx.task.train
        self.y = as_outputs(ctx, ctx.task.targets(labels))
        n = len(self.y)
        batch = min(BATCH, n)
        critical = float(kept(ctx.workspace / "critical.npz", lambda: {"step": self._critical(ctx, batch)})["step"])
        if not np.isfinite(critical):
            raise Unsupported("The outputs do not depend on the trainable weights, so there is nothing to train.")
        self.probes, _ = probes(ctx)
        self.hessian = LossHessian(ctx.model, self.x, self.y, "square")
        self.targets = ctx.task.targets(labels[spread(n, ctx.settings.n_probes)])
        safety = SAFETY_AT_BOTTLENECK if ctx.architecture.bottleneck else SAFETY
        for halvings in range(HALVINGS + 1):
            self.rate = safety * critical / 2**halvings
            self.trainer = nb.training.Trainer(
                ctx.network,
                self.x,
                self.y,
                learning_rate=self.rate,
                momentum=MOMENTUM,
                batch_size=batch,
                order_seed=ctx.seed,
            )
            steps = min(round(EPOCHS * self.trainer.steps_per_epoch), ctx.settings.max_steps)
            folder = ctx.workspace / f"halvings-{halvings}"
            folder.mkdir(exist_ok=True)
            start = self.trainer.start(ctx.theta)
            self.track = Track(self.trainer, ctx.model, self.probes, steps, folder, dt=DT, start=start)
            try:
                if self.track.kernel(self.track.steps[-1]).any():
                    return
                if halvings == HALVINGS:
                    raise Diverged("Training ends with a tangent kernel of zero: every hidden unit is dead.")
            except Diverged:
                if halvings == HALVINGS:
                    raise

    def _critical(self, ctx, batch):
        # Minibatches have larger critical curvatures than the whole set; these samples are spread over it.
        return nb.training.critical_step(ctx.network, rows(self.x, spread(len(self.y), batch)))

    def sharpness(self, step):
        """Return the largest eigenvalue of the Hessian of the train loss, in units of the bound of stability."""
        return self.track.sharpness(step, self.hessian) / stability(self.rate, MOMENTUM)


def _numbers(ctx, training, start, end, wanted):
    track, task = training.track, ctx.task
    first, last = track.kernel(start), track.kernel(end)
    before, after = (track.state(step).weights.astype(np.float64) for step in (start, end))
    velocities, half = track.velocities(), track.epoch(end) / 2
    patterns = track.pattern(start), track.pattern(end)
    found = {
        "kernel_distance_trained": nb.kernel_distance(first, last),
        "kernel_change_trained": nb.relative_change(last, first),
        "kernel_velocity_first": velocities[0.0],
        "kernel_velocity_late": float(
            np.mean([v for time, v in velocities.items() if time >= half or len(velocities) == 1])
        ),
        "label_alignment_initial": training_alignment(training, start),
        "label_alignment_trained": training_alignment(training, end),
        "kernel_rank_initial": effective_rank(trace_kernel(first, task.outputs)),
        "kernel_rank_trained": effective_rank(trace_kernel(last, task.outputs)),
        "pattern_change_trained": None if patterns[0] is None else pattern_distance(*patterns),
        "weight_change_trained": nb.relative_change(after, before),
        "test_error_trained": _error(ctx, training, end, task.test),
        "train_error_trained": _error(ctx, training, end, task.train),
        "trained_epochs": track.epoch(end),
        "velocity_dt": track.dt,
    }
    for name, step in (("sharpness_initial", start), ("sharpness_trained", end)):
        if name in wanted:
            found[name] = training.sharpness(step)
    return found


def _curves(ctx, training, wanted):
    track, outputs = training.track, ctx.task.outputs
    start, end = track.steps[0], track.steps[-1]

    def by_epoch(name, of):
        if name not in wanted:
            return {}
        points = [(track.epoch(step), of(step)) for step in track.steps]
        points = [(x, y) for x, y in points if y is not None]
        return {name: nb.Curve([x for x, _ in points], [y for _, y in points])}

    def patterns(step):
        found = track.pattern(step)
        return None if found is None else pattern_distance(track.pattern(start), found)

    def weights(step):
        return track.state(step).weights.astype(np.float64)

    found = {}
    if "kernel_velocity" in wanted:
        velocities = track.velocities()
        found["kernel_velocity"] = nb.Curve(list(velocities), list(velocities.values()))
    for name, of in {
        "kernel_distance_from_start": lambda step: nb.kernel_distance(track.kernel(step), track.kernel(start)),
        "kernel_distance_to_end": lambda step: nb.kernel_distance(track.kernel(step), track.kernel(end)),
        "kernel_change_from_start": lambda step: nb.relative_change(track.kernel(step), track.kernel(start)),
        "label_alignment": lambda step: training_alignment(training, step),
        "kernel_rank": lambda step: effective_rank(trace_kernel(track.kernel(step), outputs)),
        "pattern_change": patterns,
        "weight_change_from_start": lambda step: nb.relative_change(weights(step), weights(start)),
        "output_distance_to_end": lambda step: output_distance(track.outputs(step), track.outputs(end)),
        "sharpness": training.sharpness,
        "train_loss_by_epoch": lambda step: training.trainer.loss(track.state(step)),
        "test_error_by_epoch": lambda step: _error(ctx, training, step, ctx.task.test),
    }.items():
        found |= by_epoch(name, of)
    return found


def training_alignment(training, step):
    """Return the centred alignment of the kernel, summed over outputs, with the kernel Y·Yᵀ of the targets."""
    y = training.targets
    return centred_alignment(trace_kernel(training.track.kernel(step), y.shape[1]), y @ y.T)


def _error(ctx, training, step, part):
    """Return the error of the network at a snapshot on a part of the task; see `ntkbench.Task.error`."""
    (x, y), (low, high) = part, ctx.architecture.targets
    f = training.trainer.outputs(training.track.state(step), x).astype(np.float64)
    return ctx.task.error((f - (low + high) / 2) / ((high - low) / 2), y)


def as_outputs(ctx, targets):
    """Return the outputs of the architecture that stand for targets [N, O]."""
    low, high = ctx.architecture.targets
    return (low + high) / 2 + (high - low) / 2 * targets


def probes(ctx):
    """Return settings.n_probes inputs, spread over the train part of the task, and their targets as outputs [n, O]."""
    x, labels = ctx.task.train
    chosen = spread(len(labels), ctx.settings.n_probes)
    return rows(x, chosen), as_outputs(ctx, ctx.task.targets(labels[chosen]))


def spread(n, count):
    """Return min(n, count) indices spread evenly over n samples."""
    return np.linspace(0, n - 1, min(n, count)).astype(int)

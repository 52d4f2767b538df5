"""The training that the measurements of this package follow: the network of a cell on the task of its dataset."""

import functools

import numpy as np

import ntkbench as nb
from ntkbench.errors import Diverged, Unsupported

from .chosen import measured_model
from .landscape import LossHessian, stability
from .nests import rows
from .track import Track, kept

EPOCHS, DT = 20, 0.4
BATCH, MOMENTUM = 50, 0.9
SAFETY, SAFETY_AT_BOTTLENECK = 0.5, 0.1  # step size, in units of the critical step of a minibatch
HALVINGS = 6  # of the step size, when training diverges


class Training:
    """SGD of a context's network on its task, with its snapshots in the context's workspace.

    Momentum 0.9, minibatches of 50, the square loss of `Task.targets`, 20 epochs or settings.max_steps steps. The
    learning rate is constant: half the critical step of a minibatch, halved again while training diverges, ends with a
    larger loss than it begins with, or ends with a tangent kernel of zero, that is, with dead units only.

    Attributes:
        model: The model, reduced to the measured output.
        trainer: The trainer.
        track: The track, with settings.n_probes inputs of the train part.
        rate: The learning rate η.
        options: The arguments of the trainer besides the learning rate.
        x: Inputs of the train part.
        y: Targets of the train part as outputs of the architecture, [N, O].
        targets: Targets at the probes, [n, O].

    Raises:
        Unsupported: The outputs do not depend on the weights.
        Diverged: Training diverges at every step size tried.
    """

    def __init__(self, ctx):
        self._ctx, self.model = ctx, measured_model(ctx)
        self.x, labels = ctx.task.train
        self.y = as_outputs(ctx, ctx.task.targets(labels))
        n = len(self.y)
        self.options = {"momentum": MOMENTUM, "batch_size": min(BATCH, n), "order_seed": ctx.seed}
        critical = float(kept(ctx.workspace / "critical.npz", lambda: {"step": self._critical()})["step"])
        if not np.isfinite(critical):
            raise Unsupported("The outputs do not depend on the trainable weights, so there is nothing to train.")
        self.targets = ctx.task.targets(labels[spread(n, ctx.settings.n_probes)])
        safety = SAFETY_AT_BOTTLENECK if ctx.architecture.bottleneck else SAFETY
        for halvings in range(HALVINGS + 1):
            self._begin(safety * critical / 2**halvings, ctx.workspace / f"halvings-{halvings}")
            try:
                first, last = (self.trainer.loss(self.track.state(step)) for step in (0, self.track.steps[-1]))
                if not last <= first:
                    why = f"Training ends with the loss {last:.3g}, but begins with {first:.3g}"
                elif self.track.kernel(self.track.steps[-1]).any():
                    return
                else:
                    why = "Training ends with a tangent kernel of zero: every hidden unit is dead"
            except Diverged as error:
                why = str(error).rstrip(".")
        raise Diverged(f"{why}; so it does at every learning rate down to {self.rate:.3g}.")

    def _critical(self):
        # Minibatches have larger critical curvatures than the whole set; these samples are spread over it.
        chosen = spread(len(self.y), self.options["batch_size"])
        return nb.training.critical_step(self._ctx.network, rows(self.x, chosen))

    def _begin(self, rate, folder):
        ctx, self.rate = self._ctx, rate
        self.trainer = nb.training.Trainer(ctx.network, self.x, self.y, learning_rate=rate, **self.options)
        steps = min(round(EPOCHS * self.trainer.steps_per_epoch), ctx.settings.max_steps)
        folder.mkdir(exist_ok=True)
        start = self.trainer.start(ctx.theta)
        self.track = Track(self.trainer, self.model, probes(ctx)[0], steps, folder, dt=DT, start=start, say=ctx.report)

    @functools.cached_property
    def hessian(self):
        """The Hessian of the train loss."""
        return LossHessian(self.model, self.x, self.y, "square")

    def sharpness(self, step):
        """Return the two largest eigenvalues of the Hessian of the train loss, in units of the bound of stability."""
        return self.track.sharpness(step, self.hessian) / stability(self.rate, MOMENTUM)

    def times(self, epochs):
        """Return the steps at some epochs, those before the end of training: ascending, and at least the first."""
        steps = {round(each * self.trainer.steps_per_epoch) for each in epochs}
        return sorted(step for step in steps if step < self.track.steps[-1])

    def error(self, outputs, part):
        """Return the error of outputs of the architecture on a part of the task; see `ntkbench.Task.error`."""
        return self._ctx.task.error(self.as_targets(outputs), part[1])

    def as_targets(self, outputs):
        """Return outputs of the architecture in the unit of `Task.targets`: [N, O] float64."""
        low, high = self._ctx.architecture.targets
        return (outputs.astype(np.float64) - (low + high) / 2) / ((high - low) / 2)

    def error_of(self, part):
        """Return the function from weights [P] to the error of the network on a part of the task."""
        return lambda w: self.error(self.trainer.outputs(self.trainer.start(w), part[0]), part)


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

"""The measurement `catapult`: gradient descent with a step size above the critical one."""

import numpy as np

import ntkbench as nb
from ntkbench.errors import Diverged, Unsupported

from .training import probes

FACTOR = 1.5  # step size in units of the critical one: 3/λ, between 2/λ and 4/λ
STEPS = 200  # largest number of steps
GOAL = 0.1  # training ends when the loss has risen and then fallen to this share of the first loss

DIVERGED = 1e6  # loss in units of the first one, above which training counts as diverged


def measure(ctx):
    """Return whether descent at 1.5 times the critical step converges, its peak loss, and the change of the curvature.

    Full-batch gradient descent on the square loss of `Task.targets` at settings.n_probes inputs of the train part, from
    w0, for at most 200 steps, or settings.max_steps if that is less. The curvature is the largest eigenvalue λ of the
    tangent kernel. A linear model diverges at this step size. A network can survive: the loss rises until λ has fallen
    below 2/η.

    Raises:
        Unsupported: The output does not depend on the weights, or the first loss is zero.

    Source: Lewkowycz et al. 2020 (arXiv 2003.02218); Zhu et al. 2022 (arXiv 2205.11787).
    """
    x, y = probes(ctx)
    critical = nb.training.critical_step(ctx.network, x)
    if not np.isfinite(critical):
        raise Unsupported("The outputs do not depend on the trainable weights, so there is nothing to train.")
    trainer = nb.training.Trainer(ctx.network, x, y, learning_rate=FACTOR * critical)
    start = trainer.start(ctx.theta)
    values, last = descend(trainer, start, min(STEPS, ctx.settings.max_steps))
    if not values[0] > 0:
        raise Unsupported("The first loss is zero, so nothing can rise or fall.")
    converges = last is not None and values[-1] < values[0]
    found = {"catapult_converges": float(converges), "catapult_peak": None, "catapult_curvature": None}
    if converges:
        trainer.assign(last)
        found["catapult_peak"] = max(values) / values[0]
        found["catapult_curvature"] = critical / nb.training.critical_step(ctx.network, x)
    if "catapult_loss" in ctx.quantities:
        found["catapult_loss"] = nb.Curve(range(len(values)), np.array(values) / values[0])
    return found


def descend(trainer, state, steps):
    """Train step by step, until the loss has risen and fallen again.

    Returns:
        The loss before each step and at the end, and the last state; None instead of the state if training diverges,
        that is, if the loss exceeds a million times the first one.
    """
    losses = [trainer.loss(state)]
    for _ in range(steps):
        try:
            state = trainer.advance(state, 1)
        except Diverged:
            return losses, None
        loss = trainer.loss(state)
        if not loss <= DIVERGED * losses[0]:
            return losses, None
        losses.append(loss)
        if max(losses) > losses[0] and loss <= GOAL * losses[0]:
            break
    return losses, state

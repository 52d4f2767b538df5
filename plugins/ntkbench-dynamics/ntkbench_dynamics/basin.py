"""Children of a training state, the barrier between them, and the network linearised at that state."""

import itertools

import numpy as np

import ntkbench as nb

from .landscape import barrier


def children(trainer, state, order_seeds, steps):
    """Return the states of children of a state: the same weights and momentum, minibatches in other orders.

    Args:
        trainer: An `ntkbench.training.Trainer` with minibatches.
        state: The state of the parent.
        order_seeds: Seed of the order of each child.
        steps: Step up to which the children are trained, counted from the start of the parent.

    Raises:
        NtkbenchError: Training uses all samples in every step, so that the children would be the same.
    """
    if trainer.batch_size == trainer.samples:
        raise nb.NtkbenchError(
            "With all samples in every step the children are the same; pass a trainer with a batch_size."
        )
    return [trainer.advance(state.branch(seed), steps - state.step) for seed in order_seeds]


def share_wrong(trainer, x, labels):
    """Return the function from weights [P] to the share of samples that the network puts into a wrong class."""
    labels = np.asarray(labels)

    def error(w):
        return float(np.mean(trainer.outputs(trainer.start(w), x).argmax(1) != labels))

    return error


def barriers(error, states, points=11):
    """Return the error barrier of each pair of states; see `barrier`."""
    pairs = itertools.combinations(states, 2)
    return [barrier(error, one.weights, other.weights, points) for one, other in pairs]


def linearized(model, x, y, state, steps, **options):
    """Train the network linearised at a state, f(w_t) + J(w_t)·(w − w_t), from w = w_t, with new momentum.

    Args:
        model: The model.
        x: Training inputs [N, ...].
        y: Targets or labels.
        state: The state at which it is linearised.
        steps: Number of steps.
        **options: Further arguments of `ntkbench.training.Trainer`.

    Returns:
        The trainer and its last state. `trainer.outputs(state, x)` are the outputs of the linear model.

    Source: Fort et al. 2020 (arXiv 2010.15110), section 6.
    """
    trainer = nb.training.Trainer(model, x, y, linearize_at=state.weights, **options)
    return trainer, trainer.advance(trainer.start(), steps)

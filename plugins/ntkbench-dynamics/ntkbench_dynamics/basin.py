"""Children of a training state, the barrier between them, and the network linearised at that state."""

import itertools

import numpy as np

import ntkbench as nb

from .distances import as_declared
from .kernels import gram
from .landscape import barrier, class_labels


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
    """Return the function from weights [P] to the share of samples that the network puts into a wrong class.

    Args:
        trainer: An `ntkbench.training.Trainer` of a network with one output per class.
        x: Inputs [N, ...].
        labels: Integer labels [N].

    Raises:
        NtkbenchError: The labels do not belong to the inputs, or the network has one output only.
    """

    def error(w):
        f = trainer.outputs(trainer.start(w), x)
        if f.shape[1] < 2:
            raise nb.NtkbenchError(
                "The network has one output, so it tells no classes apart; use one output per class."
            )
        if len(classes := class_labels(labels, f.shape[1])) != len(f):
            raise nb.NtkbenchError(
                f"There are {len(f)} inputs and {len(classes)} labels; pass one label for each input."
            )
        return float(np.mean(f.argmax(1) != classes))

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


def tangent_regression(model, x, y, x_new, ridge=0.0):
    """Return the outputs of the network linearised at its weights after infinite time on the square loss.

    They are f(x') + K(x', x) (K(x, x) + λ)⁻¹ (y − f(x)) with the kernel of all outputs, in float64. It takes a matrix
    [N·O, N·O]; `linearized` trains where that is too large.

    Args:
        model: A Keras model, or another model that `ntkbench.empirical_ntk` takes, with O outputs.
        x: Training inputs [N, ...].
        y: Targets [N, O].
        x_new: New inputs [M, ...].
        ridge: λ. At 0, the solution of least norm is taken, without the eigenvalues of K that are rounding.

    Returns:
        An array [M, O] float64.

    Source: Lee et al. 2019 (arXiv 1902.06720), equation 9, with f₀ kept.
    """
    if not ridge >= 0:
        raise nb.NtkbenchError(f"ridge={ridge!r} is invalid; pass a number of at least 0.")
    y = np.asarray(y, np.float64).reshape(len(y), -1)
    f, f_new = (np.asarray(model(as_declared(model, each), training=False), np.float64) for each in (x, x_new))
    if f.shape != y.shape:
        raise nb.NtkbenchError(f"y has shape {y.shape}, but the outputs have {f.shape}; the shapes must be equal.")
    k, k_new = gram(model, x), gram(model, x_new, x)
    values, q = np.linalg.eigh(k)
    rounding = len(k) * np.finfo(np.asarray(model.trainable_variables[0]).dtype).eps * values[-1]
    kept = values > rounding if ridge == 0 else np.full(len(values), True)
    factors = np.divide(1.0, values + ridge, where=kept, out=np.zeros_like(values))
    return f_new + (k_new @ (q @ (factors * (q.T @ (y - f).ravel())))).reshape(f_new.shape)

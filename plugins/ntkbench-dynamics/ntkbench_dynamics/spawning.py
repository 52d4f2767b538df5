"""The measurement `barrier`: error barriers between children that are spawned along training."""

import itertools

import numpy as np

import ntkbench as nb
from ntkbench.errors import Unsupported

from .basin import children
from .distances import disagreement, output_distance, parameter_distance
from .landscape import barrier
from .track import kept
from .training import Training

SPAWNS = (0.0, 0.4, 0.8, 1.6, 3.2, 6.4)  # epochs
EARLY = 3.2  # epochs
CHILDREN = 3


def measure(ctx):
    """Return error barriers between children: the same weights and momentum, and minibatches in other orders.

    Three children are spawned at each of the epochs 0, 0.4, 0.8, 1.6, 3.2 and 6.4 that lie before the end of training,
    and trained up to it. A barrier is the mean over the three pairs, at 11 points of each line. Errors are shares of
    wrong samples, or mean squared errors over the variance for a regression. `Training` has the other settings.

    Raises:
        Unsupported: Every step uses all samples, so that the children would be the same.

    Source: Fort et al. 2020 (arXiv 2010.15110), section 2; Frankle et al. 2020 (arXiv 1912.05671).
    """
    training = Training(ctx)
    spawns = training.times(SPAWNS)
    if training.trainer.batch_size == training.trainer.samples:
        raise Unsupported("Every step uses all train samples, so children with other minibatches would be the same.")
    found = {}
    for step in spawns:
        ctx.report(f"children, {training.track.place(step)}")
        found[step] = _at(ctx, training, step)
    epoch = training.track.epoch
    early = max(step for step in spawns if step <= round(EARLY * training.trainer.steps_per_epoch))
    numbers = {
        "barrier_initial": found[0]["train"],
        "barrier_early": found[early]["train"],
        "test_barrier_initial": found[0].get("test"),
        "test_barrier_early": found[early].get("test"),
        "children_train_error": max(each["error"] for each in found.values()),
        "barrier_early_epoch": epoch(early),
    }
    curves = {
        "train_barrier_by_spawn": "train",
        "test_barrier_by_spawn": "test",
        "children_distance": "weights",
        "children_output_distance": "outputs",
        "children_disagreement": "decisions",
    }
    return numbers | {
        name: nb.Curve(map(epoch, spawns), [found[step][key] for step in spawns])
        for name, key in curves.items()
        if key in found[0]
    }


def _at(ctx, training, step):
    """Return what is measured of the children spawned at a step, each a mean over their pairs."""
    return {
        name: float(value)
        for name, value in kept(
            training.track.folder / f"barrier-{step}.npz", lambda: _measured(ctx, training, step)
        ).items()
    }


def _measured(ctx, training, step):
    ends = [_child(training, step, number) for number in range(CHILDREN)]
    start = training.track.state(training.track.steps[0]).weights
    outputs = [training.trainer.outputs(each, ctx.task.test[0]) for each in ends]
    train, test = training.error_of(ctx.task.train), training.error_of(ctx.task.test)
    found = {"error": max(train(each.weights) for each in ends)}
    pairs = list(itertools.combinations([each.weights for each in ends], 2))
    for name, error in (("train", train), ("test", test)):
        if error(start) is None:  # the test labels of a regression are constant
            continue
        found[name] = np.mean([barrier(error, *pair) for pair in pairs])
    found["weights"] = np.mean([parameter_distance(*pair) for pair in pairs]) / np.linalg.norm(start)
    pairs = list(itertools.combinations(outputs, 2))
    found["outputs"] = np.mean([output_distance(*pair) for pair in pairs])
    if ctx.task.classes:
        found["decisions"] = np.mean([disagreement(*pair) for pair in pairs])
    return found


def _child(training, step, number):
    """Return the last state of one of the children spawned at a step."""
    file = training.track.folder / f"child-{step}-{number}.npz"
    if file.exists():
        return nb.training.load(file)
    seed = training.trainer.order_seed + 1000 * (number + 1)
    (child,) = children(training.trainer, training.track.state(step), [seed], training.track.steps[-1])
    child.save(file)
    return child

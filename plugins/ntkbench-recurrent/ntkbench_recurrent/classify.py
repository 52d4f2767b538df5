"""The measurements `rntk2020`, `rntk2020-full` and `rntk2021`: accuracy of a kernel or a trained network on a task."""

import math

import numpy as np

from . import nearest, svm, trained
from .families import Family
from .protocols import PROTOCOLS


def measure(ctx, protocol):
    """Return accuracies under a protocol.

    A kernel classifies by a support vector machine; its hyper-parameters and the cost are chosen by the protocol, but
    for parameters that the user set to another value than their default. The kernel `dtw` classifies by the nearest
    neighbour. A network is trained; see `trained.accuracies`.

    Args:
        ctx: The context.
        protocol: Name of the protocol.
    """
    found = {}
    if not math.isinf(ctx.width):
        names = ("validation", ctx.seed)
        test, validation, choice = trained.accuracies(ctx.network, ctx.architecture, ctx.task, *names)
        found = {"validation_accuracy": validation, "chosen_setting": choice, "best_settings": 1}
    elif ctx.architecture.name == "dtw":
        test = nearest.accuracy(ctx.task)
    else:
        test, choice, first = _by_kernel(ctx, PROTOCOLS[protocol])
        found = {
            "validation_accuracy": choice.accuracy,
            "chosen_setting": first,
            "best_settings": len(choice.best),
        }
    return {"test_accuracy": test, "validation_accuracy": None, "chosen_setting": None, "best_settings": None} | found


def _by_kernel(ctx, protocol):
    (x, y), (x_test, y_test) = ctx.task.train, ctx.task.test
    if protocol.unit_norm:
        largest = max(np.linalg.norm(row) for row in _values(x))
        x, x_test = (_scaled(part, 1 / largest) for part in (x, x_test))
    name, known = ctx.architecture.name, ctx.architecture.params
    fixed = {key: value for key, value in ctx.params.items() if value != known[key].default}
    in_grid = name in protocol.grids
    family = Family(name, protocol.settings(name, fixed) if in_grid else [{}], None if in_grid else ctx.limit)
    choice = svm.choose(family.matrices(x), y, protocol.splits(y, "validation", ctx.seed), protocol.costs)
    voters = svm.voters(choice.best, protocol.vote)
    rows = sorted({number for number, _ in voters})
    kernels, crosses = dict(family.matrices(x, rows=rows)), dict(family.matrices(x_test, x, rows))
    votes = [svm.predict(kernels[row], y, crosses[row], protocol.costs[at]) for row, at in voters]
    accuracy = float(np.mean(svm.majority(np.array(votes)) == y_test))
    setting, cost = voters[0]
    return accuracy, choice, setting * len(protocol.costs) + cost


def _values(x):
    return x["values"] if isinstance(x, dict) else x


def _scaled(x, factor):
    return x | {"values": x["values"] * factor} if isinstance(x, dict) else x * factor


def rntk2020(ctx):
    """Measure under the protocol of arXiv 2006.10246, with a coarse grid."""
    return measure(ctx, "rntk2020")


def rntk2020_full(ctx):
    """Measure under the protocol of arXiv 2006.10246, with its whole grid of 900 kernels."""
    return measure(ctx, "rntk2020-full")


def rntk2021(ctx):
    """Measure under the protocol of arXiv 2012.04859."""
    return measure(ctx, "rntk2021")

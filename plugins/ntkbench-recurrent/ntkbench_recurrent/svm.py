"""Choose a setting of a kernel and a cost of a support vector machine on validation samples, and classify."""

import dataclasses
import warnings

import numpy as np

from .families import finite

ITERATIONS = 50_000  # most iterations of one machine, as in the code of arXiv 2012.04859


@dataclasses.dataclass(frozen=True)
class Choice:
    """The best settings.

    Attributes:
        accuracy: Mean accuracy on the validation parts.
        best: All pairs (number of the setting, number of the cost) with this accuracy, in the order of the grid.
    """

    accuracy: float
    best: list


def choose(matrices, classes, splits, costs):
    """Return the settings with the best accuracy on the validation parts.

    Args:
        matrices: Pairs of the number of a setting and its matrix [N, N] over the train part.
        classes: Classes [N].
        splits: Pairs of train and validation rows.
        costs: Costs C.
    """
    scores = {}
    for number, matrix in matrices:
        usable = finite(matrix)
        for at, cost in enumerate(costs):
            right = [_accuracy(matrix, classes, split, cost) for split in splits] if usable else [0.0]
            scores[number, at] = float(np.mean(right))
    best = max(scores.values())
    return Choice(best, sorted(place for place, score in scores.items() if score == best))


def _accuracy(matrix, classes, split, cost):
    train, held = split
    found = predict(matrix[np.ix_(train, train)], classes[train], matrix[np.ix_(held, train)], cost)
    return float(np.mean(found == classes[held]))


def predict(kernel, classes, cross, cost):
    """Return the classes that a support vector machine gives to other samples.

    Args:
        kernel: Kernel [N, N] of the train samples.
        classes: Their classes [N].
        cross: Kernel [M, N] between the other samples and them.
        cost: Cost C.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import SVC

    if len(set(classes.tolist())) == 1:
        return np.full(len(cross), classes[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return SVC(kernel="precomputed", C=cost, max_iter=ITERATIONS).fit(kernel, classes).predict(cross)


def voters(best, vote):
    """Return the settings that decide: the first best one, or as many of the first ones as make an odd number."""
    return best[: len(best) - (len(best) + 1) % 2] if vote else best[:1]


def majority(votes):
    """Return the class with the most votes for each sample, the smallest one if there are several: [M] of [V, M]."""
    return np.array([np.bincount(column).argmax() for column in votes.T])

"""The evaluation of arXiv 2012.04859 as its public code makes it, with the defects of that code.

Nothing else in ntkbench uses it. It needs the folder of the 90 tables; see `tables`. Two properties of the published
protocol are kept in any case: hyper-parameters are chosen once for all splits, on samples of which some are test
samples of a split, and features were standardised over the whole table. Use the measurement `rntk2021` for accuracies
without them.

Source: github.com/SinaAlemohammad/RNTK_UCI at commit bb1842e.
"""

import numpy as np

from ntkbench import NtkbenchError

from . import svm, tables
from .families import Family
from .protocols import PROTOCOLS

COSTS = PROTOCOLS["rntk2021"].costs
DEFECTS = ("bias", "selection", "average")


def accuracy(name, defects=DEFECTS):
    """Return the mean accuracy of the recurrent tangent kernel over the four official splits of a table.

    Args:
        name: Name of one of the 90 tables.
        defects: The defects that are reproduced. "bias": the choice knows only σ_b = 0.001, because it looks for 0.25
            where the sweep has 0.1. "selection": it knows only NNGP kernels of the last state, forward and backward.
            "average": the pooled kernel counts the last state twice.

    Raises:
        MissingData: The files were not found.
        NtkbenchError: A defect is unknown.
    """
    unknown = sorted(set(defects) - set(DEFECTS))
    if unknown:
        raise NtkbenchError(f"Unknown defect {unknown[0]!r}; use some of {', '.join(DEFECTS)}.")
    features, classes, splits = tables.read_uci(name)
    x = (features / np.linalg.norm(features, axis=1).max())[..., None]
    settings = grid(defects)
    held = [tables.official_choice(name)]
    choice = svm.choose(_matrices(x, settings, None, defects), classes, held, COSTS)
    deciding = svm.voters(choice.best, vote=True)
    kernels = dict(_matrices(x, settings, sorted({number for number, _ in deciding}), defects))
    found = []
    for train, test in splits:
        votes = [
            svm.predict(kernels[n][np.ix_(train, train)], classes[train], kernels[n][np.ix_(test, train)], COSTS[at])
            for n, at in deciding
        ]
        found.append(np.mean(svm.majority(np.array(votes)) == classes[test]))
    return float(np.mean(found))


def grid(defects):
    """Return the settings of which one is chosen, in the order of the public code."""
    only_nngp = "selection" in defects
    return [
        {
            "weight_std": 1.4142,
            "input_std": input_std,
            "bias_std": bias_std,
            "depth": depth,
            "frozen": frozen,
            "pooling": pooling,
            "direction": direction,
        }
        for pooling in (("none",) if only_nngp else ("none", "untied"))
        for direction in ("backward", "forward", *(() if only_nngp else ("bidirectional",)))
        for bias_std in ((0.001,) if "bias" in defects else (0.001, 0.1))
        for input_std in (0.25, 0.5)
        for depth in (1, 2)
        for frozen in ((depth,) if only_nngp else (0, depth))
    ]


def _matrices(x, settings, rows, defects):
    """Yield the numbers of settings and their matrices [N, N]."""
    if "average" not in defects:
        yield from Family("rntk", settings).matrices(x, rows=rows)
        return
    rows = range(len(settings)) if rows is None else rows
    last = [setting | {"pooling": "none"} for setting in settings]
    for row in rows:
        ((_, matrix),) = Family("rntk", settings).matrices(x, rows=[row])
        if settings[row]["pooling"] == "untied":
            ((_, once_more),) = Family("rntk", last).matrices(x, rows=[row])
            matrix = matrix + once_more / x.shape[1]
        yield row, matrix

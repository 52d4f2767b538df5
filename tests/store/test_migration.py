"""Runs and receipts of every earlier form are read, shown, compared and verified.

tests/data/schemas/NN-NAME.tar.xz holds a run of fc (widths 4, 8, 16, two seeds, hessian_norm and kernel_change_worst)
as the first version with that form wrote it, and its receipt where there were receipts. OWN holds a run of a user's
file with a cell that failed, CURVES a run of kernel_change_gd with the curves of gradient descent.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from ntkbench.api import load
from ntkbench.cli.main import main
from ntkbench.leaderboard.receipt import load_receipt
from ntkbench.store.cell_file import decode, encode
from ntkbench.types import Status

ARCHIVES = sorted((Path(__file__).parents[1] / "data" / "schemas").glob("*.tar.xz"))
OWN, CURVES = "10-own-file", "11-curves"
MEASURED = [path for path in ARCHIVES if OWN not in path.name and CURVES not in path.name]
RECEIPTS = [path for path in MEASURED if "first" not in path.name and "tracebacks" not in path.name]
COMMITTED = sorted((Path(__file__).parents[2] / "leaderboards" / "submissions").glob("*.json"))


# The file of OWN, to the byte.
NET = """import keras
from ntkbench import layers


def build(width, *, input_shape, seed):
    if width == 8:
        raise ZeroDivisionError("no width")
    hidden = layers.Dense(width, activation="tanh", seed=seed)
    return keras.Sequential([keras.Input(input_shape), hidden, layers.Dense(1, seed=seed + 1)])
"""


def name_of(path):
    return path.name.partition(".")[0]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def unpack(archive, folder):
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")


def shown(words, capsys):
    """Run a command that has to end well, and return what it writes to standard output."""
    code = main(words)
    out, err = capsys.readouterr()
    assert code == 0, err
    return out


def test_every_form_is_here():
    assert len(ARCHIVES) >= 11 and all(path.stat().st_size < 8192 for path in ARCHIVES)


@pytest.mark.parametrize("archive", MEASURED, ids=name_of)
def test_an_old_run_is_read_and_shown(archive, here, capsys):
    unpack(archive, here)
    run = load("run")
    assert len(run.results) == 12 and {result.status for result in run.results} == {Status.OK} and not run.problems
    for result in run.results:  # what is written again is what was read
        assert decode(encode(result), "again") == result
    table = shown(["table", "run"], capsys)
    assert "fc " in table and "12/12" in table and "kernel_change" in table
    rows = list(csv.DictReader(io.StringIO(shown(["export", "run", "--format", "csv"], capsys))))
    assert {(row["architecture"], row["width"], row["seed"]) for row in rows} == {
        ("fc", width, seed) for width in ("4", "8", "16") for seed in ("0", "1")
    }
    assert all(float(row["value"]) > 0 for row in rows if row["quantity"] in ("hessian_norm", "kernel_change_worst"))
    shown(["report", "run", "--output", "page"], capsys)
    (page,) = Path("page").glob("*.html")
    assert "kernel_change_worst" in page.read_text(encoding="utf-8")
    assert "the same" in shown(["compare", "run", "run"], capsys) or "nothing" in shown(
        ["compare", "run", "run"], capsys
    )


@pytest.mark.parametrize("archive", MEASURED, ids=name_of)
def test_an_old_run_is_compared_with_the_newest(archive, here, capsys):
    unpack(archive, here / "old")
    unpack(MEASURED[-1], here / "new")
    code = main(["compare", "old/run", "new/run"])
    out, err = capsys.readouterr()
    assert code in (0, 1) and "Verdicts: " in out and "unexpectedly" not in err


@pytest.mark.parametrize("archive", RECEIPTS, ids=name_of)
def test_an_old_receipt_is_read_verified_and_built(archive, here, capsys):
    unpack(archive, here)
    file = Path("leaderboards/submissions/early.json")
    receipt, run = load_receipt(file), load("run")
    assert {r.cell.key: r.values for r in receipt.results} == {r.cell.key: r.values for r in run.results}
    code = main(["leaderboard", "verify", str(file), "--cells", "0"])
    out, err = capsys.readouterr()
    assert code == 0 or "that ntkbench registers here" in out, out + err
    shown(["leaderboard", "build"], capsys)
    assert "fc" in Path("leaderboards/v1/board.md").read_text(encoding="utf-8")
    shown(["leaderboard", "diff", str(file), str(file)], capsys)


def test_a_cell_without_curves_has_not_grown(here):
    unpack(MEASURED[-1], here)
    for path in Path("run/cells").iterdir():
        earlier = path.read_text(encoding="utf-8")
        now = encode(decode(earlier, path.name))
        lines = [[line for line in text.splitlines() if "schema_version" not in line] for text in (earlier, now)]
        assert lines[0][:-2] == lines[1][:-2] and len(now) == len(earlier), "all but the version and the checksum"


def test_curves_are_read_shown_and_verified(here, capsys):
    unpack(next(path for path in ARCHIVES if CURVES in path.name), here)
    run = load("run")
    assert len(run.results) == 6 and all(len(result.curves) == 2 for result in run.results) and not run.problems
    for result in run.results:
        assert decode(encode(result), "again") == result
    assert "6/6" in shown(["table", "run"], capsys)
    rows = list(csv.DictReader(io.StringIO(shown(["export", "run", "--curves", "--format", "csv"], capsys))))
    assert len(rows) == sum(len(curve.x) for result in run.results for curve in result.curves.values())
    assert {(row["curve"], row["x_unit"], row["unit"]) for row in rows} == {
        ("loss_along_gd", "step", "f^2"),
        ("kernel_change_along_gd", "step", "1"),
    }
    receipt = load_receipt(Path("leaderboards/submissions/early.json"))
    assert {r.cell.key: r.curves for r in receipt.results} == {r.cell.key: r.curves for r in run.results}
    shown(["leaderboard", "verify", "leaderboards/submissions/early.json", "--cells", "0"], capsys)
    shown(["report", "run"], capsys)
    assert Path("run/report.html").read_text(encoding="utf-8").count("<polygon class=") >= 6


def test_an_old_run_gets_curves(here, capsys):
    unpack(MEASURED[-1], here)
    before = {path.name: path.read_bytes() for path in Path("run/cells").iterdir()}
    words = json.loads(Path("run/manifest.json").read_text())["invocations"][0]["command"][1:]
    shown([*words, "--quiet", "--measure", "gd:curves"], capsys)
    after = {path.name: path.read_bytes() for path in Path("run/cells").iterdir()}
    assert before.items() <= after.items() and len(after) == len(before) + 6, "cells of their own, beside the others"
    assert len(load("run").curves()["cell"].unique()) == 6
    shown(["leaderboard", "submit", "run", "--name", "later"], capsys)


@pytest.mark.parametrize("path", COMMITTED, ids=name_of)
def test_a_published_receipt_is_read(path):
    cells = sum(len(group["results"]) for group in json.loads(path.read_text(encoding="utf-8"))["groups"])
    assert len(load_receipt(path).results) == cells > 0


@pytest.fixture
def own(here):
    """The unpacked run of a user's own file, which lies beside it, and the cells' contents."""
    (here / "net.py").write_text(NET)
    unpack(next(path for path in ARCHIVES if OWN in path.name), here)
    return {path.name: path.read_bytes() for path in Path("run/cells").iterdir()}


def test_cells_that_failed_keep_the_reason_and_its_traceback(own, capsys):
    found = {result.cell.width: result for result in load("run").results}
    assert [str(found[width].status) for width in (4, 8, 16)] == ["ok", "failed", "ok"]
    assert found[8].traceback.endswith("ZeroDivisionError: no width") and found[4].cell.source_hash
    assert "ZeroDivisionError: no width" in shown(["table", "run"], capsys)


def test_a_users_file_that_has_not_changed_is_not_measured_again(own, capsys):
    options = json.loads(Path("run/manifest.json").read_text())["invocations"][0]["command"][1:]
    assert main([*options, "--quiet", "--retry", "none"]) == 1
    assert {path.name: path.read_bytes() for path in Path("run/cells").iterdir()} == own


def test_a_run_of_the_present_numerics_is_completed_and_not_measured_again(here, capsys):
    unpack(MEASURED[-1], here)
    before = {path.name: path.read_bytes() for path in Path("run/cells").iterdir()}
    options = json.loads(Path("run/manifest.json").read_text())["invocations"][0]["command"][1:]
    shown([*options, "--quiet"], capsys)
    assert {path.name: path.read_bytes() for path in Path("run/cells").iterdir()} == before
    shutil.rmtree("run/cells")
    assert main(["table", "run"]) == 0, "a run without cells has a table too"

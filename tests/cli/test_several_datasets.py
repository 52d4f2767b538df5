"""A run on two datasets with curves, from the command line to the report."""

from __future__ import annotations

import json

import pandas
import pytest

from ntkbench.api import load
from ntkbench.cli.main import main
from ntkbench.leaderboard.receipt import load_receipt

DATASETS = ("--dataset", "digits", "--dataset", "gaussian:d=5")


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    sizes = ["--widths", "8,16", "--seeds", "2", "--probes", "3", "--executor", "serial", "--quiet"]
    words = ["run", "--arch", "fc:depth=1", *DATASETS, *sizes, "--measure", "kernel_change_gd", "--out", str(out)]
    assert main([*words, "--measure", "gd:curves"]) == 0
    return [*words, "--measure", "gd:curves"], out


def test_each_dataset_is_a_block_with_its_own_laws(words, capsys):
    _, out = words
    assert main(["table", str(out)]) == 0
    table = capsys.readouterr().out
    assert "digits and gaussian:d=5" in table.splitlines()[0]
    names = [line.split("  ")[0] for line in table.splitlines() if not line.startswith(" ")]
    start = names.index("dataset digits:")
    assert names[start : start + 5] == ["dataset digits:", "fc:depth=1", "dataset", "gaussian:d=5:", "fc:depth=1"]
    assert main(["table", str(out), "--json"]) == 0
    records = json.loads(capsys.readouterr().out)["rows"]
    assert [record["dataset"] for record in records] == ["digits", "gaussian:d=5"]
    assert len({record["quantities"]["kernel_change_gd"]["slope"] for record in records}) == 2
    assert main(["table", str(out), "--format", "tsv"]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == [
        "dataset",
        "digits",
        "gaussian:d=5",
    ]


def test_the_same_command_measures_nothing_again(words):
    words, out = words
    before = {path.name: path.stat().st_mtime_ns for path in (out / "cells").iterdir()}
    assert main(words) == 0
    assert {path.name: path.stat().st_mtime_ns for path in (out / "cells").iterdir()} == before and len(before) == 8
    assert json.loads((out / "manifest.json").read_text())["invocations"][-1]["options"]["dataset"] == list(
        DATASETS[1::2]
    )


def test_a_dry_run_has_a_line_for_each(words, capsys):
    words, _ = words
    assert main([*words, "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["dataset"] for each in found] == list(DATASETS[1::2]) and [each["cells"] for each in found] == [4, 4]
    assert found[0]["parameters"] != found[1]["parameters"]


def test_a_submission_has_one_dataset(words, tmp_path, capsys):
    _, out = words
    assert main(["leaderboard", "submit", str(out), "--name", "two", "--boards", str(tmp_path)]) == 2
    assert "holds results on 2 datasets (digits, gaussian:d=5), but a submission has one" in capsys.readouterr().err


def test_each_dataset_is_submitted_on_its_own(words, tmp_path, capsys):
    _, out = words
    submit = ["leaderboard", "submit", str(out), "--boards", str(tmp_path), "--dataset"]
    assert main([*submit, "gaussian:d=5", "--name", "one"]) == 0
    assert main([*submit, "digits", "--name", "other"]) == 0
    held = [load_receipt(tmp_path / f"submissions/{name}.json").results for name in ("one", "other")]
    assert [{each.cell.dataset_label for each in results} for results in held] == [{"gaussian:d=5"}, {"digits"}]
    assert [len(results) for results in held] == [4, 4]
    assert main([*submit, "moons", "--name", "none"]) == 2
    assert "has no results on 'moons'. Choose --dataset from: digits, gaussian:d=5." in capsys.readouterr().err


def test_a_run_is_equal_to_itself(words, capsys):
    _, out = words
    assert main(["compare", str(out), str(out)]) == 0
    assert "2 of 2 quantities agree" in capsys.readouterr().out


def test_curves_are_exported_alike(words, tmp_path, capsys):
    _, out = words
    for format in ("csv", "json", "parquet"):
        assert main(["export", str(out), "--curves", "--format", format, "-o", str(tmp_path / f"c.{format}")]) == 0
    read = pandas.read_parquet(tmp_path / "c.parquet")
    pandas.testing.assert_frame_equal(read, load(out).curves(), check_dtype=False)
    other = pandas.read_csv(tmp_path / "c.csv")
    assert list(other.columns) == list(read.columns) and other["y"].tolist() == pytest.approx(
        read["y"].tolist(), rel=1e-15
    )
    assert len(json.loads((tmp_path / "c.json").read_text())) == len(read)
    own = read[(read["curve"] == "loss_along_gd") & (read["width"] == 8) & (read["seed"] == 0)]
    assert (own.groupby("dataset")["y"].agg(lambda y: y.is_monotonic_decreasing)).all() and own["x"].iloc[0] == 0
    assert main(["export", str(out), "--curves", "--format", "latex"]) == 2
    assert "Curves cannot be exported as latex" in capsys.readouterr().err


def test_the_report_draws_bands(words):
    _, out = words
    assert main(["report", str(out)]) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    section = page[page.index('id="curves"') : page.index('id="architectures"')]
    assert section.count("<svg") == 4 and section.count("<polygon") == 8 and "width 16" in section
    assert "fc:depth=1 gaussian:d=5" in page


def test_a_curve_is_no_quantity(words, capsys):
    _, out = words
    assert main(["table", str(out), "--quantity", "loss_along_gd"]) == 2
    assert "loss_along_gd is a curve. Use `ntkbench plot RUN --curves`" in capsys.readouterr().err
    assert "loss_along_gd" not in set(load(out).frame()["quantity"])
    assert main(["plot", str(out), "--curves", "-o", str(out / "curves.svg")]) == 0

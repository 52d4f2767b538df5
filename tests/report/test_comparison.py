"""`ntkbench compare` prints what moved within 100 columns, and its exit code says whether anything did."""

from __future__ import annotations

import json
import math

import pytest
from attrs import evolve
from factories import stored, sweep

from ntkbench.analysis.compare import Change, Comparison
from ntkbench.cli.main import main
from ntkbench.report.comparison import comparison_table


@pytest.fixture
def runs(tmp_path):
    results = sweep("fc", widths=(16, 32, 64), seeds=2)
    moved = [
        evolve(each, values={key: evolve(v, value=v.value * 1.5, error=None) for key, v in each.values.items()})
        for each in results
    ]
    other = sweep("<b>cnn", widths=(4, 8), seeds=1)
    return [str(stored(tmp_path / name, of).path) for name, of in (("a", results), ("b", moved), ("c", other))]


def test_equal_runs(runs, capsys):
    assert main(["compare", runs[0], runs[0]]) == 0
    out = capsys.readouterr().out
    head, said, *_ = out.split("\n\n")
    assert " ".join(head.split()) == f"A: {runs[0]} · B: {runs[0]}"
    assert said.startswith("5 of 5 quantities agree") and "Verdicts: 1 of 1 are the same." in said.splitlines()


def test_moved_runs(runs, capsys):
    assert main(["compare", runs[0], runs[1]]) == 1
    out = capsys.readouterr().out
    assert out.count(" yes") >= 5 and "+50%" in out and "and hardware are the same." in out
    grid = out.split("\n\n")[1]
    assert max(map(len, grid.splitlines())) <= 100
    assert main(["compare", runs[0], runs[1], "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len(rows) == 5 and all(row["moved"] for row in rows)


@pytest.mark.parametrize(
    ("factor", "text"),
    [(2.0, "+100%"), (3.5, "+250%"), (0.5, "-50%"), (1.021, "+2.1%"), (1.0, "+0%"), (1e12, "+1.0e14%")],
)
def test_a_shift_is_printed_in_percent(factor, text):
    found = Comparison((Change("fc", "k", 2, 2, 0.5, *[math.log(factor)] * 3),), (), (), (), ())
    assert f"{text} [{text}, {text}]" in comparison_table(found, "a", "b").text()


def test_verdicts_that_differ_are_told_and_do_not_fail(tmp_path, capsys):
    paths = []
    for name in ("a", "b"):  # the common cells are the same; the second run has fewer widths
        results = sweep("fc", seeds=5, noise=0.01, widths=(64, 128, 256, 512, 1024))
        kept = [each for each in results if name == "a" or each.cell.width < 256]
        paths.append(str(stored(tmp_path / name, kept).path))
    assert main(["compare", *paths]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "Verdicts: 0 of 1 are the same." in out and "Verdict of fc: linear → falling (kernel_change_worst falls" in out
    )
    assert main(["compare", *paths, "--json"]) == 0
    (change,) = json.loads(capsys.readouterr().out)["verdicts"]
    assert change["label"] == "fc" and (change["before"], change["after"]) == ("linear", "falling")
    assert "64…128" in change["reason"]


def test_nothing_in_common_is_a_sentence(runs, capsys):
    assert main(["compare", runs[0], runs[2]]) == 2
    assert "no finished cell in common" in capsys.readouterr().err

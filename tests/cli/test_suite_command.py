"""`ntkbench run --suite`: claim by claim, in a folder that is completed and not run twice."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from ntkbench.api import load
from ntkbench.cli.main import main
from ntkbench.types import Line, Panel

SUITE = """
name = "mine <b>"
[defaults]
source = "own"
status = "own"
widths = [8, 16]
seeds = 2
probes = 3

[[claim]]
id = "falls"
says = "it falls"
arch = "fc:depth=1"
quantity = "hessian_norm"
law = "exponent"
expected = [-2.0, 1.0]

[[claim]]
id = "small"
says = "it is tiny"
arch = "fc:depth=1"
quantity = "hessian_norm"
law = "at most"
expected = [0, 1e-9]
explained = "it is not."

[[claim]]
id = "hearsay"
says = "nobody knows"
status = "unconfirmed"
law = "check"
check = "ntkbench.suites.liu2020:catapult_above"
expected = [2, 3]
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "mine.toml"
    path.write_text(SUITE, encoding="utf-8")
    return path


def test_claim_by_claim(suite, capsys):
    out = suite.parent / "run"
    assert main(["run", "--suite", str(suite), "--out", str(out), "--quiet"]) == 1
    text = capsys.readouterr().out
    assert "falls" in text and "FAILS" in text and "unconfirmed:" in text and "small fails: it is not." in text
    assert max(map(len, text.splitlines())) <= 100 and len(load(out).results) == 4
    before = {file: file.stat().st_mtime_ns for file in (out / "cells").iterdir()}
    assert main(["run", "--suite", str(suite), "--out", str(out), "--quiet", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["id"] for row in rows] == ["falls", "small", "hearsay"] and rows[2]["gates"] is False
    assert rows[1]["finding"] == "fails" and rows[2]["finding"] == "fails"
    assert before == {file: file.stat().st_mtime_ns for file in (out / "cells").iterdir()}


def test_dry_run_and_mistakes(suite, capsys):
    assert main(["run", "--suite", str(suite), "--dry-run"]) == 0
    assert "3 claims, 4 cells" in capsys.readouterr().out
    assert main(["run", "--suite", str(suite), "--widths", "8"]) == 2
    assert "--widths cannot be combined with --suite" in capsys.readouterr().err
    assert main(["run", "--suite", "liu220"]) == 2
    assert "Did you mean 'liu2020'" in capsys.readouterr().err


CHECKS = """
name = "checks"
curves = "drawing:curves"
[defaults]
source = "own"
status = "own"

[[claim]]
id = "mean"
says = "the mean of a check's values"
law = "value"
check = "drawing:values"
seeds = 4
expected = [0.9, 1.1]
excludes = 2.0

[[claim]]
id = "law"
says = "the exponent of a check's values"
law = "exponent"
check = "drawing:falls"
expected = [-0.6, -0.4]

[[claim]]
id = "broken"
says = "not a number"
status = "unconfirmed"
law = "value"
check = "drawing:broken"
expected = [0, 1]
"""


def test_checks_under_every_law_and_curves_without_cells(tmp_path, monkeypatch, capsys):
    drawing = SimpleNamespace(
        values=lambda seed: [0.9 + 0.01 * seed, 1.1],
        falls=lambda seed: {x: (1 + 0.01 * ((seed + x) % 3)) * x**-0.5 for x in (4, 8, 16)},
        broken=lambda seed: [float("nan")],
        curves=lambda: [Panel("t", "x", "y", (Line("a", (0.0, 1.0), (2.0, 1.0)),))],
    )
    monkeypatch.setitem(sys.modules, "drawing", drawing)
    (tmp_path / "checks.toml").write_text(CHECKS, encoding="utf-8")
    assert main(["run", "--suite", str(tmp_path / "checks.toml"), "--out", str(tmp_path / "run"), "--json"]) == 0
    out, err = capsys.readouterr()
    mean, law, broken = json.loads(out)["rows"]
    assert mean["finding"] == "holds" and mean["n"] == 4 and mean["measured"] == pytest.approx(1.0075)
    assert law["finding"] == "holds" and law["n"] == 9
    assert broken["finding"] == "fails" and "not finite" in broken["note"]
    assert "3/3 checks" in err and load(tmp_path / "run").panels == tuple(drawing.curves())
    (tmp_path / "checks.toml").write_text(CHECKS.replace("drawing:curves", "drawing:none"), encoding="utf-8")
    assert main(["run", "--suite", str(tmp_path / "checks.toml"), "--quiet"]) == 2
    assert "The curves 'drawing:none' of 'checks' cannot be loaded" in capsys.readouterr().err


def test_an_interrupted_check_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def stop(seed):
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "drawing", SimpleNamespace(values=stop))
    (tmp_path / "checks.toml").write_text(CHECKS, encoding="utf-8")
    assert main(["run", "--suite", str(tmp_path / "checks.toml"), "--out", str(tmp_path / "run"), "--quiet"]) == 130
    assert f"rerun the command with --out {tmp_path / 'run'}." in capsys.readouterr().err
    monkeypatch.setattr("ntkbench.runner.executors.processes.Processes.close", lambda _: stop(0))  # Ctrl-C once more
    assert main(["run", "--suite", str(tmp_path / "checks.toml"), "--out", str(tmp_path / "run"), "--quiet"]) == 130
    assert f"rerun the command with --out {tmp_path / 'run'}." in capsys.readouterr().err

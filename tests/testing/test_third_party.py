"""A package of somebody else: a dataset with a form of its own, a network for it, its limit, a kernel and a curve.

It was written from plugins/README.md and the pages that it links, and uses nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from fakes import ntkbench, register

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tests/data/ntkbench-twins"
RUN = ["run", "--arch", "symmetric", "--arch", "symmetric-kernel", "--dataset", "twins", "--widths", "16,64,inf"]
RUN += ["--seeds", "1", "--probes", "4", "--measure", "flow", "--measure", "flow:curves", "--measure", "test_error"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that holds what pip writes about the package, and a finished run of it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "ntkbench_twins").symlink_to(PACKAGE / "ntkbench_twins")
    register(folder, "ntkbench-twins", "twins = ntkbench_twins", version="0.1.0")
    done = cli(folder, *RUN, "--out", "runs/twins", "--quiet")
    assert "architecture" in done
    return folder


def cli(folder, *words):
    done = ntkbench(folder, *words, NTKBENCH_CACHE=str(folder / "cache"), NTKBENCH_PLUGINS="ntkbench-twins")
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_it_passes_the_kit(folder):
    found = json.loads(cli(folder, "plugin", "check", "ntkbench-twins", "--json"))
    assert {each["subject"].split()[0] for each in found[1:]} == {"architecture", "measurement", "dataset", "kernel"}
    assert [each for each in found if each["status"] == "failed"] == []
    skipped = {each["number"] for each in found if each["status"] == "skipped"}
    assert skipped == {"A15", "A16", "M5", "M10", "K7"}


def test_the_table_shows_its_numbers_with_the_value_at_infinite_width(folder):
    shown = cli(folder, "table", "runs/twins", "--quantity", "flow_rate", "--quantity", "test_error")
    assert "16…64 │ ∞" in shown and "symmetric-kernel" in shown
    rows = json.loads(cli(folder, "table", "runs/twins", "--by", "dataset", "--json"))
    assert "twins" in json.dumps(rows)


def test_its_limit_is_its_kernel(folder):
    cli(folder, "export", "runs/twins", "--format", "csv", "-o", "cells.csv")
    cells = pd.read_csv(folder / "cells.csv")
    assert (cells.status == "ok").all() and set(cells.width) == {16, 64, float("inf")}
    at_infinity = cells[cells.width == float("inf")].set_index(["quantity", "seed", "architecture"]).value.unstack()
    assert len(at_infinity) == 2
    pd.testing.assert_series_equal(at_infinity["symmetric"], at_infinity["symmetric-kernel"], check_names=False)


def test_its_curve_is_exported_and_drawn(folder):
    cli(folder, "export", "runs/twins", "--curves", "--format", "csv", "-o", "curves.csv")
    curves = pd.read_csv(folder / "curves.csv")
    assert set(curves.curve) == {"flow_loss"} and len(curves) == 50 * (3 + 1)
    cli(folder, "report", "runs/twins")
    page = (folder / "runs/twins/report.html").read_text(encoding="utf-8")
    assert page.count("flow_loss</strong>") == 2 and "flow_rate" in page

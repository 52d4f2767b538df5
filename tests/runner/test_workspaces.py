"""Workspaces of cells: found again after an interruption, removed with the result, seen by nobody else."""

from __future__ import annotations

import fakes
import pytest

import ntkbench as nb
from ntkbench.engine.workspace import Workspace
from ntkbench.errors import NtkbenchError


@pytest.fixture
def counting(monkeypatch):
    """Register a measurement that counts its calls in its workspace, and ends as the fixture's `plan` says."""
    calls, endings = [], []

    def measure(ctx):
        file = ctx.workspace / "calls"
        before = file.read_text() if file.exists() else ""
        file.write_text(before + "x")
        calls.append(ctx.workspace)
        ending = endings.pop(0) if endings else None
        if ending is not None:
            raise ending
        return {"calls": float(len(before) + 1)}

    fakes.loaded(monkeypatch)
    nb.measurement("counting", [nb.Quantity("calls", "n", summary="number of calls")], summary="calls")(measure)
    return calls, endings


def run(out, **options):
    return nb.run("fc", widths=[4], seeds=1, measure="counting", probes=2, out=out, **options)


def calls_in(found):
    return [result.values["calls"].value for result in found.results if result.values]


def test_a_finished_cell_leaves_nothing(tmp_path, counting):
    found = run(tmp_path / "run")
    assert calls_in(found) == [1.0]
    assert counting[0][0].parent == (tmp_path / "run" / "workspace").resolve()
    assert sorted(each.name for each in (tmp_path / "run").iterdir()) == [".lock", "cells", "manifest.json"]


def test_an_interrupted_cell_finds_its_files_again(tmp_path, counting):
    counting[1].append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run")
    assert (counting[0][0] / "calls").read_text() == "x"
    halfway = nb.load(tmp_path / "run")
    assert (list(halfway.results), halfway.problems, halfway.set_aside) == ([], [], [])
    found = run(tmp_path / "run")
    assert calls_in(found) == [2.0]
    assert found.set_aside == []
    assert not (tmp_path / "run" / "workspace").exists()


def test_a_failed_cell_finds_its_files_when_it_is_retried(tmp_path, counting):
    counting[1].append(ValueError("no"))
    assert [result.status for result in run(tmp_path / "run").results] == ["failed"]
    assert (tmp_path / "run" / "workspace").exists()
    assert calls_in(run(tmp_path / "run")) == [2.0]
    assert not (tmp_path / "run" / "workspace").exists()


def test_a_workspace_left_by_a_kill_just_before_its_removal_is_removed(tmp_path, counting):
    run(tmp_path / "run")
    left = counting[0][0]
    left.mkdir(parents=True)
    (left / "calls").write_text("x")
    assert calls_in(run(tmp_path / "run")) == [1.0]
    assert not left.parent.exists()


def test_a_cell_measured_anew_starts_without_files(tmp_path, counting):
    run(tmp_path / "run")
    assert calls_in(run(tmp_path / "run", force=True)) == [1.0]


def test_a_run_that_is_moved_takes_its_workspaces_along(tmp_path, counting):
    counting[1].append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    assert calls_in(run(tmp_path / "moved")) == [2.0]
    assert not (tmp_path / "moved" / "workspace").exists()


def test_without_a_run_the_folder_is_temporary(context):
    ctx = context("fc", 4)
    folder = ctx.workspace
    assert folder.is_dir()
    assert ctx.workspace == folder == ctx.float64.workspace
    ctx.start("other", frozenset())
    assert ctx.workspace != folder
    assert not folder.exists()


def test_the_context_in_float64_has_the_same_folder(context):
    ctx = context("fc", 4, precision="float32")
    assert ctx.float64.workspace == ctx.workspace


def test_nothing_is_created_for_measurements_without_files(tmp_path):
    nb.run("fc", widths=[4], seeds=1, measure="gradient", probes=2, out=tmp_path / "run")
    assert sorted(each.name for each in (tmp_path / "run").iterdir()) == [".lock", "cells", "manifest.json"]


def test_a_folder_that_cannot_be_created_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NtkbenchError, match=r"The workspace .*file.cell could not be created: Not a directory"):
        _ = Workspace(tmp_path / "file" / "cell").folder

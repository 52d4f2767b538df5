"""A cell fails if its code is not the code that was planned, whenever and however the file was edited."""

from __future__ import annotations

import importlib
import os
import sys

import pytest
from measuring import FEW

from ntkbench.errors import NtkbenchError
from ntkbench.plan.options import RunOptions
from ntkbench.plan.plan import make_plan
from ntkbench.plan.user_modules import leave
from ntkbench.registry.current import registry
from ntkbench.registry.specs import Architecture
from ntkbench.runner import code_watch
from ntkbench.runner.code_watch import CodeWatch
from ntkbench.runner.executors.serial import Serial
from ntkbench.runner.run import check
from ntkbench.runner.worker import GroupWorker
from ntkbench.types import Status

NET = """
import keras
S = 1.0
def build(width, *, input_shape, seed):
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(1), keras.layers.Rescaling(S)])
"""
CHANGED = "net.py changed during the run; run the command again."


@pytest.fixture(autouse=True)
def left():
    yield
    leave()


def edit(path, before="S = 1.0", after="S = 3.0"):
    path.write_text(path.read_text().replace(before, after))


def planned(path, seeds=2):
    """Return the plan of a file, and the function that measures its cells."""
    path.write_text(NET)
    options = RunOptions(arch=[f"{path}:build"], widths="4", seeds=seeds, measure=["gradient"], probes=FEW.n_probes)
    plan = make_plan(options, registry())
    known = registry().with_architectures(plan.own_architectures())
    return plan, lambda: GroupWorker(plan.cells, known, watch=CodeWatch(plan.code)).results()


def test_an_edit_before_the_import_is_noticed_and_may_be_undone(tmp_path):
    path = tmp_path / "net.py"
    plan, results = planned(path, seeds=1)
    edit(path)
    (result,) = results()
    assert (result.status, result.message, result.values) == (Status.FAILED, CHANGED, {})
    with pytest.raises(NtkbenchError, match=CHANGED):
        check(plan, Serial(registry().with_architectures(plan.own_architectures()), "cpu", plan.code))
    path.write_text(NET)
    (result,) = results()
    assert result.status is Status.OK
    (entry,) = plan.own_architectures().values()
    assert entry.load().__globals__["S"] == 1.0, "the edited file, which this process had imported, is forgotten"


def test_an_edit_between_two_cells_is_noticed(tmp_path):
    path = tmp_path / "net.py"
    _, results = planned(path)
    found = []
    for result in results():
        found.append(result)
        edit(path)
    assert [result.status for result in found] == [Status.OK, Status.FAILED]
    assert found[1].message == CHANGED


def test_an_edit_while_a_cell_fails_is_its_reason(tmp_path):
    path = tmp_path / "net.py"
    _, results = planned(path, seeds=1)
    edit(path, "import keras", "import")
    (result,) = results()
    assert result.message == CHANGED


def test_a_plan_made_after_an_edit_is_not_measured_with_the_code_before_it(tmp_path):
    path = tmp_path / "net.py"
    first, _ = planned(path)
    watch = CodeWatch(first.code)
    watch.require_unchanged(first.cells[0])
    edit(path)
    second = make_plan(first.options, registry())
    path.write_text(NET)
    with pytest.raises(NtkbenchError, match=r"The code of net.py:build changed during the run"):
        watch.require_unchanged(second.cells[0])


def test_a_file_is_read_once_and_may_be_touched(tmp_path, monkeypatch):
    path = tmp_path / "net.py"
    plan, _ = planned(path)
    hashed, hash_of = [], code_watch.hash_of
    monkeypatch.setattr(code_watch, "hash_of", lambda content: hashed.append(content) or hash_of(content))
    watch = CodeWatch(plan.code)
    for _ in range(3):
        watch.require_unchanged(plan.cells[0])
    assert len(hashed) == 1
    os.utime(path, (1, 1))
    for _ in range(3):
        watch.require_unchanged(plan.cells[0])
    assert len(hashed) == 2
    path.unlink()
    with pytest.raises(NtkbenchError, match=CHANGED):
        watch.require_unchanged(plan.cells[0])


def test_an_edit_of_a_plugin_is_noticed(tmp_path, monkeypatch):
    (tmp_path / "acme_watched.py").write_text(NET)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    entry = Architecture(name="acme", target="acme_watched:build", distribution="acme-watched", version="1.0")
    known = registry().with_architectures({"acme": entry})
    plan = make_plan(RunOptions(arch=["acme"], widths="4", seeds=1, measure=["gradient"], probes=4), known)
    assert plan.cells[0].architecture_code
    edit(tmp_path / "acme_watched.py")
    (result,) = GroupWorker(plan.cells, known, watch=CodeWatch(plan.code)).results()
    assert result.message == "acme_watched.py changed during the run; run the command again."
    sys.modules.pop("acme_watched", None)

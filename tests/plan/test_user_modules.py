"""Files in different folders have their own neighbours, though these have one name."""

from __future__ import annotations

import sys

import pytest

from ntkbench.errors import NtkbenchError
from ntkbench.plan.python_file import file_architecture
from ntkbench.plan.user_modules import leave


@pytest.fixture(autouse=True)
def left():
    assert "helper" not in sys.modules
    yield
    leave()
    assert "helper" not in sys.modules
    assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("ntkbench.")]


def write(folder, value, body="import helper\ndef build(width): return helper.value"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "one.py").write_text(body)
    (folder / "helper.py").write_text(f"value = {value}")
    return folder / "one.py"


def test_each_file_gets_its_own_neighbour(tmp_path):
    first, second = (file_architecture(write(tmp_path / str(n), n), "build") for n in (1, 2))
    assert [each.load()(8) for each in (first, second, first, second)] == [1, 2, 1, 2]


def test_a_neighbour_that_is_imported_late_is_its_own_too(tmp_path):
    late = "def build(width):\n    import helper\n    return helper.value"
    first, second = (file_architecture(write(tmp_path / str(n), n, late), "build") for n in (1, 2))
    assert [each.load()(8) for each in (first, second, first)] == [1, 2, 1]


def test_an_edited_neighbour_is_imported_anew(tmp_path):
    path = write(tmp_path, 1)
    assert file_architecture(path, "build").load()(8) == 1
    write(tmp_path, 23)  # of another size: Python's cache of compiled files goes by seconds and sizes
    assert file_architecture(path, "build").load()(8) == 23


def test_a_file_runs_once_for_each_of_its_contents(tmp_path):
    body = "import helper\nhelper.runs = getattr(helper, 'runs', 0) + 1\nbuild = lambda width: helper.runs"
    path = write(tmp_path, 1, body)
    entry = file_architecture(path, "build")
    assert [entry.load()(8) for _ in range(3)] == [1, 1, 1]


def test_others_keep_what_they_had_imported(tmp_path, monkeypatch):
    mine = type(sys)("helper")
    monkeypatch.setitem(sys.modules, "helper", mine)
    assert file_architecture(write(tmp_path, 5), "build").load()(8) == 5
    leave()
    assert sys.modules["helper"] is mine
    monkeypatch.undo()


def test_python_s_own_modules_are_never_replaced(tmp_path):
    path = write(tmp_path, 1, "import json\ndef build(width): return json.dumps(width)")
    (tmp_path / "json.py").write_text("raise RuntimeError")
    assert file_architecture(path, "build").load()(8) == "8"


@pytest.mark.parametrize("text", ["raise ImportError('install foo first')", "from helper import *"])
def test_a_file_that_stops_says_why(tmp_path, text):
    path = write(tmp_path, 1, text)
    (tmp_path / "helper.py").write_text("raise ImportError('install foo first')")
    with pytest.raises(NtkbenchError, match="install foo first"):
        file_architecture(path, "build").load()


def test_names_of_a_star_import_are_found_when_the_file_runs(tmp_path):
    path = write(tmp_path, 1, "from helper import *")
    (tmp_path / "helper.py").write_text("def build(width): return width")
    assert file_architecture(path, "build").load()(3) == 3
    with pytest.raises(NtkbenchError, match="Unknown function 'biuld' in .*one.py. Did you mean 'build'"):
        file_architecture(path, "biuld").load()

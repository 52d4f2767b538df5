"""README executed: its commands at small sizes, its examples, and what it says against what there is."""

from __future__ import annotations

import re

import pytest
from pages import ROOT, blocks, execute, own_modules

from ntkbench.registry import registry

PATH = ROOT / "README.md"
README = PATH.read_text(encoding="utf-8")
INSTALL, TEST = (text.strip() for language, text in blocks(PATH) if language == "bash")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, from which `my_net` is imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with own_modules("my_net"):
        yield tmp_path


def test_readme_runs_from_top_to_bottom(folder, capsys):
    names = execute(PATH, folder, capsys)
    assert names["kernel"].shape == (4, 4)
    assert names["norms"].converged.all()


def test_it_is_short_and_begins_with_the_two_commands_and_ci_runs_the_second():
    assert len(README.splitlines()) <= 220
    assert INSTALL == "pip install . && ntkbench run --arch all"
    assert TEST == 'pip install ".[test]" && pytest'
    assert README.splitlines().index(TEST) < 30
    assert TEST in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


def test_the_table_has_a_row_for_each_architecture():
    block = re.search(r"<!-- table:begin -->\n```text\n(.*?)```\n<!-- table:end -->", README, flags=re.DOTALL)
    assert block, "README has no fenced block between its table markers"
    lines = block[1].splitlines()
    rows = {line.split()[0].partition(":")[0] for line in lines if line.strip()}
    ours = {name for name, entry in registry().architectures.items() if entry.distribution == "ntkbench"}
    assert not ours - rows, f"fill README's table from a stored run; it has no row for {', '.join(sorted(ours - rows))}"
    assert max(map(len, lines)) <= 100

"""The README: its example runs, and what it names exists."""

import re
from pathlib import Path

import numpy as np

import ntkbench_dynamics as dyn
from ntkbench.registry.current import registry

TEXT = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert (tmp_path / "page.png").stat().st_size > 10_000
    assert names["distances"].shape == (len(names["track"].steps),) * 2
    assert all(0 <= each <= 2.5 for each in names["velocities"].values())
    assert 0 <= names["barrier"] <= 1 and 0 <= names["gap"] <= 1 and np.isfinite(names["sharpness"])


def test_all_that_is_registered_is_named():
    for name in ("dynamics", "barrier", "onset", "catapult"):
        entry = registry().get("measurements", name)
        for each in (*entry.quantities, *entry.curves):
            assert f"`{each.name}`" in TEXT, each.name


def test_all_functions_are_named_and_exist():
    for name in dyn._HOME:
        assert callable(getattr(dyn, name)) and f"{name}(" in TEXT, name

"""The tutorial, executed from top to bottom."""

import re
import shlex
from pathlib import Path

import pytest

import ntkbench as nb
from ntkbench.cli.main import main

TEXT = (Path(__file__).parents[1] / "TUTORIAL.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for language, text in BLOCK.findall(TEXT):
        if language == "python":
            Path("my_net.py").write_text(text)
        else:
            for line in text.splitlines():
                assert main(shlex.split(line)[1:]) == 0, line
    assert "Traceback" not in capfd.readouterr().err
    assert Path("curves.png").stat().st_size > 10_000
    (found,) = {len(result.curves["kernel_distances"].x) for result in nb.load("runs/mine").results if result.curves
                and "kernel_distances" in result.curves}  # fmt: skip
    assert found > 100
    moved = {
        name: [r.values["kernel_distance_trained"].value for r in nb.load(f"runs/{name}").results
               if "kernel_distance_trained" in r.values]
        for name in ("mine", "mup")
    }  # fmt: skip
    assert len(moved["mine"]) == len(moved["mup"]) == 2

"""docs/kernels.md executed: its examples run, and predict."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

TEXT = (Path(__file__).parents[2] / "docs/kernels.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


def test_the_page_runs_from_top_to_bottom(capsys):
    names: dict[str, object] = {}
    for text in BLOCKS:
        exec(compile(text, "docs/kernels.md", "exec"), names)
    assert names["distance"] < 0.2
    assert "infinite width: dense" in capsys.readouterr().out
    assert np.linalg.eigvalsh(names["matrix"])[0] > 0
    assert names["explained"] > 0.35  # linear regression explains about half
    assert names["accuracy"] > 0.92 and names["right"] > 0.92
    wrong = [np.mean(np.argmax(each.mean, 1) != names["digit"][1000:1400]) for each in (names["early"], names["late"])]
    assert wrong[1] < 0.08 and wrong[0] >= wrong[1]
    assert names["ensemble"].rank == 1000

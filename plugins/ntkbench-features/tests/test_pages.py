"""README and tutorial: their examples run, and what is registered and exported is named."""

import re
import shlex
from pathlib import Path

import numpy as np

import ntkbench_features
from ntkbench.cli.main import main
from ntkbench.registry import registry

FOLDER = Path(__file__).parents[1]
README, TUTORIAL = ((FOLDER / name).read_text(encoding="utf-8") for name in ("README.md", "TUTORIAL.md"))


def executed(text):
    """Return the names that the Python blocks of a page define, from top to bottom."""
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        exec(compile(block, "page", "exec"), names)
    return names


def test_the_example_of_the_readme():
    x = np.random.default_rng(0).standard_normal((40, 9))
    assert executed(README)["model"].fit(x, x[:, 0] > 0).score(x, x[:, 0] > 0) > 0.9


def test_the_tutorial(capsys):
    names = executed(TUTORIAL)
    assert names["accuracy"] > 0.96 and names["image_accuracy"] > 0.85
    for first, last in (names["frobenius"], names["spectral"]):
        assert 1.5 < first / last < 9  # one draw each
    assert abs(names["found"].ratio - 1) < 0.05 and "of the exact kernel's" in capsys.readouterr().out
    error = names["ridge_regression"].predict(names["z"]) - names["target"]
    assert np.mean(error**2) < 0.4 * np.var(names["target"])


def test_the_commands_of_the_tutorial(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```console\n(.*?)^```$", TUTORIAL, flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines():
        words = shlex.split(line)[1:]
        if words[0] == "run":
            words = [*words, "--seeds", "1", "--probes", "4", "--executor", "serial", "--quiet"]
        assert main(words) == 0
        assert capsys.readouterr().out.strip()


def test_what_is_registered_and_exported_is_named():
    known = registry()
    for kind in ("architectures", "measurements", "datasets", "suites"):
        for name, entry in getattr(known, kind).items():
            if entry.distribution == "ntkbench-features":
                assert f"`{name}" in README or f"--suite {name}" in README, name
    for name in ntkbench_features.__all__:
        assert callable(getattr(ntkbench_features, name))
        assert name in README, name

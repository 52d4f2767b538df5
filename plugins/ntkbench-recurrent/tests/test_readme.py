"""The README and the tutorial: their examples run, and what they name exists."""

import re
from pathlib import Path

import pytest

import ntkbench as nb
from ntkbench_recurrent import names, protocols, series, tones

HERE = Path(__file__).parents[1]
README = (HERE / "README.md").read_text(encoding="utf-8")
TUTORIAL = HERE.parents[1] / "docs/tutorials/sequences.md"


def blocks(text):
    return re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_the_example_of_the_readme_runs(capsys):
    (code,) = blocks(README)
    exec(compile(code, "README.md", "exec"), {})
    assert len(re.findall(r"\d+\.\d+", capsys.readouterr().out)) == 4


def of_tones(**_):
    """A task of tones and noise, where JapaneseVowels is not installed."""
    x, y = tones.load(form="ragged", n=120, seed=0)
    parts = (({name: part[rows] for name, part in x.items()}, (y[rows] > 0).astype(int)) for rows in SPLIT)
    return nb.Task(*parts, "classification", classes=2)


SPLIT = slice(None, 60), slice(60, None)


@pytest.mark.skipif(not TUTORIAL.is_file(), reason="the documentation is not beside the package")
def test_the_tutorial_runs(monkeypatch, capsys):
    """On JapaneseVowels if it is installed, otherwise on tones."""
    try:
        series.read("JapaneseVowels")
        expected = 0.96
    except nb.MissingData:
        monkeypatch.setattr(series, "load_task", of_tones)
        expected = 0.7
    load, classify = blocks(TUTORIAL.read_text(encoding="utf-8"))
    assert len((load + classify).strip().splitlines()) <= 25
    found = {}
    for code in (load, classify):
        exec(compile(code, "sequences.md", "exec"), found)
    assert found["accuracy"] > expected
    assert capsys.readouterr().out.startswith("accuracy 0.")


def test_all_that_is_registered_is_named():
    for name in ("rntk", "dtw", "recurrent", "gru", "lstm", "series", "ragged-series", "table", "uci", "tones", "ucr"):
        assert f"`{name}`" in README, name
    for name in ("uci90", "ucr-short", "small-tables", "sensitivity", *protocols.PROTOCOLS):
        assert f"`{name}`" in README, name


def test_the_numbers_of_datasets_are_those_of_the_lists():
    assert (len(names.SHORT_SERIES), len(names.SMALL_TABLES), len(names.KEEL)) == (13, 14, 41)
    assert len(names.SERIES) + len(names.RAGGED_SERIES) == 126

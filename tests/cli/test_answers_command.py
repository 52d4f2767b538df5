"""`ntkbench answers`: a page with controls, questions, pictures and predictions, from runs and receipts."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import SLOPES, stored, sweep

from ntkbench.cli.main import main

WIDE = (64, 128, 256, 512, 1024)
FLAT = {"kernel_change_worst": 0.0, "kernel_change_gd": 0.0, "hessian_norm": 0.0}
SUITE = """
name = "mini"
summary = "Does <b>width</b> help?"
preset = "zoo"
arch = ["fc"]

[[control]]
arch = "wide"
kind = "falls"
expects = { kernel_change_worst = "falls", gradient_norm = [-0.1, 0.1] }

[[question]]
id = "width"
asks = "Does width | help?"
predicted = "Yes, if nothing stays narrow."
source = "own"
changes = "A narrow row that falls."
quantity = "kernel_change_worst"
[question.rows]
wide = "falls"
"narrow:k=4" = "stays"
"""
BOARD = Path(__file__).parents[2] / "leaderboards" / "submissions" / "board-2026-11-28.json"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mini.toml").write_text(SUITE, encoding="utf-8")
    results = sweep("wide", noise=0.01, widths=WIDE, seeds=5)
    results += sweep("narrow", label="narrow:k=4", slopes=SLOPES | FLAT, noise=0.01, widths=WIDE, seeds=5)
    stored("run", results)
    return tmp_path


def page(here):
    return (here / "docs" / "answers.md").read_text(encoding="utf-8")


def test_a_page_has_controls_questions_pictures_and_commands(here, capsys):
    (here / "docs").mkdir()
    assert main(["answers", "mini.toml", "run", "-o", "docs/answers.md"]) == 0
    assert capsys.readouterr().out.strip() == str(Path("docs/answers.md"))
    text = page(here)
    assert text.startswith("# Does &lt;b&gt;width&lt;/b&gt; help?") and "All controls (1) came out right" in text
    assert "## 1. Does width \\| help?" in text and "**Found:** As predicted. All 2 rows." in text
    assert (
        "wide is linear: kernel\\_change\\_worst falls" in text or "wide is linear: kernel_change_worst falls" in text
    )
    assert "ntkbench run --preset zoo --dataset digits --arch wide --arch narrow:k=4" in text
    assert "](answers/width.svg)" in text and (here / "docs" / "answers" / "width.svg").stat().st_size > 1000
    before = text
    assert main(["answers", "mini.toml", "run", "-o", "docs/answers.md"]) == 0 and page(here) == before


def test_an_architecture_of_several_runs_is_that_of_the_first_one(here):
    (here / "docs").mkdir()
    stored("more", sweep("wide", noise=0.01, widths=WIDE[1:], seeds=8))
    assert main(["answers", "mini.toml", "more", "run", "-o", "docs/answers.md"]) == 0
    text = page(here)
    assert "ntkbench run --preset zoo --dataset digits --widths 128,256,512,1024 --seeds 8 --arch wide\n" in text
    assert "ntkbench run --preset zoo --dataset digits --arch narrow:k=4\n" in text
    drawn = (here / "docs" / "answers" / "width.svg").read_bytes()
    narrow = sweep("narrow", label="narrow:k=4", slopes=SLOPES | FLAT, noise=0.01, widths=WIDE, seeds=5)
    stored("alone", [*sweep("wide", noise=0.01, widths=WIDE[1:], seeds=8), *narrow])
    assert main(["answers", "mini.toml", "alone", "-o", "docs/answers.md"]) == 0
    assert (here / "docs" / "answers" / "width.svg").read_bytes() == drawn


def test_a_control_that_is_wrong_forbids_publishing(here, capsys):
    (here / "docs").mkdir()
    (here / "mini.toml").write_text(SUITE.replace('kernel_change_worst = "falls"', 'kernel_change_worst = "stays"'))
    assert main(["answers", "mini.toml", "run", "-o", "docs/answers.md"]) == 1
    assert "Not publishable: not all controls came out right (wrong: wide)." in capsys.readouterr().err
    assert "**Not publishable:**" in page(here)


def test_a_receipt_answers_too(here):
    (here / "docs").mkdir()
    words = SUITE.replace('arch = "wide"', 'arch = "fc"').replace('wide = "falls"', 'fc = "falls"')
    (here / "mini.toml").write_text(words.replace('"narrow:k=4" = "stays"', 'attention = "stays"'))
    assert main(["answers", "mini.toml", str(BOARD), "-o", "docs/answers.md"]) == 0
    text = page(here)
    assert "board-2026-11-28 (receipt" in text and "As predicted. All 2 rows." in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["liu2020", "run", "-o", "answers.md"], "asks no questions"),
        (["mini.toml", "run", "-o", "answers.html"], "Unsupported file extension '.html'"),
        (["mini.toml", "nowhere", "-o", "answers.md"], "nowhere"),
        (["mini.toml", "mini.toml", "-o", "answers.md"], "mini.toml"),
        (["nosuch", "run", "-o", "answers.md"], "Unknown suite"),
    ],
)
def test_a_mistake_is_a_sentence(here, capsys, words, message):
    assert main(["answers", *words]) == 2
    out, err = capsys.readouterr()
    assert message in err and "Traceback" not in err and not out and not (here / "answers.md").exists()

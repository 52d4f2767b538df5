"""The committed board is what its receipts make of it, and theory agrees or the board says where it does not."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from ntkbench.leaderboard.build import FOLDER, build, load_board

BOARDS = Path(__file__).parents[2] / "leaderboards"
COMMITTED = sorted((BOARDS / FOLDER).glob("*"))


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory):
    folder = shutil.copytree(BOARDS, tmp_path_factory.mktemp("boards") / "leaderboards")
    shutil.rmtree(folder / FOLDER)
    build(folder)
    return folder / FOLDER


def test_it_is_what_the_receipts_make(rebuilt):
    """Pictures carry the drawing library's version; everything else is compared byte for byte."""
    assert {path.name for path in COMMITTED} == {path.name for path in rebuilt.iterdir()}
    for path in COMMITTED:
        if path.suffix in (".md", ".csv", ".html"):
            assert (rebuilt / path.name).read_bytes() == path.read_bytes(), path.name
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (rebuilt, BOARDS / FOLDER)]
    assert manifests[0]["receipts"] == manifests[1]["receipts"]


def test_theory_agrees_or_is_named():
    rows = list(csv.DictReader((BOARDS / FOLDER / "board.csv").open(encoding="utf-8")))
    text = (BOARDS / FOLDER / "board.md").read_text(encoding="utf-8")
    spoken = [row for row in rows if row["theory"]]
    assert len(spoken) >= 10
    for row in spoken:
        contradicts = {row["verdict"], row["theory"]} == {"linear", "non-linear"}
        named = any(f"{name} disagrees with theory" in text for name in (row["label"], _full_name(row)))
        assert named or not (contradicts or row["agrees"] == "disagrees")


def _full_name(row):
    return f"{row['label']} of {row['submission']}"


def test_every_row_has_its_receipt():
    hashes = {receipt.hash for receipt in load_board(BOARDS)[0]}
    rows = csv.DictReader((BOARDS / FOLDER / "board.csv").open(encoding="utf-8"))
    assert {row["receipt"] for row in rows} <= hashes

"""Boards: the same bytes twice, inert names, partial ranks, corrections, and no framework."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys

import pytest
from attrs import evolve
from factories import SLOPES, failed, manifest, sweep

from ntkbench.cli.main import main
from ntkbench.errors import NtkbenchError
from ntkbench.leaderboard.build import _csv, board_rows, board_table, build, load_board, rank_changes
from ntkbench.leaderboard.receipt import Receipt, read_receipt, write_receipt
from ntkbench.leaderboard.records import new_record, read_records, write_record
from ntkbench.store.run import load
from ntkbench.store.run_store import RunStore

FLAT = dict.fromkeys(SLOPES, 0.0)
HOSTILE = "<script>alert(1)</script>|=cmd"


def stored(path, results, theory=None):
    store = RunStore(path)
    store.create_or_open(manifest(results, theory))
    for each in results:
        store.write(each)
    return load(path)


def submitted(folder, name, results, theory=None):
    data = write_receipt(stored(folder / f"run-{name}", results, theory), name)
    (folder / "submissions").mkdir(exist_ok=True)
    (folder / "submissions" / f"{name}.json").write_bytes(data)
    return read_receipt(data, name)


@pytest.fixture
def boards(tmp_path):
    results = [*sweep("fc", seeds=5), *sweep("bent", slopes=FLAT, seeds=5), *sweep("cnn", widths=(16, 32, 64), seeds=5)]
    submitted(tmp_path, "first", results, {"fc": SLOPES, "bent": FLAT, "cnn": FLAT})
    return tmp_path


def test_a_receipt_is_the_run(tmp_path):
    run = stored(tmp_path / "run", sweep("fc"))
    data = write_receipt(run, "a")
    receipt = read_receipt(data, "a")
    assert data == write_receipt(run, "a") and len(data) < 120_000
    assert {each.cell.key: each.values for each in receipt.results} == {
        each.cell.key: each.values for each in run.results
    }


def test_what_cannot_be_submitted(tmp_path):
    half = stored(tmp_path / "half", sweep("fc"))
    next((tmp_path / "half/cells").iterdir()).unlink()
    with pytest.raises(NtkbenchError, match="half finished: 1 planned cells"):
        write_receipt(half, "a")
    own = [evolve(each, cell=evolve(each.cell, source_hash="abc")) for each in sweep("fc")]
    with pytest.raises(NtkbenchError, match="which nobody else can run"):
        write_receipt(stored(tmp_path / "own", own), "a")
    for name in ("../a", "A", "", "a" * 80, "a b"):
        with pytest.raises(NtkbenchError, match="is no name for a submission"):
            write_receipt(stored(tmp_path / "fine", sweep("fc")), name)


def test_two_builds_are_the_same_bytes(boards):
    first = {path.name: path.read_bytes() for path in build(boards)}
    second = {path.name: path.read_bytes() for path in build(boards)}
    assert first == second
    assert set(first) == {"board.md", "board.csv", "board.html", "first.svg", "manifest.json"}
    listed = json.loads(first["manifest.json"])["files"]
    assert listed == {n: hashlib.sha256(d).hexdigest() for n, d in first.items() if n != "manifest.json"}


def test_the_board_says_what_it_should(boards):
    build(boards)
    text = (boards / "v1/board.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert [line.split("|")[3].strip() for line in lines][-1] == "bent" and lines[-1].split("|")[1].strip() == "3"
    assert "cnn of first disagrees with theory" in text and "smallest difference" in text
    assert "linear" in lines[0] and "non-linear" in lines[-1]
    assert text.endswith("](first.svg)\n") and '<img src="first.svg"' in (boards / "v1/board.html").read_text("utf-8")


def test_hostile_names_are_inert(boards):
    """Reading refuses such names; the writers do not rely on it."""
    whole = load_board(boards)[0][0]
    hostile = [
        evolve(each, cell=evolve(each.cell, architecture=HOSTILE, label=HOSTILE)) for each in whole.results[:100]
    ]
    hostile[0] = evolve(failed(hostile[0].cell), message=HOSTILE * 100)
    rows, gap = board_rows([Receipt(HOSTILE, "0" * 64, {"cpu": HOSTILE}, whole.manifest, tuple(hostile))], [])
    table = board_table(rows, gap, [])
    html = table.text("html")
    assert "<script" not in html and "&lt;script&gt;" in html
    markdown = table.markdown()
    assert "<script" not in markdown
    for line in markdown.splitlines():
        assert not line.startswith("|") or line.replace(r"\|", "").count("|") == 11
    latex = [line for line in table.latex().splitlines() if not line.startswith("%")]
    assert any(r"\ensuremath{<}script\ensuremath{>}" in line for line in latex)
    assert not any("<script" in line for line in latex)
    formula = [evolve(each, cell=evolve(each.cell, label="=cmd|' /C calc'!A0")) for each in whole.results[:100]]
    rows, _ = board_rows([Receipt("=x", "0" * 64, {}, whole.manifest, tuple(formula))], [])
    read = list(csv.DictReader(io.StringIO(_csv(rows).decode())))
    assert read[0]["label"] == "'=cmd|' /C calc'!A0" and read[0]["submission"] == "'=x"


def test_a_failed_cell_keeps_a_wider_rank(tmp_path):
    # Three architectures, clearly apart; one has a single seed that is whole.
    slopes = {"a": -1.0, "b": -0.5, "c": 0.0}
    results = [
        each for n, s in slopes.items() for each in sweep(n, slopes=SLOPES | {"kernel_change_worst": s}, seeds=6)
    ]
    whole = submitted(tmp_path, "whole", results)
    part = submitted(
        tmp_path,
        "part",
        [
            failed(r.cell) if r.cell.label == "b" and r.cell.seed and r.cell.measurement == "ball" else r
            for r in results
        ],
    )
    ranks = [{row.verdict.series.label: row.ranks for row in board_rows([of], [])[0]} for of in (whole, part)]
    rows, gap = board_rows([part], [])
    notes = [note for note in board_table(rows, gap, []).notes if note.startswith("b of part: ")]
    assert notes == ["b of part: 20 cells of ball ended as failed: it broke"]
    assert ranks[0] == {"a": (1, 1), "b": (2, 2), "c": (3, 3)}
    assert ranks[1]["b"] == (1, 3) and ranks[1]["a"] == (1, 2) and ranks[1]["c"] == (2, 3)
    changes = rank_changes(board_rows([whole], [])[0], board_rows([part], [])[0])
    assert "b: rank 2 → 1–3" in changes


def test_corrections_and_withdrawals_are_records(boards, capsys):
    first = boards / "submissions/first.json"
    receipt = load_board(boards)[0][0]
    write_record(
        boards, new_record(kind="verification", receipt=receipt.hash, by="Ada", why="again", cells=3, agreed=3)
    )
    build(boards)
    assert "3 cells by Ada" in (boards / "v1/board.md").read_text(encoding="utf-8")
    second = submitted(boards, "second", [*sweep("fc", seeds=5, noise=0.04), *sweep("bent", slopes=FLAT, seeds=5)])
    words = ["leaderboard", "withdraw", str(first), "--by", "Ada", "--why", "a wrong seed", "--boards", str(boards)]
    assert main([*words, "--replaced-by", str(boards / "submissions/second.json")]) == 0
    capsys.readouterr()
    assert [record.kind for record in read_records(boards)] == ["correction", "verification"]
    assert [each.hash for each in load_board(boards)[0]] == [second.hash] and first.exists()
    build(boards)
    text = (boards / "v1/board.md").read_text(encoding="utf-8")
    assert "correction of" in text and "a wrong seed" in text and "| first" not in text
    assert {path.name for path in (boards / "v1").glob("*.svg")} == {"second.svg"}, "the picture of what stands"


def test_a_wrong_record_is_a_sentence(tmp_path):
    (tmp_path / "records").mkdir()
    (tmp_path / "records/x.json").write_text('{"kind": "verification", "receipt": "zz"}')
    with pytest.raises(NtkbenchError, match="x.json cannot be accepted"):
        read_records(tmp_path)


def test_diff(boards, capsys):
    submitted(boards, "second", [*sweep("fc", seeds=5, noise=0.2), *sweep("bent", slopes=SLOPES, seeds=5)])
    paths = [str(boards / f"submissions/{name}.json") for name in ("first", "second")]
    assert main(["leaderboard", "diff", *paths]) == 0
    out = capsys.readouterr().out
    assert "bent: non-linear → linear" in out and "cnn: gone" in out and " yes" in out
    assert main(["leaderboard", "diff", paths[0], paths[0]]) == 0
    assert "none moved" in capsys.readouterr().out


def test_an_empty_folder_is_a_sentence(tmp_path, capsys):
    assert main(["leaderboard", "build", "--boards", str(tmp_path)]) == 2
    assert "no receipt that stands" in capsys.readouterr().err


def test_building_imports_no_framework(boards):
    program = (
        "import sys\nsys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        f"from ntkbench.cli.main import main; sys.exit(main(['leaderboard', 'build', '--boards', {str(boards)!r}]))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)

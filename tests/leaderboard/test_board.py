"""Boards: the same bytes twice, inert names, ties within verdicts, corrections, and no framework."""

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

from ntkbench.api import load
from ntkbench.cli.main import main
from ntkbench.errors import NtkbenchError
from ntkbench.leaderboard.build import _csv, _page, board_changes, board_table, build, load_board, new_board
from ntkbench.leaderboard.receipt import Receipt, read_receipt, write_receipt
from ntkbench.leaderboard.records import new_record, read_records, write_record
from ntkbench.store.run_store import RunStore
from ntkbench.types import Value

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


def board_of(results):
    return new_board([Receipt("all", "0" * 64, {}, manifest(results), tuple(results))])


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
    with pytest.raises(NtkbenchError, match="not finished: 1 planned cells"):
        write_receipt(half, "a")
    own = [evolve(each, cell=evolve(each.cell, source_hash="abc")) for each in sweep("fc")]
    with pytest.raises(NtkbenchError, match="which others cannot run"):
        write_receipt(stored(tmp_path / "own", own), "a")
    for name in ("../a", "A", "", "a" * 80, "a b"):
        with pytest.raises(NtkbenchError, match="Invalid submission name"):
            write_receipt(stored(tmp_path / "fine", sweep("fc")), name)


def test_a_receipt_that_appears_meanwhile_is_not_overwritten(tmp_path, monkeypatch, capsys):
    run, path = stored(tmp_path / "run", sweep("fc")), tmp_path / "submissions" / "a.json"

    def other_submits(*_):
        path.parent.mkdir()
        path.write_bytes(b"other")

    monkeypatch.setattr("ntkbench.leaderboard.standing.twin_of", other_submits)
    assert main(["leaderboard", "submit", str(run.path), "--name", "a", "--boards", str(tmp_path)]) == 2
    assert "receipts are never overwritten" in capsys.readouterr().err and path.read_bytes() == b"other"


def test_two_builds_are_the_same_bytes(boards):
    first = {path.name: path.read_bytes() for path in build(boards)}
    second = {path.name: path.read_bytes() for path in build(boards)}
    assert first == second
    assert set(first) == {"board.md", "board.csv", "board.html", "first.svg", "manifest.json"}
    listed = json.loads(first["manifest.json"])["files"]
    assert listed == {n: hashlib.sha256(d).hexdigest() for n, d in first.items() if n != "manifest.json"}


def cells_of(text):
    """The rows of the board in Markdown: column → cell."""
    head, _, *lines = [line for line in text.splitlines() if line.startswith("|")]
    names, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in (head, *lines))
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_the_board_says_what_it_should(boards):
    build(boards)
    text = (boards / "v1/board.md").read_text(encoding="utf-8")
    rows = cells_of(text)
    assert [row["verdict"] for row in rows] == ["linear", "falling", "non-linear"]
    assert [row["architecture"] for row in rows] == ["fc", "cnn", "bent"] and rows[2]["ties"] == "a"
    assert [row["theory"] for row in rows] == ["-½ ✓", "0 ✗", "0 ✓"]
    assert rows[0]["worst"].startswith("-.5") and rows[0]["last step"].startswith("-.") and "%" in rows[1]["floor"]
    assert rows[0]["gd"].startswith(("-.9", "-1.0")) and rows[2]["floor"] == "" and rows[0]["notes"] == ""
    assert "rank" not in text and "in the limit" not in text
    for sentence in ("- Verdict, from kernel\\_change\\_worst", "cnn disagrees with theory: kernel", "- Ties: "):
        assert sentence.replace("\\", "") in text.replace("\\", ""), sentence
    assert "bent is non-linear: kernel_change_worst stays at" in text.replace("\\", "") and "cnn is falling" not in text
    assert "What would decide" in text and "measured at R = 1" in text
    assert text.endswith("](first.svg)\n")
    page = (boards / "v1/board.html").read_text("utf-8")
    assert '<img src="first.svg"' in page and page.count('class="group"') == 3 and '<td class="non-linear">' in page


def test_csv_says_what_the_board_does(boards):
    build(boards)
    rows = list(csv.DictReader((boards / "v1/board.csv").open(encoding="utf-8")))
    assert [row["label"] for row in rows] == ["fc", "cnn", "bent"] and rows[2]["gd_state"] == "flat"
    fc = rows[0]
    assert float(fc["worst_low"]) < float(fc["worst_slope"]) < float(fc["worst_high"]) < -0.2
    assert float(fc["gd_slope"]) < float(fc["worst_slope"]) and fc["worst_state"] == "decays"
    assert fc["theory"] == "linear" and fc["theory_exponent"] == "-0.5" and fc["theory_kind"] == "rate"
    assert fc["agrees"] == "agrees" and fc["radius"] == "1" and fc["kinked"] == "False" and fc["unsure"] == ""
    assert fc["widths"] == "64 128 256 512" and "falls as m^" in fc["reason"]


def test_kinks_unsure_searches_and_other_radii_are_flagged():
    odd = [
        evolve(each, values=dict(each.values) | {"kink_share": Value(0.8), "search_gain": Value(0.5)})
        if each.cell.measurement == "ball"
        else each
        for each in sweep("odd")
    ]
    far = [
        evolve(each, cell=evolve(each.cell, settings=dict(each.cell.settings) | {"radius": 5.0}))
        for each in sweep("far")
    ]
    table = board_table(board_of([*sweep("fc"), *sweep("cnn", widths=(16, 32, 64)), *odd, *far]))
    rows = {row["architecture"]: row for row in cells_of(table.markdown())}
    assert rows["odd"]["notes"] == "kinks, search unsure" and rows["odd"]["verdict"] == "falling"
    assert rows["far"]["notes"] == "R = 5" and rows["far"]["ties"] == "" and rows["fc"]["ties"]
    assert any("(median over pairs): 0." in note and "(falling)" in note for note in table.notes)


def test_two_submissions_are_told_apart(boards):
    submitted(boards, "second", sweep("bent", slopes=FLAT, seeds=5))
    build(boards)
    text = (boards / "v1/board.md").read_text("utf-8")
    assert "bent of first is non-linear" in text and "bent of second is non-linear" in text


def test_hostile_names_are_inert(boards):
    """Reading refuses such names; the writers do not rely on it."""
    whole = load_board(boards)[0][0]
    hostile = [
        evolve(each, cell=evolve(each.cell, architecture=HOSTILE, label=HOSTILE)) for each in whole.results[:100]
    ]
    hostile[0] = evolve(failed(hostile[0].cell), message=HOSTILE * 100)
    board = new_board([Receipt(HOSTILE, "0" * 64, {"cpu": HOSTILE}, whole.manifest, tuple(hostile))])
    table = board_table(board)
    html = _page(table, board, [])
    assert "<script" not in html and "&lt;script&gt;" in html
    markdown = table.markdown()
    assert "<script" not in markdown
    for line in markdown.splitlines():
        assert not line.startswith("|") or line.replace(r"\|", "").count("|") == 13
    latex = [line for line in table.latex().splitlines() if not line.startswith("%")]
    assert any(r"\ensuremath{<}script\ensuremath{>}" in line for line in latex)
    assert not any("<script" in line for line in latex)
    formula = [evolve(each, cell=evolve(each.cell, label="=cmd|' /C calc'!A0")) for each in whole.results[:100]]
    board = new_board([Receipt("=x", "0" * 64, {}, whole.manifest, tuple(formula))])
    read = list(csv.DictReader(io.StringIO(_csv(board).decode())))
    assert read[0]["label"] == "'=cmd|' /C calc'!A0" and read[0]["submission"] == "'=x"


def test_failed_cells_widen_ties(tmp_path):
    # Three architectures that fall, clearly apart; of one a single seed is whole.
    slopes = {"a": -1.2, "b": -0.8, "c": -0.4}
    results = [
        each for n, s in slopes.items() for each in sweep(n, slopes=SLOPES | {"kernel_change_worst": s}, seeds=6)
    ]
    broken = [
        failed(r.cell) if r.cell.label == "b" and r.cell.seed and r.cell.measurement == "ball" else r for r in results
    ]
    whole, part = (new_board([submitted(tmp_path, name, of)]) for name, of in (("whole", results), ("part", broken)))
    ties = [{row.verdict.series.label: row.ties for row in board.rows} for board in (whole, part)]
    assert ties == [{"a": "a", "b": "b", "c": "c"}, {"a": "a", "c": "b", "b": ""}]
    notes = [note for note in board_table(part).notes if note.startswith("b: ")]
    assert notes == ["b: 20 cells of ball ended as failed: it broke"]


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
    with pytest.raises(NtkbenchError, match="x.json is not valid"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"cells": 2, "agreed": 3}, "3 cells agreed, but only 2 were re-run"),
        ({"date": "2026-99-99"}, "is not valid: month"),
        ({"time": "25:00:00.000000"}, "is not valid: hour"),
        ({"by": "\ud800"}, "is not valid: 'by'"),
        ({"why": "a\u202eb"}, "is not valid: 'why'"),
        ({"kind": "correction", "replaced_by": "0" * 64}, "it replaces a receipt by itself"),
    ],
)
def test_a_record_of_what_cannot_be_is_refused(tmp_path, fields, says):
    record = {"kind": "verification", "receipt": "0" * 64, "by": "Ada", "why": "x", "date": "2026-11-01"} | fields
    (tmp_path / "records").mkdir()
    (tmp_path / "records/x.json").write_text(json.dumps(record))
    with pytest.raises(NtkbenchError, match=f"x.json .*{says}"):
        read_records(tmp_path)


def test_diff(boards, capsys):
    submitted(boards, "second", [*sweep("fc", seeds=5, noise=0.2), *sweep("bent", slopes=SLOPES, seeds=5)])
    paths = [str(boards / f"submissions/{name}.json") for name in ("first", "second")]
    assert main(["leaderboard", "diff", *paths]) == 0
    out = capsys.readouterr().out
    assert "bent: non-linear → falling (kernel_change_worst falls" in out and "cnn: gone" in out and " yes" in out
    assert "rank" not in out.lower()
    assert main(["leaderboard", "diff", paths[0], paths[0]]) == 0
    out = capsys.readouterr().out
    assert "Verdicts: 3 of 3 are the same." in out and "ties: unchanged." in out


def test_ties_that_changed_are_named():
    def board(slope):
        steep, other = SLOPES | {"kernel_change_worst": -1.0}, SLOPES | {"kernel_change_worst": slope}
        return board_of(
            [each for name, s in (("a", steep), ("b", other)) for each in sweep(name, slopes=s, noise=0.01)]
        )

    apart, close, stays = board(-0.8), board(-1.0), board(0.0)
    assert board_changes(apart, close) == ["a and b: told apart → tied"]
    assert board_changes(close, apart) == ["a and b: tied → told apart"]
    assert board_changes(apart, stays) == [], "two verdicts are no tie"


def test_an_empty_folder_is_a_sentence(tmp_path, capsys):
    assert main(["leaderboard", "build", "--boards", str(tmp_path)]) == 2
    assert "contains no receipts" in capsys.readouterr().err


def test_building_imports_no_framework(boards):
    program = (
        "import sys\nsys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        f"from ntkbench.cli.main import main; sys.exit(main(['leaderboard', 'build', '--boards', {str(boards)!r}]))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)

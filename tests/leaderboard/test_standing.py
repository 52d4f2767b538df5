"""Receipts that stand: withdrawn, edited, of other versions, without a picture, of one run, and run again."""

from __future__ import annotations

import csv
import json

import pytest
from attrs import evolve
from factories import SLOPES, stored, sweep

from ntkbench.cli.main import main
from ntkbench.errors import NtkbenchError
from ntkbench.leaderboard.build import build
from ntkbench.leaderboard.receipt import _hash, hash_of_file, load_receipt, write_receipt
from ntkbench.leaderboard.records import new_record, read_records, write_record
from ntkbench.leaderboard.standing import load_board
from ntkbench.types import Value

FLAT = dict.fromkeys(SLOPES, 0.0)


def submitted(folder, name, results):
    (folder / "submissions").mkdir(parents=True, exist_ok=True)
    data = write_receipt(stored(folder / f"run-{name}", results), name)
    (folder / "submissions" / f"{name}.json").write_bytes(data)


def other(folder, name, renew=True, **words):
    """Write a copy of the receipt `first` with other words in it."""
    body = json.loads((folder / "submissions/first.json").read_text("utf-8")) | {"name": name} | words
    if renew:
        body["hash"] = _hash({key: value for key, value in body.items() if key != "hash"})
    path = folder / f"submissions/{name}.json"
    path.write_text(json.dumps(body), "utf-8")
    return path


def edited(folder, change):
    """Write a copy of the receipt `first` that `change` has edited, with a valid hash."""
    body = json.loads((folder / "submissions/first.json").read_text("utf-8"))
    change(body)
    return other(folder, "edited", **{key: value for key, value in body.items() if key not in ("name", "hash")})


def a_law(body):
    return body["plan"]["theory"]["fc"].setdefault("hessian_norm", {"exponent": -0.5, "source": "Ada 2026"})


def a_result(body):
    return body["groups"][0]["results"][0]


def rows(folder):
    return list(csv.DictReader((folder / "v1/board.csv").open(encoding="utf-8")))


def text(folder):
    return (folder / "v1/board.md").read_text("utf-8").replace("\\", "")


def withdraw(folder, path):
    return main(["leaderboard", "withdraw", str(path), "--by", "Ada", "--why", "a fault", "--boards", str(folder)])


@pytest.fixture
def boards(tmp_path):
    folder = tmp_path / "boards"
    submitted(folder, "first", [*sweep("fc"), *sweep("bent", slopes=FLAT)])
    return folder


NESTED: list[object] = []
for _ in range(300):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda body: body.update(environment="inf"), "Expected `object`, got `str` - at `$.environment`"),
        (lambda body: body["environment"].update(threads=[[1]]), "at `$.environment"),
        (lambda body: body["environment"].update(cpu=NESTED), "more than 20 lists and objects inside each other"),
        (lambda body: body["environment"].update(cpu="\ud800"), "with markup or invisible characters"),
        (lambda body: body["environment"].update({"\udfff": 1}), "with markup or invisible characters"),
        (lambda body: a_law(body).update(from_width="x"), "Expected `int`, got `str`"),
        (lambda body: a_law(body).update(from_width=None), "Expected `int`, got `null`"),
        (lambda body: a_law(body).update(exponent="x"), "Expected `float`, got `str`"),
        (lambda body: a_law(body).update(source=["x"]), "Expected `str`, got `array`"),
        (lambda body: body["plan"]["theory"].update(fc=[1]), "Expected `object`, got `array`"),
        (lambda body: body["plan"]["quantities"]["gradient"][0].update(per="x"), "Invalid enum value 'x'"),
        (lambda body: body["plan"]["quantities"]["gradient"][0].update(symbol=3), "Expected `str`, got `int`"),
        (
            lambda body: body["plan"]["quantities"]["gradient"][0].update(comes_with="x", per=""),
            "Expected `array`, got `str`",
        ),
        (lambda body: body["plan"]["width_means"].update(fc={}), "Expected `str`, got `object`"),
        (lambda body: body["plan"].update(settings={}), "the settings of its plan lack n_probes"),
        (lambda body: body["plan"]["settings"].update(radius="fc"), "the setting radius is 'fc'"),
        (lambda body: body["groups"][0]["cell"]["settings"].update(radius="fc"), "the setting radius is 'fc'"),
        (lambda body: body["groups"][0]["cell"]["settings"].update(draws=True), "the setting draws is True"),
        (lambda body: body["groups"][0]["cell"]["params"].update(alpha=[None]), "at `$.cell.params[...]`"),
        (lambda body: body["groups"][0]["cell"].update(precision="fc"), "the precision 'fc'"),
        (lambda body: a_result(body).update(message="\ud800"), "with markup or invisible characters"),
        (lambda body: a_result(body).update(device="\ud800"), "with markup or invisible characters"),
        (lambda body: a_result(body).update(seconds=-1), "at `$.seconds`"),
        (lambda body: a_result(body).update(n_probes=2**63), "at `$.n_probes`"),
        (lambda body: a_result(body).update(n_parameters=-1), "at `$.n_parameters`"),
        (lambda body: a_result(body)["values"].update(gradient_norm=[-5, None, "", None]), "cannot be negative"),
        (lambda body: a_result(body)["values"].update(gradient_norm=[5, -1, "exact", None]), "cannot be negative"),
    ],
)
def test_what_no_run_writes_is_rejected_by_name_and_can_be_withdrawn(boards, tmp_path, capsys, change, says):
    path, first = edited(boards, change), boards / "submissions/first.json"
    assert main(["leaderboard", "verify", str(path), "--cells", "0"]) == 1
    assert says in capsys.readouterr().out
    for words in (
        ["build", "--boards", str(boards)],
        ["site", str(boards), "-o", str(tmp_path / "site")],
        ["diff", str(first), str(path)],
    ):
        assert main(["leaderboard", *words]) == 2, words
        said = capsys.readouterr().err
        assert f"{path} is rejected: " in said and says in said
        assert words[0] == "diff" or f"ntkbench leaderboard withdraw {path}" in said
    assert not (boards / "v1").exists() and not (tmp_path / "site").exists()
    assert withdraw(boards, path) == 0
    assert [receipt.name for receipt in load_board(boards)[0]] == ["first"]


def test_a_quantity_without_its_companions_has_none(boards):
    def change(body):
        body["plan"]["quantities"]["hessian"][0].pop("comes_with")

    edited(boards, change)
    assert [receipt.name for receipt in load_board(boards)[0]] == ["edited"]


@pytest.mark.parametrize("broken", ["verdict", "figure_bytes"])
def test_an_unexpected_error_names_its_receipt_and_writes_nothing(tmp_path, capsys, monkeypatch, broken):
    from ntkbench.leaderboard import build as module

    real = getattr(module, broken)

    def fails(of, *others):
        one = of[0] if broken == "figure_bytes" else of.results[0]
        if one.cell.label == "odd":
            raise IndexError("no such law")
        return real(of, *others)

    boards = tmp_path / "boards"
    for name, label in (("first", "fc"), ("second", "odd")):
        submitted(boards, name, sweep(label, widths=(64, 128), seeds=2))
    monkeypatch.setattr(module, broken, fails)
    assert main(["leaderboard", "build", "--boards", str(boards)]) == 2
    said = capsys.readouterr().err
    assert "second.json is rejected: no board can be built from it (IndexError" in said and "withdraw" in said
    assert not (boards / "v1").exists()
    if broken == "verdict":
        assert main(["leaderboard", "site", str(boards), "-o", str(tmp_path / "site")]) == 2
        assert "second.json is rejected" in capsys.readouterr().err and not (tmp_path / "site").exists()
        assert main(["leaderboard", "diff", *(str(boards / f"submissions/{n}.json") for n in ("first", "second"))]) == 2
        assert "second.json is rejected" in capsys.readouterr().err


def test_the_board_without_a_receipt_is_empty(boards):
    build(boards)
    assert len(rows(boards)) == 2
    assert withdraw(boards, boards / "submissions/first.json") == 0
    build(boards)
    assert rows(boards) == [] and "There is no valid receipt" in text(boards) and "a fault" in text(boards)
    assert not list((boards / "v1").glob("*.svg"))


def test_the_picture_of_a_deleted_receipt_goes(boards):
    submitted(boards, "second", sweep("cnn"))
    build(boards)
    (boards / "submissions/second.json").unlink()
    build(boards)
    assert {path.name for path in (boards / "v1").glob("*.svg")} == {"first.svg"}


def test_a_receipt_without_a_picture_stops_nobody(boards):
    zero = [evolve(each, values=dict.fromkeys(each.values, Value(0.0))) for each in sweep("zero")]
    submitted(boards, "flat", zero)
    notes = []
    build(boards, notes.append)
    assert len(notes) == 1 and notes[0].startswith("flat has no picture: There is nothing to draw")
    assert len(rows(boards)) == 3 and notes[0] in text(boards) and "(flat.svg)" not in text(boards)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"ntkbench": "0.0.9"}, "it was measured with ntkbench 0.0.9, the other rows with 0.1"),
        ({"ntkbench": "9.0.0"}, "it was written by ntkbench 9.0.0, this is "),
        ({"rules": 2, "surplus": "unknown here"}, "it follows rules 2"),
        ({"schema_version": 7}, "schema 7"),
    ],
)
def test_a_receipt_of_another_version_is_left_out_and_can_be_withdrawn(boards, capsys, words, reason):
    path = other(boards, "old", **words)
    assert main(["leaderboard", "build", "--boards", str(boards)]) == 0
    said = capsys.readouterr().err
    assert "old is left out: " in said and reason in said and reason in text(boards) and len(rows(boards)) == 2
    assert withdraw(boards, path) == 0
    assert load_board(boards)[2] == [] and len(load_board(boards)[0]) == 1


def test_a_board_of_an_earlier_version_alone_stays(boards):
    """The first release of a new version must not empty the board."""
    other(boards, "old", ntkbench="0.0.9")
    (boards / "submissions/first.json").unlink()
    build(boards)
    assert len(rows(boards)) == 2 and {row["submission"] for row in rows(boards)} == {"old"}


def test_an_earlier_version_is_read_by_verify_and_diff(boards, capsys):
    path = other(boards, "old", ntkbench="0.0.9")
    assert main(["leaderboard", "diff", str(path), str(boards / "submissions/first.json")]) == 0
    assert main(["leaderboard", "verify", str(path), "--cells", "0"]) == 0
    assert "is intact" in capsys.readouterr().out
    assert main(["leaderboard", "verify", str(path)]) == 2
    assert "ntkbench 0.0.9 wrote it" in capsys.readouterr().err


def test_an_edited_receipt_is_named_and_can_be_withdrawn_without_the_honest_one(boards):
    forged = other(boards, "forged", renew=False)
    honest = load_receipt(boards / "submissions/first.json")
    assert json.loads(forged.read_text("utf-8"))["hash"] == honest.hash == hash_of_file(
        boards / "submissions/first.json"
    )  # fmt: skip
    with pytest.raises(NtkbenchError, match="the file was changed.*ntkbench leaderboard withdraw"):
        build(boards)
    assert withdraw(boards, forged) == 0
    build(boards)
    assert len(rows(boards)) == 2


@pytest.mark.parametrize(
    "damage", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b'{"a": 1, "a": 2}', b'"\\ud800"', b"[NaN]"]
)
def test_what_is_no_receipt_can_be_withdrawn(boards, damage):
    path = boards / "submissions/broken.json"
    path.write_bytes(damage)
    assert withdraw(boards, path) == 0
    build(boards)
    assert len(rows(boards)) == 2


def test_a_file_that_is_too_large_can_be_withdrawn(boards, monkeypatch):
    (boards / "submissions/large.json").write_bytes(b" " * 2000)
    before = load_receipt(boards / "submissions/first.json")
    monkeypatch.setattr("ntkbench.leaderboard.receipt.LARGEST_FILE", 1999)
    with pytest.raises(NtkbenchError, match="it is larger than"):
        load_receipt(boards / "submissions/large.json")
    assert withdraw(boards, boards / "submissions/large.json") == 0
    monkeypatch.undo()
    assert [each.hash for each in load_board(boards)[0]] == [before.hash]


def test_a_run_is_submitted_once(boards, capsys):
    words = ["leaderboard", "submit", str(boards / "run-first"), "--boards", str(boards), "--name"]
    assert main([*words, "second"]) == 2
    assert "holds every cell of" in capsys.readouterr().err and not (boards / "submissions/second.json").exists()
    stored(boards / "part", sweep("fc"))
    assert main(["leaderboard", "submit", str(boards / "part"), "--boards", str(boards), "--name", "part"]) == 2
    stored(boards / "own", sweep("fc", noise=0.2))
    assert main(["leaderboard", "submit", str(boards / "own"), "--boards", str(boards), "--name", "own"]) == 0
    assert withdraw(boards, boards / "submissions/first.json") == 0
    assert main([*words, "second"]) == 0, "the first one does not stand any more"


def test_a_run_of_another_version_is_not_submitted(boards, capsys):
    run = stored(boards / "old", sweep("fc", measurement_version="0.0.9"))
    assert main(["leaderboard", "submit", str(run.path), "--boards", str(boards), "--name", "old"]) == 2
    assert "was measured with ntkbench 0.0.9, and this is" in capsys.readouterr().err


def test_a_receipt_with_other_line_endings_is_the_same(boards, capsys):
    path = boards / "submissions/first.json"
    changed = path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(changed)
    run = str(boards / "run-first")
    assert main(["leaderboard", "submit", run, "--boards", str(boards), "--name", "first"]) == 0
    assert path.read_bytes() == changed and load_board(boards)[0][0].name == "first"
    (boards / "submissions/folder.json").mkdir()
    assert main(["leaderboard", "submit", run, "--boards", str(boards), "--name", "folder"]) == 2
    assert "folder.json could not be read: Is a directory" in capsys.readouterr().err


def test_a_copy_is_deleted_and_not_withdrawn_with_the_receipt(boards, capsys):
    first = boards / "submissions/first.json"
    (boards / "submissions/first (1).json").write_bytes(first.read_bytes())
    assert main(["leaderboard", "build", "--boards", str(boards)]) == 2
    said = capsys.readouterr().err
    assert f"must be named first.json. It is a copy of {first}; delete it." in said and "withdraw" not in said


def test_a_record_goes_to_the_board_of_its_receipt(boards, monkeypatch, capsys):
    monkeypatch.chdir(boards)
    words = ["leaderboard", "withdraw", "submissions/first.json", "--by", "Ada", "--why", "a fault"]
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("records/withdrawal-") and load_board(boards)[0] == []
    monkeypatch.chdir(boards / "submissions")
    assert main([*words[:2], "first.json", *words[3:]]) == 0
    assert len(read_records(boards)) == 2 and not (boards / "leaderboards").exists()


@pytest.mark.parametrize("name", ["v1", "v1/board.md"])
def test_a_link_in_place_of_the_board_is_not_followed(boards, tmp_path, capsys, name):
    target = tmp_path / "mine"
    (boards / name).parent.mkdir(exist_ok=True)
    (boards / name).symlink_to(target)
    assert main(["leaderboard", "build", "--boards", str(boards)]) == 2
    assert f"{boards / name} is a link" in capsys.readouterr().err and not target.exists()


def test_a_second_receipt_of_a_run_is_left_out(boards):
    other(boards, "second")
    build(boards)
    assert len(rows(boards)) == 2 and "second is left out: it is the same run as first" in text(boards)
    submitted(boards, "third", [*sweep("fc"), *sweep("cnn")])
    build(boards)
    assert "third and first share" in text(boards) and len(rows(boards)) == 4


def test_a_receipt_without_a_judged_quantity_has_its_row(boards):
    only = [each for each in sweep("net") if each.cell.measurement == "hessian"]
    submitted(boards, "only", only)
    build(boards)
    row = next(row for row in rows(boards) if row["label"] == "net")
    assert row["verdict"] == "open" and row["reason"] == "no quantity that is judged has a value"


def test_a_row_counts_its_own_cells_that_were_run_again(boards):
    receipt = load_board(boards)[0][0]
    keys = [each.cell.key for each in receipt.results if each.cell.label == "fc"][:3]
    words = {"kind": "verification", "receipt": receipt.hash, "why": "again"}
    for _ in range(2):
        write_record(boards, new_record(by="Ada", cells=3, agreed=3, rerun=keys, **words))
    write_record(boards, new_record(by="Bob", cells=8, agreed=8, **words))
    assert len(read_records(boards)) == 3, "equal re-runs are records of their own"
    build(boards)
    counts = {row["label"]: (row["verified_cells"], row["verified_by"]) for row in rows(boards)}
    assert counts == {"fc": ("3", "Ada"), "bent": ("0", "")}, "a cell that was rerun twice is one cell"
    assert "first was run again: " in text(boards) and "8 cells by Bob" in text(boards)
    assert "does not say which" in text(boards)
    with pytest.raises(NtkbenchError, match="reports 2 re-run cells but names 3"):
        new_record(by="Ada", cells=2, agreed=2, rerun=keys, **words)


@pytest.mark.parametrize(
    "words", [["--cells", "0", "--by", "Ada"], ["--by", "a|b"], ["--by", ""], ["--by", "  "], ["--by", "a\nb"]]
)
def test_a_wrong_by_is_refused_before_anything_is_run(boards, capsys, monkeypatch, words):
    monkeypatch.setattr("ntkbench.leaderboard.verify.rerun", lambda *_: pytest.fail("cells were run"))
    monkeypatch.setattr("ntkbench.leaderboard.verify.data_problems", lambda *_: [])
    monkeypatch.setattr("ntkbench.leaderboard.verify.plan_problems", lambda *_: [])
    path = str(boards / "submissions/first.json")
    assert main(["leaderboard", "verify", path, *words, "--boards", str(boards)]) == 2
    assert "by" in capsys.readouterr().err and not (boards / "records").exists()


@pytest.mark.parametrize("name", ["nul", "con", "aux.2026", "com1", "lpt9.x"])
def test_names_of_devices_are_refused(boards, tmp_path, name):
    run = stored(tmp_path / "fine", sweep("fc"))
    with pytest.raises(NtkbenchError, match="Windows reserves it"):
        write_receipt(run, name)
    assert write_receipt(run, f"{name[:3]}sole")


def test_records_of_the_old_form_are_read(boards):
    (boards / "records").mkdir()
    old = {"agreed": 2, "by": "x", "cells": 2, "date": "2026-11-25", "kind": "verification", "replaced_by": ""}
    (boards / "records/a.json").write_text(json.dumps(old | {"receipt": "0" * 64, "why": "again"}))
    record = read_records(boards)[0]
    assert record.rerun == () and record.time == ""

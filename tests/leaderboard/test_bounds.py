"""Numbers outside the bounds of their quantity are named when a run is submitted and when a board is built."""

from __future__ import annotations

import json
from types import SimpleNamespace

import factories
import pytest
from attrs import evolve

from ntkbench.cli.main import main
from ntkbench.leaderboard.bounds import bound_problems
from ntkbench.leaderboard.receipt import Receipt, _hash, write_receipt
from ntkbench.registry.current import registry
from ntkbench.registry.specs import Measurement
from ntkbench.types import Curve, CurveSpec, Quantity, Value


def shares(value, **changes):
    cell = factories.cell(measurement="ball", quantities=("kernel_change_worst", "kink_share"), **changes)
    return factories.result(cell, values={"kernel_change_worst": Value(0.1), "kink_share": Value(value)})


def problems(*results, version="0.1.0", known=None):
    return bound_problems(Receipt("small", "0" * 64, {}, {}, results, version), known or registry())


def test_a_value_outside_its_bounds_is_named_once():
    assert problems(shares(0.5), shares(1.0), shares(0.0), shares(None)) == []
    assert problems(shares(0.5), shares(-0.5, seed=1), shares(-2.0, seed=2), shares(-3.0, label="other")) == [
        "kink_share of fc at width 64, seed 1, is -0.5, outside its bounds [0, inf]",
        "kink_share of other at width 64, seed 0, is -3, outside its bounds [0, inf]",
    ]
    assert problems(shares(2.0), version="0.0.9") == [], "another version may have other bounds"
    assert problems(shares(-2.0, measurement_plugin="acme"))[0].startswith("kink_share of fc"), "the name is built-in"


def test_numbers_per_variable_and_curves_have_the_bounds_of_their_declaration():
    acme = Measurement(
        name="acme",
        target="acme:measure",
        distribution="ntkbench-acme",
        version="2.3.4",
        quantities=(Quantity("part", "p", bounds=(0.0, 1.0), per="variable"),),
        curves=(CurveSpec("path", "y", bounds=(0.0, 1.0)),),
    )
    known = SimpleNamespace(measurements={"acme": acme})
    cell = factories.cell(measurement="acme", measurement_plugin="ntkbench-acme", measurement_version="2.3.0")
    bad = factories.result(
        cell, values={"part:readout": Value(1.5)}, curves={"path": Curve((1, 2, 3), (0.5, 2.0, 4.0))}
    )
    assert problems(bad, known=known) == [
        "part of fc at width 64, seed 0, is 1.5, outside its bounds [0, 1]",
        "path of fc at width 64, seed 0, is 2 at 2, outside its bounds [0, 1]",
    ]
    assert problems(evolve(bad, cell=evolve(cell, measurement_version="2.4.0")), known=known) == []


@pytest.fixture
def boards(tmp_path):
    data = write_receipt(factories.stored(tmp_path / "run", [shares(0.5)]), "small")
    (tmp_path / "boards/submissions").mkdir(parents=True)
    (tmp_path / "boards/submissions/small.json").write_bytes(data)
    return tmp_path / "boards"


def test_a_run_with_such_a_value_is_not_submitted(tmp_path, capsys):
    run = factories.stored(tmp_path / "run", [shares(-1.5)])
    assert main(["leaderboard", "submit", str(run.path), "--name", "small", "--boards", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "cannot be submitted as small: kink_share of fc at width 64, seed 0, is -1.5, outside its bounds" in said
    assert not (tmp_path / "submissions").exists()


@pytest.mark.parametrize("words", [["build", "--boards"], ["site", "-o", "site"]])
def test_no_board_is_built_from_an_edited_one(boards, capsys, monkeypatch, words):
    monkeypatch.chdir(boards.parent)
    path = boards / "submissions/small.json"
    body = json.loads(path.read_text())
    body["groups"][0]["results"][0]["values"]["kink_share"][0] = -1.5
    body["hash"] = _hash({key: value for key, value in body.items() if key != "hash"})
    path.write_text(json.dumps(body))
    assert main(["leaderboard", *words, str(boards)]) == 2
    said = capsys.readouterr().err
    assert f"{path} is rejected: kink_share of fc at width 64, seed 0, is -1.5, outside its bounds [0, inf]." in said
    assert f"withdraw it: `ntkbench leaderboard withdraw {path}" in said and not (boards / "v1").exists()

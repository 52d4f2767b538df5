"""What `ntkbench list` shows."""

from __future__ import annotations

import json

import pytest

from ntkbench.cli.list import LISTED
from ntkbench.cli.main import main


@pytest.mark.parametrize("kind", LISTED)
def test_every_list_fits_100_columns(capsys, kind):
    assert main(["list", kind]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert max(map(len, lines)) <= 100


def test_architectures_as_json(capsys):
    assert main(["list", "--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    fc = found["fc"]
    assert {"name", "summary", "distribution", "version", "params", "theory"} <= set(fc)
    assert fc["distribution"] == "ntkbench"
    assert fc["theory"]["hessian_norm"]["exponent"] == -0.5
    assert fc["theory"]["hessian_norm"]["source"]


def test_families_pairs_and_priorities_as_json(capsys):
    assert main(["list", "--json", "--family", "attention"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert {"attention", "mlp-mixer"} <= set(found) and "fc" not in found
    attention = found["attention"]
    assert attention["family"] == "attention" and {"heads": "grow"} in attention["priority"]["A"]
    rows = {row["label"]: row for row in attention["rows"]}
    assert rows["attention:heads=grow"]["pair"] == "attention" and rows["attention:heads=16"]["priority"] == "B"
    assert rows["attention"]["theory"]["hessian_norm"]["exponent"] == 0
    assert rows["attention:heads=grow"]["theory"]["hessian_norm"]["exponent"] == -0.5


@pytest.mark.parametrize(
    ("words", "expected", "absent"),
    [
        (["--family", "attention"], ["attention:heads=grow", "attention:heads=16", "mlp-mixer"], "fc"),
        (["--priority", "B"], ["attention:heads=16", "densenet"], "attention:heads=grow"),
        (["--family", "attention", "--priority", "B"], ["attention:heads=16"], "densenet"),
    ],
)
def test_rows_by_family_and_priority(capsys, words, expected, absent):
    assert main(["list", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = {word for line in lines for word in line.split()}
    assert set(expected) <= found and absent not in found
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--family", "dens"], "Did you mean 'dense'?"),
        (["--priority", "Z"], "Known: A, B, C."),
        (["datasets", "--family", "dense"], "select architectures, but datasets are to be listed"),
    ],
)
def test_rows_that_there_are_not(capsys, words, message):
    assert main(["list", *words]) == 2
    assert message in capsys.readouterr().err


def test_measurements_as_json(capsys):
    assert main(["list", "measurements", "--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert {quantity["key"] for quantity in found["hessian"]["quantities"]} >= {"hessian_norm", "hessian_norm:max"}


def test_theory_depends_on_parameters(capsys):
    assert main(["list", "--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    neck = found["fc-bottleneck"]
    assert neck["depends_on_params"] == ["theory", "pair"] and set(neck["theory_of_variants"]) == {
        "fc-bottleneck:k=1",
        "fc-bottleneck:k=4",
    }
    assert neck["theory_of_variants"]["fc-bottleneck:k=4"]["hessian_norm"]["from_width"] == 32
    assert found["rnn"]["theory"]["kernel_change_worst"]["kind"] == "upper bound"

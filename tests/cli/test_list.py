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


def test_measurements_as_json(capsys):
    assert main(["list", "measurements", "--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert {quantity["key"] for quantity in found["hessian"]["quantities"]} >= {"hessian_norm", "hessian_norm:max"}


def test_theory_depends_on_parameters(capsys):
    assert main(["list", "--json"]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    neck = found["fc-bottleneck"]
    assert neck["depends_on_params"] == ["theory"] and set(neck["theory_of_variants"]) == {
        "fc-bottleneck:k=1",
        "fc-bottleneck:k=4",
    }
    assert neck["theory_of_variants"]["fc-bottleneck:k=4"]["hessian_norm"]["from_width"] == 32
    assert found["rnn"]["theory"]["kernel_change_worst"]["kind"] == "upper bound"

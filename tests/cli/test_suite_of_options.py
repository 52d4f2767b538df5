"""A suite that is the options of one run: it runs, prints the table, and its mistakes are sentences."""

from __future__ import annotations

import json

import pytest

from ntkbench.cli.main import main
from ntkbench.errors import NtkbenchError
from ntkbench.plan.suite import load_suite
from ntkbench.registry.current import registry

OPTIONS = {"arch": ["fc:depth=1"], "widths": [8, 16], "seeds": 1, "probes": 4, "measure": ["hessian_norm"]}


@pytest.fixture
def register(monkeypatch):
    def add(found):
        monkeypatch.setitem(registry()._entries, "suites", dict(registry().suites))
        registry().register("suites", "mini", lambda: found, distribution="tests", summary="a small suite")

    return add


def test_it_runs_and_prints_the_table_of_its_run(register, tmp_path, capsys):
    register(OPTIONS)
    out = str(tmp_path / "run")
    assert main(["run", "--suite", "mini", "--out", out, "--quiet", "--executor", "serial", "--json"]) == 0
    of_suite = capsys.readouterr().out
    assert main(["table", out, "--json"]) == 0
    assert json.loads(of_suite) == json.loads(capsys.readouterr().out)
    words = ["run", "--out", out, "--quiet", "--executor", "serial", "--arch", "fc:depth=1", "--widths", "8,16"]
    assert main([*words, "--seeds", "1", "--probes", "4", "--measure", "hessian_norm"]) == 0  # the same two cells
    assert len(list((tmp_path / "run" / "cells").iterdir())) == 2


def test_its_dry_run_is_that_of_the_run(register, capsys):
    register(OPTIONS)
    assert main(["run", "--suite", "mini", "--dry-run", "--json"]) == 0
    (predicted,) = json.loads(capsys.readouterr().out)
    assert predicted["cells"] == 2


def test_a_suite_of_claims_has_a_dry_run_in_json(capsys):
    assert main(["run", "--suite", "liu2020", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["claims"] > 0


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({**OPTIONS, "widhts": [8]}, "Did you mean 'widths'"),
        ({**OPTIONS, "device": "cpu"}, "'device', which only the command line may set"),
        ({**OPTIONS, "seeds": 0}, "In the suite mini"),
        ({**OPTIONS, "order": ["fc"]}, "an order but no quantity"),
        ({**OPTIONS, "compair": "hessian_norm"}, "Did you mean 'compare'"),
        ({}, "has no claims"),
    ],
)
def test_a_mistake_is_a_sentence_that_names_the_suite(register, found, message):
    register(found)
    with pytest.raises(NtkbenchError, match="mini") as error:
        load_suite("mini", registry())
    assert message in str(error.value)


def test_it_can_compare_methods_and_put_the_order_of_a_source_beside_theirs(register, tmp_path, capsys):
    order = {"compare": "hessian_norm", "order": ["linear", "fc:depth=1", "other"], "source": "a paper"}
    register({**OPTIONS, **order, "arch": ["fc:depth=1", "linear"], "widths": [8], "dataset": ["digits", "gaussian"]})
    command = ["run", "--suite", "mini", "--out", str(tmp_path / "run"), "--quiet", "--executor", "serial"]
    assert main(command) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Order in the source: linear, fc:depth=1, other (a paper). Order found: linear, fc:depth=1." in text
    assert "lower is better · 2 datasets" in text
    assert main([*command, "--json"]) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert (settings["order_of_source"], settings["source"]) == (order["order"], "a paper")

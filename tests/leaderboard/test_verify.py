"""Verification: an honest receipt is accepted; every kind of tampering is rejected, with its reason."""

from __future__ import annotations

import json
import shutil
import sys

import factories
import pytest
from attrs import evolve

import ntkbench as nb
from ntkbench.cli.main import main
from ntkbench.leaderboard.receipt import _hash
from ntkbench.leaderboard.verify import _problem
from ntkbench.registry.current import registry, use
from ntkbench.registry.specs import Architecture
from ntkbench.types import Value


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """The receipt of a small real run."""
    folder = tmp_path_factory.mktemp("boards")
    run = nb.run(
        ["fc:depth=1", "linear"],
        widths=[8, 16],
        seeds=2,
        probes=3,
        measure=["gradient_norm", "hessian_norm", "kernel_change_gd"],
        out=folder / "run",
        device="cpu",
    )
    assert main(["leaderboard", "submit", str(run.path), "--name", "small", "--boards", str(folder)]) == 0
    return folder / "submissions/small.json"


@pytest.fixture
def verify(honest, tmp_path, capsys):
    """Return the function that verifies a changed copy: its exit code and what was said."""

    def call(change=None, *words, text=None, name="small.json", renew=True):
        body = json.loads(honest.read_text())
        if change is not None:
            body = change(body) or body
        if renew:
            body["hash"] = _hash({key: value for key, value in body.items() if key != "hash"})
        path = tmp_path / name
        path.write_text(json.dumps(body) if text is None else text(honest.read_text()), encoding="utf-8")
        code = main(["leaderboard", "verify", str(path), "--boards", str(tmp_path), *(words or ("--cells", "0"))])
        return code, capsys.readouterr().out

    return call


def cell_of(body, measurement="hessian", label="fc:depth=1"):
    group = next(g for g in body["groups"] if g["cell"]["measurement"] == measurement and g["label"] == label)
    return group["results"]


def test_an_honest_receipt_is_accepted_by_another_run(verify, tmp_path):
    code, out = verify(None, "--cells", "all", "--by", "Ada", renew=False)
    assert code == 0 and out.count(": agrees") == 24 and "is accepted: all 24 cells are valid; 24 were rerun" in out
    record = json.loads(next((tmp_path / "records").iterdir()).read_text())
    assert (record["kind"], record["by"], record["cells"], record["agreed"]) == ("verification", "Ada", 24, 24)


def test_an_edited_value_whose_hash_was_renewed_fails_when_its_cell_is_run(verify):
    def edit(body):
        for result in cell_of(body):
            result["values"]["hessian_norm"][0] *= 1.01

    code, out = verify(edit, "--cells", "all")
    assert code == 1 and "hessian_norm is" in out and "in the receipt and" in out


def test_what_a_receipt_claims_of_its_own_errors_does_not_help():
    from ntkbench.leaderboard.verify import _allowed
    from ntkbench.types import Value

    cell = factories.cell(measurement="hessian")
    honest, again = Value(1.0, 1e-4, "bound"), Value(1.0, 1e-4, "bound")
    assert _allowed(cell, "hessian_norm", honest, again) == pytest.approx(1e-3)
    assert _allowed(cell, "hessian_norm", Value(1.5, 1e6, "bound"), again) < 0.5
    assert _allowed(cell, "hessian_norm", Value(1.0, 0.05, "statistical"), again) == pytest.approx(1e-3)
    assert _allowed(factories.cell(measurement="gd"), "steps", honest, again) == pytest.approx(0.05)


def swap_seeds(body):
    first, second = cell_of(body)[:2]
    first["seed"], second["seed"] = second["seed"], first["seed"]


def swap_every_seed(body):
    for group in body["groups"]:
        for result in group["results"]:
            result["seed"] = 1 - result["seed"]


def edit_value(body):
    cell_of(body)[0]["values"]["hessian_norm"][0] *= 1.001


def swap_seeds_of_a_measurement(body):
    for group in body["groups"]:
        for result in group["results"] if group["cell"]["measurement"] == "hessian" else ():
            result["seed"] = 1 - result["seed"]


def rename(before, after):
    def change(body):
        for group in body["groups"]:
            group["label"] = after if group["label"] == before else group["label"]
        body["plan"]["theory"][after] = body["plan"]["theory"].pop(before)

    return change


def set_cells(**words):
    return lambda body: [group["cell"].update(words) for group in body["groups"] if group["label"] == "linear"]


def edit_label(body):
    body["groups"][0]["label"] = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("change", "renew", "reason"),
    [
        (edit_value, False, "its hash does not match its contents"),
        (lambda body: body.update(hash="0" * 64), False, "its hash does not match its contents"),
        (swap_seeds, True, "so seeds were swapped"),
        (swap_every_seed, True, "are not those that the seed gives here"),
        (lambda body: cell_of(body).pop(), True, "1 cells of its widths × seeds × measurements are missing"),
        (lambda body: cell_of(body).append(cell_of(body)[0]), True, " twice."),
        (lambda body: body.update(ntkbench="9.9.0"), True, "only rows of one version are comparable"),
        (lambda body: body.update(rules=2), True, "it follows rules 2"),
        (lambda body: cell_of(body)[0]["values"]["hessian_norm"].__setitem__(0, 1e300), True, "exceeds 1e+100"),
        (lambda body: cell_of(body)[0].update(seconds=10**400), True, "exceeds 1e+100"),
        (edit_label, True, "with markup or invisible characters"),
        (lambda body: body["environment"].update(cpu="a\u202eb"), True, "with markup or invisible characters"),
        (lambda body: body.update(name="../../small"), True, "is invalid: use lowercase letters"),
        (lambda body: body["environment"].update(cpu="../../etc/passwd"), True, "a path with '..'"),
        (lambda body: body.update(surplus=1), True, "missing or not allowed in the receipt"),
        (lambda body: body["groups"][0]["cell"].pop("precision"), True, "missing required field `precision`"),
        (lambda body: cell_of(body)[0].update(status="fine"), True, "Invalid enum value 'fine' - at `$.status`"),
        (lambda body: cell_of(body)[0]["values"].update(other=[1.0, None, "", None]), True, "quantities that it names"),
        (
            lambda body: cell_of(body, "gd")[0]["values"].update(linearization_error_gd=[0.0, None, "", ""]),
            True,
            "quantities that it names",
        ),
        (lambda body: body["groups"][0]["cell"].update(source_hash="ab"), True, "which others cannot run"),
        (swap_seeds_of_a_measurement, True, "the data of one seed under two, so seeds were swapped"),
        (rename("linear", "resnet"), True, "resnet is the label of cells of the architecture 'linear'"),
        (rename("fc:depth=1", "fc:depth=9"), True, "the cells that are called fc:depth=9 are of fc:activation=tanh"),
        (rename("fc:depth=1", "fc"), True, "the cells that are called fc are of fc:activation=tanh"),
        (set_cells(units="init"), True, "linear was not measured in the coordinates that linear declares"),
        (set_cells(dataset="gaussian"), True, "it has cells on 2 datasets (digits, gaussian), but a receipt has one"),
    ],
)  # fmt: skip
def test_tampering_is_rejected_with_its_reason(verify, change, renew, reason):
    code, out = verify(change and (lambda body: change(body) and None), renew=renew)
    assert code == 1 and reason in out and "is rejected: " in out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (lambda text: text.replace('"rules":1', '"rules":NaN'), "it contains NaN, which is not a number"),
        (lambda text: text.replace('"rules":1', '"rules":1,"rules":1'), "contains the key 'rules' twice"),
        (lambda text: text[:-10], "it is not JSON"),
        (lambda text: "[" * 100_000, "it is not JSON"),
        (lambda text: "[]", "it is not a JSON object"),
    ],
)
def test_what_is_no_sound_json_is_rejected(verify, text, reason):
    code, out = verify(text=text)
    assert code == 1 and reason in out


def renamed(body, **words):
    for group in body["groups"]:
        if group["cell"]["architecture"] == "fc":
            group["cell"] |= words
            group["label"] = group["label"].replace("fc", group["cell"]["architecture"])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"architecture": "wavy", "architecture_plugin": "ntkbench-wavy"}, "the architecture wavy of ntkbench-wavy"),
        ({"architecture_plugin": "ntkbench-wavy"}, "fc belongs to ntkbench-wavy in the receipt, but to ntkbench here"),
        ({"architecture_version": "7.0"}, "fc belongs to ntkbench 7.0 in the receipt"),
    ],
)  # fmt: skip
def test_cells_of_what_is_not_installed_are_not_run(honest, tmp_path, capsys, words, reason):
    body = json.loads(honest.read_text())
    renamed(body, **words)
    body["hash"] = _hash({key: value for key, value in body.items() if key != "hash"})
    (tmp_path / "small.json").write_text(json.dumps(body))
    assert main(["leaderboard", "verify", str(tmp_path / "small.json"), "--cells", "all"]) == 2
    assert reason in capsys.readouterr().err


def agreeable(body):
    body["plan"]["theory"]["fc:depth=1"]["hessian_norm"]["exponent"] = -0.4


def silent(body):
    del body["plan"]["theory"]["fc:depth=1"]


def upside_down(body):
    body["plan"]["quantities"]["hessian"][0]["direction"] = "higher"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (agreeable, "the theory of fc:depth=1 differs from the one that ntkbench registers here"),
        (silent, "the theory of fc:depth=1 differs"),
        (upside_down, "the quantities of hessian differ from those that ntkbench registers here"),
    ],
)
def test_an_edited_plan_is_rejected(verify, change, reason):
    code, out = verify(change)
    assert code == 1 and reason in out


def test_a_file_of_another_name_is_rejected(verify, honest, tmp_path, capsys):
    assert "must be named small.json" in verify(None, name="other.json", renew=False)[1]
    assert main(["leaderboard", "verify", str(tmp_path / "none.json")]) == 2
    assert main(["leaderboard", "verify", str(honest), "--cells", "some"]) == 2
    capsys.readouterr()
    shutil.copy(honest, tmp_path / "small.json")
    draws = [["leaderboard", "verify", str(tmp_path / "small.json"), "--cells", "1", "--seed", "4"]] * 2
    said = []
    for words in draws:
        assert main(words) == 0
        said.append(capsys.readouterr().out.splitlines()[0])
    assert said[0] == said[1]


def widen(body):
    for group in body["groups"]:
        group["cell"]["width"] *= 100_000


def deepen(body):
    for group in body["groups"]:
        group["cell"]["params"] |= {"depth": 10**6} if "depth" in group["cell"]["params"] else {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (widen, "cannot be rerun: the maximum width is"),
        (lambda body: [g["cell"]["settings"].update(max_steps=10**9) for g in body["groups"]], "the maximum is 10000"),
        (deepen, "is out of bounds"),
        (lambda body: [g["cell"]["settings"].update(n_probes=10**12) for g in body["groups"]], "the maximum is 256"),
        (lambda body: [g["cell"].update(numerics_version=2) for g in body["groups"]], "has the numerics version 2 in"),
    ],
)  # fmt: skip
def test_what_would_overwhelm_a_reader_is_not_run(honest, tmp_path, capsys, change, reason):
    body = json.loads(honest.read_text())
    change(body)
    body["hash"] = _hash({key: value for key, value in body.items() if key != "hash"})
    (tmp_path / "small.json").write_text(json.dumps(body))
    assert main(["leaderboard", "verify", str(tmp_path / "small.json"), "--cells", "all"]) == 2
    assert reason in capsys.readouterr().err


def test_numbers_per_variable_are_received_and_run_again(tmp_path, capsys):
    run = nb.run("fc:depth=1", widths=[8, 16], seeds=2, probes=3, measure="bend", out=tmp_path / "run", device="cpu")
    assert main(["leaderboard", "submit", str(run.path), "--name", "bent", "--boards", str(tmp_path)]) == 0
    path = tmp_path / "submissions/bent.json"
    assert main(["leaderboard", "verify", str(path), "--boards", str(tmp_path), "--cells", "all"]) == 0
    assert capsys.readouterr().out.count(": agrees") == 4

    body = json.loads(path.read_text())
    values = body["groups"][0]["results"][0]["values"]
    values["bend_share:readout/kernel"][0] *= 1.1
    values["gradient_norm:readout/kernel"] = values["kernel_slope"]
    for reason in ("does not contain the quantities that it names", "bend_share:readout/kernel is"):
        body["hash"] = _hash({key: value for key, value in body.items() if key != "hash"})
        path.write_text(json.dumps(body))
        assert main(["leaderboard", "verify", str(path), "--boards", str(tmp_path), "--cells", "all"]) != 0
        said = capsys.readouterr()
        assert reason in said.out + said.err
        values.pop("gradient_norm:readout/kernel", None)


def test_a_run_on_tasks_is_received_and_its_data_are_those_of_the_task(tmp_path, capsys):
    measure = ["task", "gradient_norm"]
    run = nb.run("fc:depth=1", widths=[4], seeds=2, probes=2, measure=measure, out=tmp_path / "run", device="cpu")
    assert main(["leaderboard", "submit", str(run.path), "--name", "task", "--boards", str(tmp_path)]) == 0
    path = tmp_path / "submissions/task.json"
    assert main(["leaderboard", "verify", str(path), "--cells", "0"]) == 0
    body = json.loads(path.read_text())
    for result in cell_of(body, "task"):
        result["data_hash"] = result["data_hash"][::-1]
    body["hash"] = _hash({key: value for key, value in body.items() if key != "hash"})
    path.write_text(json.dumps(body))
    capsys.readouterr()
    assert main(["leaderboard", "verify", str(path), "--cells", "0"]) == 1
    assert "seed 1 are not those that the seed gives here" in capsys.readouterr().out


def test_sizes_that_a_receipt_makes_up_are_a_disagreement():
    honest = factories.result()
    assert _problem(honest, honest) == ""
    assert "it has 9 parameters in the receipt and 8321 here" in _problem(evolve(honest, n_parameters=9), honest)
    assert "it has 9 probes in the receipt and 8 here" in _problem(evolve(honest, n_probes=9), honest)


@pytest.mark.parametrize("worse", [0.4, 0.39999])
def test_a_search_gain_is_compared_by_the_ratio_it_stands_for(worse):
    """Two searches that miss the same maximum by rounding alone have gains that differ by far more than 0.1 %."""

    def found(at_first, at_second):
        best = max(at_first, at_second)
        values = {"kernel_change_worst": Value(best), "search_gain": Value(best / min(at_first, at_second) - 1)}
        return factories.result(factories.cell(measurement="ball", quantities=("kernel_change_worst",)), values=values)

    honest, again = found(0.4, worse), found(0.4 * (1 + 2e-4), worse)
    assert _problem(honest, again) == "" == _problem(again, honest)
    assert "search_gain is" in _problem(honest, found(0.4, worse / 1.01))


EDITED = """
import os
import keras

def build(width, *, input_shape, seed):
    if "ACME_IS_EDITED" in os.environ:
        with open(__file__, "a") as file:
            file.write("# edited")
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(1, "tanh", kernel_initializer="ones")])
"""


def test_a_result_of_edited_code_is_neither_agreement_nor_disagreement(tmp_path, capsys, monkeypatch):
    (tmp_path / "acme_edited.py").write_text(EDITED)
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = Architecture(name="acme", target="acme_edited:build", distribution="acme-edited", version="1.0")
    with use(registry().with_architectures({"acme": entry})):
        run = nb.run("acme", widths=[4], seeds=1, probes=2, measure="gradient", out=tmp_path / "run", device="cpu")
        assert run.results[0].cell.architecture_code
        assert main(["leaderboard", "submit", str(run.path), "--name", "acme", "--boards", str(tmp_path)]) == 0
        words = ["leaderboard", "verify", str(tmp_path / "submissions/acme.json"), "--boards", str(tmp_path)]
        assert main([*words, "--by", "Ada"]) == 0 and "gradient: agrees" in capsys.readouterr().out
        monkeypatch.setenv("ACME_IS_EDITED", "1")
        assert main([*words, "--by", "Bob"]) == 2
        said = capsys.readouterr()
        assert said.out == "" and said.err == "Error: acme_edited.py changed during the run; run the command again.\n"
        assert len(list((tmp_path / "records").iterdir())) == 1
        # Other code of the same version, before the command begins: the reader learns that it is not the receipt's.
        monkeypatch.delenv("ACME_IS_EDITED")
        sys.modules.pop("acme_edited")
        (tmp_path / "acme_edited.py").write_text(EDITED.replace("ones", "zeros"))
        assert main(words) == 1
    assert "(the installed code of acme-edited is not the code that the receipt" in capsys.readouterr().out
    sys.modules.pop("acme_edited", None)

"""The table of methods over datasets, from tidy rows."""

from __future__ import annotations

import math

import pytest
from factories import cell, failed, result, stored

from ntkbench.cli.main import main
from ntkbench.errors import NtkbenchError
from ntkbench.report.method_table import method_table
from ntkbench.types import Quantity, Value

ERRORS = {
    ("fc", 64): {"a": [0.10, 0.20], "b": [0.5, 0.5], "c": [0.2, 0.2]},
    ("fc", math.inf): {"a": [0.05, 0.05], "b": [0.5, 0.5], "c": [0.6, 0.6]},
    ("cnn", 64): {"a": [0.10, 0.10], "b": [0.6, 0.6], "c": [0.2, 0.2]},
}


def rows(errors=ERRORS, quantity="test_error"):
    return [
        {"architecture": name, "width": width, "seed": seed, "dataset": dataset, "quantity": quantity,
         "reduction": "value", "value": value, "cell": f"{name} {width} {seed} {dataset}"}
        for (name, width), held in errors.items() for dataset, values in held.items()
        for seed, value in enumerate(values)
    ]  # fmt: skip


def test_the_table_of_errors():
    table = method_table(rows())
    assert table.title == "Methods by dataset · test_error, lower is better · 3 datasets · 2 seeds"
    assert [column.header[0] for column in table.columns] == [
        "method", "a", "b", "c", "mean ± std", "P90", "P95", "PMA", "rank", "w/t/l",
    ]  # fmt: skip
    cells = {row[0][0]: [lines[0] for lines in row[1:]] for row in table.rows}
    # Ranks: a: ∞ 1, cnn 2, fc 3; b: fc and ∞ 1.5, cnn 3; c: fc and cnn 1.5, ∞ 3.
    assert cells["fc 64"] == ["0.150", "0.500", "0.200", "0.283 ± 0.189", "67%", "67%", "96.5%", "2.00", "2/2/2"]
    assert cells["fc ∞"][-2:] == ["1.83", "3/1/2"] and cells["cnn 64"][-2:] == ["2.17", "2/1/3"]
    assert [row[0][0] for row in table.rows] == ["fc ∞", "fc 64", "cnn 64"]
    assert any("Accuracy: 1 − test_error." in note for note in table.notes)


def test_fc_64_by_hand():
    (record,) = [each for each in method_table(rows()).records if each["method"] == "fc 64"]
    assert record["pma"] == pytest.approx((0.85 / 0.95 + 1 + 1) / 3)
    assert (record["p90"], record["p95"]) == pytest.approx((2 / 3, 2 / 3)), "0.85 < 0.9·0.95"


def test_missing_values_are_named_and_do_not_enter():
    errors = {
        **ERRORS,
        ("cnn", 64): {"a": [0.1, 0.1], "b": [None, None], "c": [0.2, math.nan]},
        ("x", 8): {"a": [None]},
    }
    table = method_table(rows(errors))
    cells = {row[0][0]: [lines[0] for lines in row[1:4]] for row in table.rows}
    assert cells["cnn 64"] == ["0.100", "–", "0.200"] and "x 8" not in cells
    notes = " ".join(table.notes)
    assert "because a method has no value there: b." in notes and "Missing: cnn 64 on b." in notes
    assert "Without any value, and not compared: x 8." in notes and "from 1 to 2" in notes
    assert table.settings["compared_on"] == ["a", "c"]


def test_directions():
    higher = method_table(rows(quantity="test_accuracy"), "test_accuracy")
    assert higher.rows[0][0] == ("cnn 64",) and "higher is better" in higher.title and higher.settings["accuracy"]
    other = method_table(rows(quantity="margin"), "margin", "higher")
    assert other.settings["accuracy"] is None and len(other.columns) == 7
    declared = method_table(rows(quantity="margin"), "margin", directions={"margin": "lower"})
    assert declared.settings["better"] == "lower"
    with pytest.raises(NtkbenchError, match="Add --better lower or --better higher"):
        method_table(rows(quantity="margin"), "margin")


def test_errors_beyond_one_have_no_accuracy():
    table = method_table(rows({("fc", 8): {"a": [1.5], "b": [0.5]}}))
    assert table.settings["accuracy"] is None and any("not always between 0 and 1" in note for note in table.notes)


def test_what_cannot_be_compared_is_a_sentence():
    with pytest.raises(NtkbenchError, match="has two values for seed 0"):
        method_table([*rows(), {**rows()[0], "cell": "at another radius"}])
    with pytest.raises(NtkbenchError, match="Did you mean 'test_error'"):
        method_table(rows(), "test_eror")
    with pytest.raises(NtkbenchError, match="Choose a quantity with --quantity: margin"):
        method_table(rows(quantity="margin"))


def test_many_datasets_have_no_columns_of_their_own():
    many = {("fc", 8): {f"d{place}": [0.1] for place in range(128)}}
    table = method_table(rows(many))
    assert len(table.columns) == 7 and len(table.records[0]["values"]) == 128
    assert "The columns of the 128 datasets do not fit; their values are in --json." in table.notes[0]
    assert max(map(len, table.text().splitlines())) <= 100


def test_the_command(tmp_path, capsys):
    results = [
        result(
            cell(
                label, label=f"{label}", dataset=dataset, seed=seed, measurement="hessian", quantities=("hessian_norm",)
            ),
            values={"hessian_norm": Value(value)},
        )
        for label, value in (("fc", 0.2), ("cnn", 0.1))
        for dataset in ("digits", "<b>")
        for seed in (0, 1)
    ]
    run = stored(tmp_path / "run", [*results, failed(cell("rnn", measurement="hessian", quantities=("hessian_norm",)))])
    words = ["table", str(run.path), "--by", "dataset", "--quantity", "hessian_norm"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.index("cnn 64") < out.index("fc 64") and "Without any value, and not compared: rnn 64." in " ".join(
        out.split()
    )
    assert main([*words, "--format", "html"]) == 0 and "<b>" not in capsys.readouterr().out
    assert main([*words, "--json"]) == 0 and '"rank": 1.0' in capsys.readouterr().out
    assert main([*words, "--better", "higher"]) == 0
    out = capsys.readouterr().out
    assert out.index("fc 64") < out.index("cnn 64")
    assert main(["table", str(run.path), "--by", "datset"]) == 2 and "Did you mean 'dataset'" in capsys.readouterr().err
    assert main([*words, "--quantity", "gradient_norm"]) == 2 and "takes one --quantity" in capsys.readouterr().err
    assert main(["table", str(run.path), "--better", "lower"]) == 2


def test_other_params_are_other_methods(tmp_path):
    from attrs import evolve

    deep = {"depth": 3, "activation": "tanh"}
    results = [
        result(
            evolve(
                cell("fc", measurement="gd", quantities=("kernel_change_gd",), dataset=d), label=label, params=params
            )
        )
        for d in ("digits", "diabetes")
        for label, params in (("fc", {"depth": 2, "activation": "tanh"}), ("fc:depth=3", deep))
    ]
    table = stored(tmp_path / "run", results).method_table()
    assert [row[0][0] for row in table.rows] == ["fc 64", "fc:depth=3 64"]
    assert Quantity("kernel_change_gd", "").name == table.settings["quantity"]

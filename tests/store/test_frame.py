"""The tidy rows have the contract's columns, one row for each quantity of a cell."""

from __future__ import annotations

import json

from factories import QUANTITIES, cell, failed, result, sweep

from ntkbench.store.frame import COLUMNS, frame, rows
from ntkbench.types import Status, Value

CONTRACT = (
    "architecture, params, width, seed, dataset, measurement, quantity, reduction, value, error, error_kind, unit, "
    "status, message, seconds, n_parameters, n_probes, device, precision, architecture_plugin, architecture_version, "
    "measurement_plugin, measurement_version, schema_version, cell"
)
CATALOGUE = {name: {quantity.key: quantity for quantity in quantities} for name, quantities in QUANTITIES.items()}


def test_columns_are_the_contract():
    assert ", ".join(COLUMNS) == CONTRACT
    assert list(frame([]).columns) == list(COLUMNS)


def test_one_row_for_each_quantity():
    table = frame(sweep(widths=(16, 32), seeds=2), CATALOGUE)
    assert len(table) == 2 * 2 * 5
    hessian = table[table.measurement == "hessian"]
    assert set(hessian.quantity) == {"hessian_norm"} and set(hessian.reduction) == {"mean", "max"}
    assert table.value.notna().all() and table.width.dtype == "int64" and table.value.dtype == "float64"
    assert json.loads(table.params[0]) == {"depth": 2, "activation": "tanh"}


def test_a_quantity_nobody_declares_is_read_off_its_key():
    of = cell(measurement="gone", quantities=("a", "b:max"))
    named = {(row["quantity"], row["reduction"]) for row in rows([result(of)])}
    assert named == {("a", ""), ("b", "max")}


def test_failed_cells_keep_their_rows():
    of = cell(measurement="hessian", quantities=("hessian_norm", "hessian_norm:max"))
    table = frame([failed(of, Status.OOM, "12 GiB")], CATALOGUE)
    assert len(table) == 2 and table.value.isna().all()
    assert set(table.status) == {"oom"} and set(table.message) == {"12 GiB"} and set(table.precision) == {"float32"}


def test_values_know_their_precision():
    of = cell(dataset_params={"noise": 0.1})
    row = next(rows([result(of, values={"gradient_norm": Value(1e-5, 1e-9, "statistical", "float64")})]))
    assert row["precision"] == "float64" and row["dataset"] == "digits:noise=0.1" and row["cell"] == of.key

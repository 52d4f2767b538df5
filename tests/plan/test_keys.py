"""Keys of cells are pinned: stored runs and receipts name their cells by them."""

from __future__ import annotations

import math

from attrs import evolve

from ntkbench.store.cell_file import decode, encode
from ntkbench.types import Cell, CellResult, Status, Value

CELL = Cell(
    architecture="fc",
    params={"depth": 2},
    width=64,
    seed=3,
    dataset="digits",
    dataset_params={},
    measurement="gd",
    quantities=("steps",),
    settings={"n_probes": 8, "radius": 1.0},
    precision="float32",
    architecture_plugin="ntkbench",
    architecture_version="0.1.0",
    measurement_plugin="ntkbench",
    measurement_version="0.1.0",
    data_hash="0" * 32,
)


def test_keys_of_finite_widths_are_those_of_the_first_version():
    assert CELL.key == "3a2b9334a632565e416918bff6e88ae7"
    assert CELL.group == "086629c052a5ce89485f27031e0cc302"


def test_infinite_width_has_a_key_of_its_own_and_is_read_back():
    infinite = evolve(CELL, width=math.inf)
    assert infinite.identity() == CELL.identity() | {"width": "inf"}
    assert len({CELL.key, infinite.key, CELL.group, infinite.group}) == 4
    text = encode(CellResult(cell=infinite, status=Status.OK, values={"steps": Value(1.0)}))
    again = decode(text, "cell.json").cell
    assert again == infinite and again.width == math.inf and again.infinite and again.key == infinite.key

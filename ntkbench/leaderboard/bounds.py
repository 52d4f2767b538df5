"""Check the numbers of a receipt against the bounds that their quantities and curves declare."""

from __future__ import annotations

from collections.abc import Iterator

from ..registry.code import OWN
from ..registry.manager import Registry
from ..registry.specs import Measurement
from ..types import Cell, CellResult, quantity_of
from .receipt import Receipt, minor


def bound_problems(receipt: Receipt, registry: Registry) -> list[str]:
    """Return a sentence for each quantity and curve of a label with a number outside its bounds.

    Bounds are those that the installed measurements declare; a receipt has none.
    """
    problems: dict[tuple[str, str], str] = {}
    for result in receipt.results:
        cell = result.cell
        entry = registry.measurements.get(cell.measurement)
        if entry is not None and _is_of(entry, cell, receipt):
            for key, said in _outside(result, entry):
                where = f"{cell.label} at width {cell.width}, seed {cell.seed}"
                problems.setdefault((cell.label, key), f"{key} of {where}, is {said}")
    return list(problems.values())


def _is_of(entry: Measurement, cell: Cell, receipt: Receipt) -> bool:
    """Return whether a cell is one of the installed measurement; one of another version may have other bounds."""
    if entry.distribution == OWN:  # no plugin can register the name of a built-in measurement
        return minor(entry.version) == minor(receipt.version)
    theirs = cell.measurement_plugin, minor(cell.measurement_version)
    return (entry.distribution, minor(entry.version)) == theirs


def _outside(result: CellResult, entry: Measurement) -> Iterator[tuple[str, str]]:
    """Yield the key and a description of each number of a result that is outside its bounds."""
    quantities = {quantity.key: quantity for quantity in entry.quantities}
    curves = {curve.name: curve for curve in entry.curves}
    for key, value in result.values.items():
        quantity = quantity_of(quantities, key)
        if quantity is not None and value.value is not None:
            low, high = quantity.bounds
            if not low <= value.value <= high:
                yield quantity.key, f"{value.value:g}, outside its bounds [{low:g}, {high:g}]"
    for name, curve in result.curves.items():
        if name in curves:
            low, high = curves[name].bounds
            for x, y in zip(curve.x, curve.y, strict=True):
                if not low <= y <= high:
                    yield name, f"{y:g} at {x:g}, outside its bounds [{low:g}, {high:g}]"
                    break

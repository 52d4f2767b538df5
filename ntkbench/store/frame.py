"""Return results in tidy form: one row per cell and quantity, and one row per point of a curve."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..types import Cell, CellResult, CurveSpec, Value
from .cell_file import SCHEMA_VERSION
from .manifest import Catalogue, find_quantity

if TYPE_CHECKING:
    import pandas

COLUMNS = (
    "architecture", "params", "width", "seed", "dataset", "measurement", "quantity", "reduction", "value", "error",
    "error_kind", "unit", "status", "message", "seconds", "n_parameters", "n_probes", "device", "precision",
    "architecture_plugin", "architecture_version", "measurement_plugin", "measurement_version", "schema_version",
    "cell",
)  # fmt: skip

CURVE_COLUMNS = (
    "architecture", "params", "width", "seed", "dataset", "measurement", "curve", "x", "y", "x_unit", "unit",
    "precision", "architecture_plugin", "architecture_version", "measurement_plugin", "measurement_version", "cell",
)  # fmt: skip

_DTYPES = {
    "width": "int64",
    "seed": "int64",
    "value": "float64",
    "error": "float64",
    "seconds": "float64",
    "n_parameters": "Int64",
    "n_probes": "Int64",
    "schema_version": "int64",
    "x": "float64",
    "y": "float64",
}


def rows(results: Iterable[CellResult], catalogue: Catalogue | None = None) -> Iterator[dict[str, Any]]:
    """Yield the tidy rows as plain mappings with the keys COLUMNS; missing numbers are None.

    A quantity that is measured per variable has one row per variable, with the variable's name in the column
    "reduction". A cell that is not ok has one row per requested quantity, with its status and message.

    Args:
        results: The results of the cells.
        catalogue: The quantities of each measurement. For other quantities, name and reduction come from the key.
    """
    for result in results:
        cell = result.cell
        shared = _identity(cell) | {
            "status": str(result.status),
            "message": result.message,
            "seconds": result.seconds,
            "n_parameters": result.n_parameters,
            "n_probes": result.n_probes,
            "device": result.device,
            "schema_version": SCHEMA_VERSION,
        }
        for key in dict.fromkeys([*cell.quantities, *sorted(result.values)]):
            quantity = find_quantity(catalogue or {}, cell.measurement, key)
            if key in result.curves:
                continue
            if quantity.per == "variable" and key == quantity.name and result.values:
                continue  # its values have the keys "name:variable"
            value = result.values.get(key, Value(None))
            row = shared | {
                "quantity": quantity.name,
                "reduction": quantity.reduction,
                "value": value.value,
                "error": value.error,
                "error_kind": value.error_kind,
                "unit": quantity.unit,
                "precision": value.precision or cell.precision,
            }
            yield {column: row[column] for column in COLUMNS}


def frame(results: Iterable[CellResult], catalogue: Catalogue | None = None) -> pandas.DataFrame:
    """Return the tidy rows as a pandas DataFrame.

    Args:
        results: The results of the cells.
        catalogue: The quantities of each measurement. For other quantities, name and reduction come from the key.

    Returns:
        A DataFrame with the columns COLUMNS, in this order; missing numbers are NaN or <NA>. Widths are integers, or
            floats if one of them is infinite.
    """
    return frame_of_rows(rows(results, catalogue))


def frame_of_rows(tidy: Iterable[Mapping[str, Any]]) -> pandas.DataFrame:
    """Return rows of `rows` as a pandas DataFrame; see `frame`."""
    import pandas

    return _typed(pandas.DataFrame(list(tidy), columns=list(COLUMNS)))


def curve_rows(
    results: Iterable[CellResult], specs: Mapping[str, Mapping[str, CurveSpec]] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the points of all curves as plain mappings with the keys CURVE_COLUMNS.

    Args:
        results: The results of the cells.
        specs: The declared curves by measurement and name, for the units of y.
    """
    for result in results:
        if not result.curves:
            continue
        shared = _identity(result.cell) | {"precision": result.cell.precision}
        for name, curve in result.curves.items():
            spec = (specs or {}).get(result.cell.measurement, {}).get(name)
            own = {"curve": name, "x_unit": curve.x_unit, "unit": "" if spec is None else spec.unit}
            for x, y in zip(curve.x, curve.y, strict=True):
                row = shared | own | {"x": x, "y": y}
                yield {column: row[column] for column in CURVE_COLUMNS}


def curve_frame(
    results: Iterable[CellResult], specs: Mapping[str, Mapping[str, CurveSpec]] | None = None
) -> pandas.DataFrame:
    """Return the points of all curves as a pandas DataFrame with the columns CURVE_COLUMNS.

    Args:
        results: The results of the cells.
        specs: The declared curves by measurement and name, for the units of y.
    """
    import pandas

    return _typed(pandas.DataFrame(list(curve_rows(results, specs)), columns=list(CURVE_COLUMNS)))


def _typed(table: pandas.DataFrame) -> pandas.DataFrame:
    types = {column: _DTYPES.get(column, "str") for column in table.columns}
    if math.inf in table["width"].values:
        types["width"] = "float64"
    return table.astype(types)


def _identity(cell: Cell) -> dict[str, Any]:
    """Return the columns that the rows of a cell share."""
    return {
        "architecture": cell.architecture,
        "params": json.dumps(dict(cell.params), sort_keys=True),
        "width": cell.width,
        "seed": cell.seed,
        "dataset": cell.dataset_label,
        "measurement": cell.measurement,
        "architecture_plugin": cell.architecture_plugin,
        "architecture_version": cell.architecture_version,
        "measurement_plugin": cell.measurement_plugin,
        "measurement_version": cell.measurement_version,
        "cell": cell.key,
    }

"""Return results in tidy form: one row per cell and quantity."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..types import CellResult, Value
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

_DTYPES = {
    "width": "int64",
    "seed": "int64",
    "value": "float64",
    "error": "float64",
    "seconds": "float64",
    "n_parameters": "Int64",
    "n_probes": "Int64",
    "schema_version": "int64",
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
        shared = {
            "architecture": cell.architecture,
            "params": json.dumps(dict(cell.params), sort_keys=True),
            "width": cell.width,
            "seed": cell.seed,
            "dataset": dataset_label(cell.dataset, cell.dataset_params),
            "measurement": cell.measurement,
            "status": str(result.status),
            "message": result.message,
            "seconds": result.seconds,
            "n_parameters": result.n_parameters,
            "n_probes": result.n_probes,
            "device": result.device,
            "architecture_plugin": cell.architecture_plugin,
            "architecture_version": cell.architecture_version,
            "measurement_plugin": cell.measurement_plugin,
            "measurement_version": cell.measurement_version,
            "schema_version": SCHEMA_VERSION,
            "cell": cell.key,
        }
        for key in dict.fromkeys([*cell.quantities, *sorted(result.values)]):
            quantity = find_quantity(catalogue or {}, cell.measurement, key)
            if quantity.per and key == quantity.name and result.values:
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
    import pandas

    table = pandas.DataFrame(list(rows(results, catalogue)), columns=list(COLUMNS))
    types = {column: _DTYPES.get(column, "str") for column in COLUMNS}
    if math.inf in table["width"].values:
        types["width"] = "float64"
    return table.astype(types)


def dataset_label(dataset: str, params: Mapping[str, Any]) -> str:
    """Return the label of a dataset: its name, or "name:key=value,…" with parameters."""
    words = ",".join(f"{name}={value}" for name, value in sorted(params.items()))
    return f"{dataset}:{words}" if words else dataset

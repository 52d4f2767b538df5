"""Summarise measured heat maps over seeds: the median for each width."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..store.manifest import curve_specs
from ..types import CellResult, CurveSpec, HeatMap, written_width
from .bands import chosen_curves
from .laws import series


def heat_maps(
    results: Iterable[CellResult], manifest: Mapping[str, Any] | None = None, names: Sequence[str] = ()
) -> list[HeatMap]:
    """Return the heat maps of the smallest and the largest width of each architecture and condition.

    A map is the median over the seeds that have the points of the first one.

    Args:
        results: Results of a run.
        manifest: Manifest of the run, for the declared curves; see `CurveSpec.axis`.
        names: The curves to draw; all by default.
    """
    specs = curve_specs(manifest or {})
    found, known = [], set()
    for each in series(results):
        for (measurement, name), held in chosen_curves(each, names).items():
            spec = specs.get(measurement, {}).get(name)
            widths = sorted({result.cell.width for result in held})
            for width in dict.fromkeys((widths[0], widths[-1])) if spec and spec.axis else ():
                of_width = [result for result in held if result.cell.width == width]
                place = (name, frozenset(result.cell.key for result in of_width))
                if spec is not None and place not in known:
                    known.add(place)
                    title = f"{each.name} {name}"
                    found.append(_heat_map(title, f"width {written_width(width)}", of_width, spec))
    return found


def _heat_map(title: str, label: str, held: Sequence[CellResult], spec: CurveSpec) -> HeatMap:
    axes = [_axis(result, spec) for result in held]
    values = [_square(result.curves[spec.name].y) for result, axis in zip(held, axes, strict=True) if axis == axes[0]]
    unit = held[0].curves[spec.axis].x_unit if spec.axis in held[0].curves else "number"
    rows = np.median(values, axis=0)
    return HeatMap(title, label, unit, spec.symbol, axes[0], tuple(tuple(map(float, row)) for row in rows))


def _axis(result: CellResult, spec: CurveSpec) -> tuple[float, ...]:
    """Return the points of the axis; their numbers if the curve that has them was not requested."""
    points = _points(len(result.curves[spec.name].y))
    axis = result.curves[spec.axis].x if spec.axis in result.curves else ()
    return axis if len(axis) == points else tuple(map(float, range(points)))


def _points(pairs: int) -> int:
    """Return n for n (n − 1)/2 pairs."""
    return (1 + math.isqrt(1 + 8 * pairs)) // 2


def _square(y: Sequence[float]) -> np.ndarray:
    """Return the symmetric matrix of the values of all pairs; see `CurveSpec.axis` for their order."""
    n = _points(len(y))
    found = np.zeros((n, n))
    rows, columns = np.tril_indices(n, -1)
    found[rows, columns] = found[columns, rows] = y[: len(rows)]
    return found

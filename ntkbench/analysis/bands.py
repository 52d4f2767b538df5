"""Summarise measured curves over seeds: a median and a band for each width."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..store.manifest import curve_specs
from ..types import CellResult, Curve, CurveSpec, Line, Panel, Width
from .laws import Series, series

DECADE = 10.0
"""Curves without negative values are drawn on a logarithmic axis if their positive values span this factor."""


def curve_panels(
    results: Iterable[CellResult], manifest: Mapping[str, Any] | None = None, names: Sequence[str] = ()
) -> list[Panel]:
    """Return a panel for each architecture, condition and curve, with one line for each width; none for heat maps.

    Args:
        results: Results of a run.
        manifest: Manifest of the run, for the declared curves.
        names: The curves to draw, in this order; all by default.
    """
    specs = curve_specs(manifest or {})
    panels: list[Panel] = []
    known: set[tuple[str, frozenset[str]]] = set()
    for each in series(results):
        for (measurement, name), held in chosen_curves(each, names).items():
            # Series that differ only in the radius share the cells that do not depend on it.
            place = (name, frozenset(result.cell.key for result in held))
            spec = specs.get(measurement, {}).get(name)
            if place not in known and not (spec and spec.axis):
                known.add(place)
                panels.append(_panel(each, name, held, spec))
    return [panel for panel in panels if panel.lines]


def by_curve(of: Series) -> dict[tuple[str, str], list[CellResult]]:
    """Return the results of a series that hold a curve, by its measurement and name."""
    found: dict[tuple[str, str], list[CellResult]] = {}
    for result in of.results:
        for name in result.curves:
            found.setdefault((result.cell.measurement, name), []).append(result)
    return found


def chosen_curves(of: Series, names: Sequence[str]) -> dict[tuple[str, str], list[CellResult]]:
    """Return those of `by_curve` that are named, in the order of the names; all without names."""
    found = by_curve(of)
    if not names:
        return found
    ordered = sorted(found, key=lambda place: names.index(place[1]) if place[1] in names else -1)
    return {place: found[place] for place in ordered if place[1] in names}


def _panel(of: Series, name: str, held: Sequence[CellResult], spec: CurveSpec | None) -> Panel:
    curves: dict[Width, dict[int, Curve]] = {}
    for result in held:
        curves.setdefault(result.cell.width, {})[result.cell.seed] = result.curves[name]
    ys = [y for seeds in curves.values() for curve in seeds.values() for y in curve.y]
    positive = [y for y in ys if y > 0]
    logarithmic = bool(positive) and min(ys) >= 0 and max(positive) > DECADE * min(positive)
    lines = [
        line
        for width in sorted(curves)
        if (line := band(list(curves[width].values()), f"width {_number(width)}", logarithmic)) is not None
    ]
    symbol = name if spec is None else spec.symbol
    unit = "" if spec is None or spec.unit == "1" else f" ({spec.unit})"
    x_unit = held[0].curves[name].x_unit
    return Panel(f"{of.name} {name}", x_unit, f"{symbol}{unit}", tuple(lines), logarithmic)


def band(curves: Sequence[Curve], label: str, logarithmic: bool = False) -> Line | None:
    """Return the median over seeds with a band from the smallest to the largest value.

    Where the abscissas of the seeds differ, each curve is interpolated at all of them, between the last of the first
    abscissas and the first of the last ones, so that every point is a median of all seeds.

    Args:
        curves: One curve for each seed.
        label: Label of the line.
        logarithmic: Whether to interpolate log y, without the points at 0; otherwise y.

    Returns:
        The line, without a band for a single seed; None if the seeds have fewer than two abscissas in common.
    """
    points = []
    for curve in curves:
        x, y = np.asarray(curve.x), np.asarray(curve.y)
        points.append((x[y > 0], np.log(y[y > 0])) if logarithmic else (x, y))
    if any(len(x) == 0 for x, _ in points):
        return None
    first, last = max(x[0] for x, _ in points), min(x[-1] for x, _ in points)
    at = np.unique(np.concatenate([x for x, _ in points]))
    at = at[(at >= first) & (at <= last)]
    if len(at) < 2:
        return None
    values = np.array([np.interp(at, x, y) for x, y in points])
    values = np.exp(values) if logarithmic else values
    low, high = (values.min(0), values.max(0)) if len(curves) > 1 else (np.empty(0), np.empty(0))
    return Line(label, *(tuple(map(float, each)) for each in (at, np.median(values, 0), low, high)))


def _number(width: Width) -> str:
    return "∞" if math.isinf(width) else str(width)

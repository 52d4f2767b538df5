"""Check the curves that a measurement returns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve

from ..errors import NtkbenchError, Unsupported
from ..registry.specs import Measurement
from ..types import Curve, CurveSpec

MOST_POINTS = 10_000
"""Maximum number of points in all curves of a cell."""


def checked_curves(entry: Measurement, found: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Curve]:
    """Return the requested curves in a measurement's result, with their names and units.

    Args:
        entry: The measurement.
        found: What the measurement returned.
        wanted: Requested result keys; those that are not curves are ignored.

    Raises:
        NtkbenchError: A curve contradicts its declaration, or there are more than MOST_POINTS points.
        Unsupported: The model has no such curve.
    """
    declared = {curve.name: curve for curve in entry.curves}
    curves = {}
    for name in wanted:
        if name in declared:
            if found.get(name) is None:
                raise Unsupported(f"{entry.name!r} has no {name} for this model.")
            curves[name] = _checked(f"{entry.name!r} returned the curve {name}", found[name], declared[name])
    points = sum(len(curve.x) for curve in curves.values())
    if points > MOST_POINTS:
        raise NtkbenchError(
            f"{entry.name!r} returned {points:,} points in its curves; a cell holds at most {MOST_POINTS:,}. Return "
            "fewer, such as steps spaced evenly on a logarithmic scale."
        )
    return curves


def _checked(what: str, curve: Any, spec: CurveSpec) -> Curve:
    """Return a curve with the declared name and unit; raise NtkbenchError, which begins with `what`, if it is wrong."""
    if not isinstance(curve, Curve):
        raise NtkbenchError(f"{what} as a {type(curve).__name__}; it must be a Curve(x, y).")
    for word, given, said in (("name", curve.name, spec.name), ("x_unit", curve.x_unit, spec.x_unit)):
        if given and given != said:
            raise NtkbenchError(f"{what} with the {word} {given!r}, but it declares {said!r}. Use one of them.")
    if len(curve.x) != len(curve.y):
        raise NtkbenchError(f"{what} with {len(curve.x)} values of x and {len(curve.y)} of y; return pairs.")
    if not curve.x:
        raise NtkbenchError(f"{what} without a point. Return at least one, or None if the model has no such curve.")
    low, high = spec.bounds
    for place, (x, y) in enumerate(zip(curve.x, curve.y, strict=True)):
        if not (math.isfinite(x) and math.isfinite(y)):
            raise NtkbenchError(f"{what} with the point ({x:g}, {y:g}), which is not finite. End the curve before it.")
        if place and x <= curve.x[place - 1]:
            raise NtkbenchError(f"{what} with x = {x:g} after {curve.x[place - 1]:g}; x must increase.")
        if not low <= y <= high:
            raise NtkbenchError(f"{what} with y = {y:g} at x = {x:g}, outside its bounds [{low:g}, {high:g}].")
    return evolve(curve, name=spec.name, x_unit=spec.x_unit)

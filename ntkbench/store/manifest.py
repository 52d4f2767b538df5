"""Manifest of a run: its plan, and everything that tables need when its plugins are no longer installed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import asdict, evolve

from ..types import Cell, CurveSpec, Quantity, Theory, quantity_of
from .cell_file import SCHEMA_VERSION
from .provenance import provenance

if TYPE_CHECKING:
    from ..registry.specs import Architecture

Catalogue = Mapping[str, Mapping[str, Quantity]]
"""Quantities by measurement and result key."""


def new_manifest(
    cells: Sequence[Cell],
    *,
    architectures: Mapping[str, Architecture],
    measurements: Mapping[str, Any],
    command: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    code: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Any]:
    """Return the manifest of one invocation.

    Args:
        cells: The cells in plan order.
        architectures: The registered architectures by name. Cells of other architectures (a user's file) have no
            theory.
        measurements: The registered measurements by name.
        command: The command line, split into words.
        options: The options of the run.
        settings: The settings of the run, by default those of the first cell.
        code: The files that architectures (by label) and measurements (by name) depend on, with their content hashes.
    """
    labels = {cell.key: cell.label or cell.architecture for cell in cells}
    # Theory is about the coordinates that an architecture declares.
    params = {
        labels[cell.key]: (cell.architecture, cell.params)
        for cell in cells
        if (entry := architectures.get(cell.architecture)) is not None
        and (cell.units, cell.redraw) == (entry.units, entry.redraw)
    }
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    used = {cell.architecture: architectures[cell.architecture] for cell in cells if cell.architecture in architectures}
    measured = {cell.measurement: measurements[cell.measurement] for cell in cells if cell.measurement in measurements}
    requested = {(cell.measurement, key) for cell in cells for key in cell.quantities}
    invocation = {"command": list(command), "started": now, "options": dict(options or {})}
    return {
        "schema_version": SCHEMA_VERSION,
        "created": now,
        "invocations": [invocation],
        "settings": dict(settings if settings is not None else (cells[0].settings if cells else {})),
        "cells": [cell.key for cell in cells],
        "labels": labels,
        "theory": {
            label: {key: asdict(claim) for key, claim in used[name].resolved(given).theory.items()}
            for label, (name, given) in params.items()
        },
        "width_means": {name: entry.width_means for name, entry in used.items()},
        "code": {name: dict(files) for name, files in (code or {}).items() if files},
        "quantities": {
            name: [
                *(_quantity_to_json(q, getattr(entry, "companions", {})) for q in entry.quantities),
                *(_curve_to_json(each) for each in getattr(entry, "curves", ()) if (name, each.name) in requested),
            ]
            for name, entry in measured.items()
        },
        "provenance": provenance(),
    }


def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of a directory that was run with `old` and is about to be run with `new`.

    Invocations and planned cells are concatenated, and each invocation keeps its own settings and provenance.
    Everything else comes from `new`.
    """
    merged = {**old, **new, "created": old.get("created", new.get("created"))}
    merged["invocations"] = [*_invocations(old), *_invocations(new)]
    merged["cells"] = list(dict.fromkeys([*old.get("cells", ()), *new.get("cells", ())]))
    for name in ("labels", "theory", "width_means", "quantities", "code"):
        merged[name] = {**old.get(name, {}), **new.get(name, {})}
    for name, entries in merged["quantities"].items():
        # A manifest declares the curves that its cells request; those of earlier invocations stay.
        keys = {entry["key"] for entry in entries}
        earlier = [entry for entry in old.get("quantities", {}).get(name, ()) if entry.get("per") == "point"]
        merged["quantities"][name] = [*entries, *(entry for entry in earlier if entry["key"] not in keys)]
    return merged


def changed_code(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each architecture and measurement whose code has changed since it was last planned.

    Args:
        old: The manifest of the directory.
        new: The manifest of the invocation that is about to run there.
    """
    sentences = []
    for name, files in new.get("code", {}).items():
        before = old.get("code", {}).get(name)
        if before is None or before == files:
            continue
        changed = sorted(file for file in {*before, *files} if before.get(file) != files.get(file))
        listed = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        sentences.append(
            f"{name}: {listed} changed since the last run here. Cells that the new code has not measured are measured; "
            "earlier cells are kept as a separate row."
        )
    return sentences


def catalogue(manifest: Mapping[str, Any]) -> dict[str, dict[str, Quantity]]:
    """Return the quantities that the manifest declares, by measurement and result key."""
    declared: dict[str, dict[str, Quantity]] = {}
    for measurement, quantities in manifest.get("quantities", {}).items():
        declared[measurement] = {
            entry["key"]: Quantity(
                name=entry["name"],
                symbol=entry.get("symbol", entry["name"]),
                unit=entry.get("unit", "1"),
                direction=entry.get("direction", "none"),
                reduction=entry.get("reduction", "value"),
                summary=entry.get("summary", ""),
                key=entry["key"],
                per=entry.get("per", ""),
            )
            for entry in quantities
        }
    return declared


def curve_specs(manifest: Mapping[str, Any]) -> dict[str, dict[str, CurveSpec]]:
    """Return the curves that the manifest declares, by measurement and name."""
    return {
        measurement: {
            entry["key"]: CurveSpec(
                name=entry["key"],
                symbol=entry.get("symbol", entry["key"]),
                x_unit=entry.get("x_unit", ""),
                unit=entry.get("unit", "1"),
                direction=entry.get("direction", "none"),
                summary=entry.get("summary", ""),
                axis=entry.get("axis", ""),
            )
            for entry in entries
            if entry.get("per") == "point"
        }
        for measurement, entries in manifest.get("quantities", {}).items()
    }


def find_quantity(catalogue: Catalogue, measurement: str, key: str) -> Quantity:
    """Return the Quantity of a result key.

    For an undeclared quantity, name and reduction come from the key, "name" or "name:reduction". The reduction of a
    quantity that is measured per variable is the name of the variable.
    """
    name, _, reduction = key.partition(":")
    declared = quantity_of(catalogue.get(measurement, {}), key)
    if declared is not None:
        return evolve(declared, key=key, reduction=reduction) if declared.per and reduction else declared
    return Quantity(name=name, symbol=name, unit="", reduction=reduction, key=key)


def theory(manifest: Mapping[str, Any]) -> dict[str, dict[str, Theory]]:
    """Return theory's claims in the manifest, by label and quantity.

    Manifests of earlier versions hold them by the name of the architecture instead, for its default parameters.
    """
    return {
        label: {
            key: Theory(float(law["exponent"]), str(law["source"]), law.get("kind", "rate"), law.get("from_width", 1))
            for key, law in laws.items()
        }
        for label, laws in manifest.get("theory", {}).items()
    }


def companions(manifest: Mapping[str, Any], measurement: str) -> dict[str, tuple[str, ...]] | None:
    """Return the result keys that come with each one of a measurement; None where an earlier manifest does not say."""
    declared = manifest.get("quantities", {}).get(measurement, ())
    if not any("comes_with" in entry for entry in declared):
        return None
    return {str(entry["key"]): tuple(map(str, entry.get("comes_with", ()))) for entry in declared}


def _quantity_to_json(quantity: Quantity, companions: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    names = ("name", "key", "symbol", "unit", "reduction", "direction", "summary", "per")
    return {**{name: getattr(quantity, name) for name in names}, "comes_with": list(companions.get(quantity.key, ()))}


def _curve_to_json(curve: CurveSpec) -> dict[str, Any]:
    own = {name: getattr(curve, name) for name in ("name", "key", "symbol", "x_unit", "unit", "direction", "summary")}
    own |= {"axis": curve.axis} if curve.axis else {}
    return {**own, "reduction": "value", "per": "point", "comes_with": []}


def _invocations(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    own = {name: manifest[name] for name in ("settings", "provenance") if name in manifest}
    given = [dict(invocation) for invocation in manifest.get("invocations", ())]
    # The settings and provenance at the top level belong to the last invocation.
    if given:
        given[-1] = {**own, **given[-1]}
    return given

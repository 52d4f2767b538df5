"""Render the report of a run as one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from .. import numbers
from ..analysis.agreement import MARKS
from ..analysis.bands import curve_panels
from ..analysis.bend import bend_of
from ..analysis.groups import Grouped, grouped
from ..analysis.heat_maps import heat_maps
from ..analysis.laws import Law, Series, law, result_keys, series
from ..analysis.states import State
from ..analysis.verdicts import GD, WORST, Verdict, verdicts_of
from ..store.manifest import catalogue, theory
from ..store.panels import decode
from ..types import CellResult, Status, Width
from .choice import HEADLINES, nonlinear_in_theory
from .standard_table import id_of, standard_table, widths_of
from .svg import heat_map_plot, law_plot, overview_plot, panel_plot
from .template import render
from .verdict_words import COLUMNS, exponent, flags, floor, last_step, meaning, theory_mark, ties
from .why import why_rows


def report_page(results: Sequence[CellResult], manifest: Mapping[str, Any], problems: Sequence[str] = ()) -> str:
    """Return the HTML page of a run. The template escapes all names, so that they cannot add markup.

    Args:
        results: Results of the run.
        manifest: Manifest of the run.
        problems: Sentences on files that could not be read.
    """
    declared, claims = catalogue(manifest), theory(manifest)
    keys = result_keys(results, declared)
    found = series(results)
    laws = {id_of(each): [law(each, key, quantity, claims) for key, quantity in keys.items()] for each in found}
    laws = {name: [each for each in own if each.measured] for name, own in laws.items()}
    judged = {id_of(each.series): each for each in verdicts_of(found, keys, claims)}
    datasets = list(dict.fromkeys(each.dataset for each in found))
    groupings = [grouped([each for each in judged.values() if each.series.dataset == name]) for name in datasets]
    table = standard_table(results, manifest, problems=problems)
    dashed = nonlinear_in_theory(keys, claims)
    overviews = [
        (plot, name if len(datasets) > 1 else "")
        for name in datasets
        for key in (HEADLINES if set(HEADLINES) & set(keys) else list(keys)[:6])
        if (plot := overview_plot(_of_dataset(laws.values(), name, key), dashed)) is not None
    ]
    means = manifest.get("width_means", {})
    measured = curve_panels(results, manifest)
    maps = [heat_map_plot(each) for each in heat_maps(results, manifest)]
    panels = [*decode(manifest), *measured]
    places = {label: i % 7 for i, label in enumerate(dict.fromkeys(line.label for p in panels for line in p.lines))}
    return render(
        "report.html.j2",
        title=table.title,
        notes=table.notes,
        manifest=manifest,
        overviews=overviews,
        curves=[(panel, plot) for panel in panels if (plot := panel_plot(panel, places)) is not None],
        maps=maps,
        bands=bool(measured or maps),
        with_limits=any(plot.levels for plot, _ in overviews),
        rows=_rows(found, judged, groupings),
        legend=(meaning(), COLUMNS, ties(sum(each.unmarked for each in groupings))),
        folds=[
            details(each, laws[id_of(each)], judged.get(id_of(each)), str(means.get(each.architecture, "")))
            | {"number": number}
            for number, each in enumerate(found)
        ],
    )


def _of_dataset(laws: Iterable[Sequence[Law]], dataset: str, key: str) -> list[Law]:
    return [each for own in laws for each in own if each.key == key and each.series.dataset == dataset]


def _rows(
    found: Sequence[Series], judged: Mapping[tuple[str, ...], Verdict], groupings: Sequence[Grouped]
) -> list[dict[str, Any]]:
    """Return the rows of the verdict table in the order of the board; series without a verdict come last.

    groupings: The verdicts on each dataset.
    """
    numbered = {id_of(each): number for number, each in enumerate(found)}
    rows = [
        _row(place.verdict.series, numbered[id_of(place.verdict.series)])
        | {
            "verdict": place.verdict.name,
            "ties": place.ties,
            "worst": exponent(place.verdict.laws.get(WORST)),
            "worst_key": sort_key(place.verdict.laws.get(WORST)),
            "last": last_step(place.verdict),
            "floor": floor(place.verdict),
            "floor_key": floor(place.verdict).partition("%")[0],
            "gd": exponent(place.verdict.laws.get(GD)),
            "gd_key": sort_key(place.verdict.laws.get(GD)),
            "theory": theory_mark(place.verdict.laws.get(WORST)),
            "source": _source(place.verdict.laws.get(WORST)),
            "notes": flags(place.verdict, grouping.radius),
            # The columns explain "linear" and "falling"; the full sentence is in the row's details.
            "reason": place.verdict.reason if place.verdict.name in ("non-linear", "open") else "",
        }
        for grouping in groupings
        for place in grouping.places
    ]
    return rows + [_row(each, numbered[id_of(each)]) for each in found if id_of(each) not in judged]


def _row(of: Series, number: int) -> dict[str, Any]:
    texts = ("ties", "worst_key", "last", "floor", "floor_key", "gd_key", "theory", "source", "notes", "reason")
    return dict.fromkeys(texts, "") | {
        "number": number,
        "name": of.name,
        "first_width": of.widths[0] if of.widths else "Infinity",
        "widths": widths_of(of),
        "ok": sum(result.status == Status.OK for result in of.results),
        "cells": len(of.results),
        "verdict": "–",
        "worst": "–",
        "gd": "–",
    }


def sort_key(of: Law | None) -> str:
    """Return the sort key of an exponent, zeros first; empty if there is none."""
    if of is None or (of.fit.slope is None and not of.fit.is_zero):
        return ""
    return "-9" if of.fit.is_zero else f"{of.fit.slope:.6f}"


def _source(of: Law | None) -> str:
    return "" if of is None or of.theory is None else of.theory.source


def details(of: Series, laws: Sequence[Law], judged: Verdict | None, means: str) -> dict[str, Any]:
    """Return what the template series.html.j2 shows of a series.

    Args:
        of: The series.
        laws: The laws of its quantities.
        judged: The verdict on it, if there is one.
        means: Meaning of the width.
    """
    sizes = {result.cell.width: result.n_parameters for result in of.results if result.n_parameters is not None}
    problems = {
        f"width {bad.cell.width} seed {bad.cell.seed} {bad.cell.measurement}: {bad.status}: {bad.message}"
        for bad in of.results
        if bad.status != Status.OK
    }
    cell = of.results[0].cell
    return {
        "name": of.name,
        "means": means,
        "params": dict(of.params),
        "plugin": f"{cell.architecture_plugin} {cell.architecture_version}".strip(),
        "verdict": "" if judged is None else f"{judged.name}: {judged.reason}",
        "advice": "" if judged is None or judged.decided else f"What would decide: {judged.what_would_decide()}.",
        "remarks": () if judged is None else judged.remarks,
        "sizes": sorted(sizes.items()),
        "seconds": f"{sum(result.seconds for result in of.results):.3g}",
        "problems": sorted(problems)[:20],
        "laws": [_law(each) for each in laws],
        "bend": _bend(of),
    }


def _bend(of: Series) -> dict[str, Any] | None:
    found = bend_of(of)
    if found is None:
        return None
    widths = list(dict.fromkeys((found.first_width, found.last_width)))
    heads = [f"{what} at {width}" for what in ("bend", "K") for width in widths]
    rows = [(name, [lines[0] for lines in cells]) for name, cells in why_rows(found)]
    return {"reason": found.reason, "heads": ["weights", *heads], "rows": rows}


def _tail(of: State) -> str:
    """Return the state, and for a plateau the floor with its interval."""
    floors = of.floors
    if of.name != "plateaus" or floors is None:
        return of.name
    if floors.in_quadrature:
        return f"{of.name} · {floors.makes_up('the value at the largest width')}"
    return (
        f"{of.name} · floor {floors.share:.0%} [{floors.low:.0%}, {floors.high:.0%}] of the value at the largest width "
        f"· falls towards it with exponent {floors.slope:.2f} [{floors.slope_low:.2f}, {floors.slope_high:.2f}]"
    )


def _law(of: Law) -> dict[str, Any]:
    fit = of.fit
    values: dict[tuple[Width, int], float | None] = {(width, seed): value for width, seed, value in of.points}
    values |= {(math.inf, seed): value for seed, value in of.limits}
    widths, seeds = (sorted(set(each)) for each in zip(*values, strict=True))
    means = []
    for width in widths:
        known = [value for (other, _), value in values.items() if other == width and value is not None]
        means.append(numbers.value(fmean(known)) if known else "–")
    return {
        "key": of.key,
        "summary": of.quantity.summary,
        "unit": of.quantity.unit,
        "exponent": exponent(of),
        "theory": "" if of.theory is None else numbers.theory_claim(of.theory),
        "source": "" if of.theory is None else of.theory.source,
        "agrees": MARKS[of.agrees],
        "tail": _tail(of.state),
        "note": fit.note,
        "plot": law_plot(of),
        "widths": ["∞" if width == math.inf else width for width in widths],
        "means": means,
        "seeds": [(seed, [numbers.value(values.get((width, seed)), 4) for width in widths]) for seed in seeds],
    }

"""The report of a run: one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from ..analysis.agreement import MARKS, Agreement
from ..analysis.bend import bend_of
from ..analysis.laws import Law, Series, law, result_keys, series
from ..analysis.paired import Rank, most_judged, ranking
from ..analysis.states import State
from ..analysis.verdicts import Verdict, verdicts_of
from ..store.curves import decode
from ..store.manifest import catalogue, theory
from ..types import CellResult, Status
from . import numbers
from .choice import HEADLINES
from .escape import visible
from .standard_table import id_of, standard_table
from .svg import curves_plot, law_plot, overview_plot
from .why import why_rows

_AGREES: dict[Agreement | None, str] = {"agrees": "yes", "disagrees": "no", "undecided": "undecided", None: ""}


def report_page(results: Sequence[CellResult], manifest: Mapping[str, Any], problems: Sequence[str] = ()) -> str:
    """Return the page as text. Names from outside stay text: the template escapes everything."""
    declared, claims = catalogue(manifest), theory(manifest)
    keys = result_keys(results, declared)
    found = series(results)
    laws = {id_of(each): [law(each, key, quantity, claims) for key, quantity in keys.items()] for each in found}
    laws = {name: [each for each in own if each.points] for name, own in laws.items()}
    judged = {id_of(each.series): each for each in verdicts_of(found, keys, claims)}
    ranks = _ranks(judged)
    table = standard_table(results, manifest, problems=problems)
    overviews = [
        overview_plot([each for own in laws.values() for each in own if each.key == key])
        for key in (HEADLINES if set(HEADLINES) & set(keys) else list(keys)[:6])
    ]
    means = manifest.get("width_means", {})
    panels = decode(manifest)
    places = {label: i % 7 for i, label in enumerate(dict.fromkeys(c.label for p in panels for c in p.curves))}
    return _template("report.html.j2").render(
        title=table.title,
        notes=table.notes,
        manifest=manifest,
        overviews=[each for each in overviews if each],
        curves=[(panel, plot) for panel in panels if (plot := curves_plot(panel, places)) is not None],
        smallest_gap=ranks[1],
        rows=[
            _row(each, judged.get(id_of(each)), ranks[0].get(id_of(each)), number) for number, each in enumerate(found)
        ],
        folds=[
            _fold(each, laws[id_of(each)], judged.get(id_of(each)), number, str(means.get(each.architecture, "")))
            for number, each in enumerate(found)
        ],
    )


def _template(name: str) -> Any:
    """Return a template whose every expression is escaped; what jinja2 guesses from a file's name is not relied on."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ntkbench", "report/templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _ranks(judged: Mapping[tuple[str, ...], Verdict]) -> tuple[dict[tuple[str, ...], Rank], float | None]:
    """Rank what is judged on the commonest quantity; return the ranks by series and the smallest resolvable gap."""
    common = most_judged([each.law for each in judged.values()])
    found = ranking([each.law for each in judged.values() if each.law.key == common])
    return {id_of(rank.law.series): rank for rank in found.ranks}, found.smallest_gap


def _row(of: Series, judged: Verdict | None, rank: Rank | None, number: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "number": number,
        "name": " ".join([of.label, *of.condition]),
        "widths": f"{of.widths[0]}…{of.widths[-1]}" if len(of.widths) > 1 else str(of.widths[0]),
        "ok": sum(result.status == Status.OK for result in of.results),
        "cells": len(of.results),
        "verdict": "–" if judged is None else judged.name,
        "reason": "" if judged is None else judged.reason,
        "quantity": "",
        "exponent": "–",
        "slope": "",
        "theory": "",
        "source": "",
        "agrees": "",
        "rank": "",
        "best": "",
        "group": "",
    }
    if judged is not None:
        fit, claim = judged.law.fit, judged.law.theory
        row |= {
            "quantity": judged.law.key,
            "exponent": "0" if fit.is_zero else _exponent(judged.law),
            "slope": "-9" if fit.is_zero else "" if fit.slope is None else f"{fit.slope:.6f}",
            "theory": "" if claim is None else numbers.theory_claim(claim),
            "source": "" if claim is None else claim.source,
            "agrees": _AGREES[judged.law.agrees],
        }
    if rank is not None:
        row |= {
            "rank": str(rank.low) if rank.low == rank.high else f"{rank.low}–{rank.high}",
            "best": rank.low,
            "group": rank.group,
        }
    return row


def _exponent(of: Law) -> str:
    fit = of.fit
    return numbers.exponent(fit.slope, None if fit.low is None or fit.high is None else (fit.high - fit.low) / 2)


def _fold(of: Series, laws: Sequence[Law], judged: Verdict | None, number: int, means: str) -> dict[str, Any]:
    sizes = {result.cell.width: result.n_parameters for result in of.results if result.n_parameters is not None}
    problems = {
        f"width {bad.cell.width} seed {bad.cell.seed} {bad.cell.measurement}: {bad.status}: {bad.message}"
        for bad in of.results
        if bad.status != Status.OK
    }
    cell = of.results[0].cell
    return {
        "number": number,
        "name": " ".join([of.label, *of.condition]),
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
    """Return the state, and the floor with its interval where one is supported."""
    floors = of.floors
    if of.name != "plateaus" or floors is None:
        return of.name
    return (
        f"{of.name} · floor {floors.share:.0%} [{floors.low:.0%}, {floors.high:.0%}] of the value at the largest width "
        f"· falls to it with the exponent {floors.slope:.2f} [{floors.slope_low:.2f}, {floors.slope_high:.2f}]"
    )


def _law(of: Law) -> dict[str, Any]:
    fit = of.fit
    widths = sorted({width for width, *_ in of.points})
    seeds = sorted({seed for _, seed, _ in of.points})
    values = {(width, seed): value for width, seed, value in of.points}
    means = []
    for width in widths:
        known = [value for (other, _), value in values.items() if other == width and value is not None]
        means.append(numbers.value(fmean(known)) if known else "–")
    return {
        "key": of.key,
        "summary": of.quantity.summary,
        "unit": of.quantity.unit,
        "exponent": "0" if fit.is_zero else _exponent(of),
        "theory": "" if of.theory is None else numbers.theory_claim(of.theory),
        "source": "" if of.theory is None else of.theory.source,
        "agrees": MARKS[of.agrees],
        "tail": _tail(of.state),
        "note": fit.note,
        "plot": law_plot(of),
        "widths": widths,
        "means": means,
        "seeds": [(seed, [numbers.value(values.get((width, seed)), 4) for width in widths]) for seed in seeds],
    }

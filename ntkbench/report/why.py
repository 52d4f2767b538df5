"""Why one architecture bends: its variables, with their shares of the bend and of the tangent kernel."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict

from ..analysis.bend import Bend, Share, bend_of
from ..analysis.laws import Series, series
from ..errors import NtkbenchError, UnknownName
from ..types import CellResult
from .table import Column, Table

_NOTES = (
    "bend: share of ‖H∇f‖², with H the Hessian of the output at initialisation; K: share of ‖∇f‖², the trace of the "
    "tangent kernel. Sums over the probes, medians over seeds; weights: at the largest width. Where a variable's share "
    "of the bend is far above its share of K, the network bends through this variable."
)


def why_table(results: Iterable[CellResult], manifest: Mapping[str, Any], label: str, path: str = "RUN") -> Table:
    """Return the table of one architecture: a row for each variable, the largest share of the bend first.

    Args:
        results, manifest: the run's.
        label: of the architecture, as the standard table prints it.
        path: the run's folder, for the command that measures what is missing.

    Raises:
        NtkbenchError: for an unknown label, and where the run did not measure bend_share of it.
    """
    everything = series(results)
    chosen = [each for each in everything if each.label == label]
    if not chosen:
        raise UnknownName("architecture of this run", label, {each.label for each in everything})
    found = _told_apart([(each, of) for each in chosen if (of := bend_of(each)) is not None])
    if not found:
        raise NtkbenchError(f"This run did not measure bend_share of {label}. {_how_to_measure(manifest, path)}")
    several = len(found) > 1
    first = min(of.first_width for _, of in found)
    last = max(of.last_width for _, of in found)
    widths = dict.fromkeys((first, last))
    columns = [
        Column(("variable",), outside=True),
        Column(("weights",), align="right"),
        *(Column((f"{what} at {width}",), align="right") for what in ("bend", "K") for width in widths),
    ]
    rows: list[tuple[tuple[str, ...], ...]] = []
    for each, of in found:
        condition = f" ({' '.join(each.condition)})" if several and each.condition else ""
        rows += [((f"{name}{condition}",), *cells) for name, cells in why_rows(of)]
    reasons = [" ".join([*(each.condition if several else ()), of.reason]) for each, of in found if of.reason]
    return Table(
        title=f"Which variables bend {label}",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=(*reasons, _NOTES),
        records=tuple(record for each, of in found for record in _records(each, of)),
    )


def why_rows(of: Bend) -> list[tuple[str, list[tuple[str]]]]:
    """Return the name of each variable and its cells: weights, the bend, then K, each at the first and last width."""
    places = (0, 1) if of.first_width != of.last_width else (1,)
    rows: list[tuple[str, list[tuple[str]]]] = []
    for name, shares in of.variables.items():
        known = shares[1] or shares[0]
        size = "–" if known is None or known.size is None else f"{known.size:,}"
        cells = [(_percent(shares[place], what),) for what in ("bend", "kernel") for place in places]
        rows.append((name, [(size,), *cells]))
    return rows


def _percent(share: Share | None, what: str) -> str:
    number = None if share is None else getattr(share, what)
    return "–" if number is None else f"{number:.1%}"


def _told_apart(found: list[tuple[Series, Bend]]) -> list[tuple[Series, Bend]]:
    """Leave out a series that shows what an earlier one shows: series of several radii share these results."""
    different: list[tuple[Series, Bend]] = []
    for each, of in found:
        if all(of != other for _, other in different):
            different.append((each, of))
    return different


def _records(each: Series, of: Bend) -> Iterable[dict[str, Any]]:
    culprits = of.culprits
    for name, shares in of.variables.items():
        first, last = (None if share is None else asdict(share) for share in shares)
        yield {
            "label": each.label,
            "condition": list(each.condition),
            "variable": name,
            "culprit": name in culprits,
            "first_width": of.first_width,
            "first": first,
            "last_width": of.last_width,
            "last": last,
        }


def _how_to_measure(manifest: Mapping[str, Any], path: str) -> str:
    commands = [run.get("command") for run in manifest.get("invocations", ()) if isinstance(run, Mapping)]
    command = next((list(map(str, each)) for each in reversed(commands) if each), None)
    if command is None:
        return f"Add measure='bend' to the same `nb.run` with out={path!r}; what is there is kept."
    words = [*command] if "--out" in command else [*command, "--out", path]
    words += ["--measure", "bend"]
    return f"Give the same command with `--measure bend` added; what is there is kept: {shlex.join(words)}"

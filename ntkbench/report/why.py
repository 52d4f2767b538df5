"""Build the table of one architecture's variables, with their shares of the bend and of the tangent kernel."""

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
    "bend: share of ‖H∇f‖², with H the Hessian of the output at initialisation. K: share of ‖∇f‖², the trace of the "
    "tangent kernel. Shares are summed over the probes, with medians over seeds. weights: number at the largest width. "
    "If a variable's share of the bend is far above its share of K, the network's curvature comes from this variable."
)


def why_table(results: Iterable[CellResult], manifest: Mapping[str, Any], label: str, path: str = "RUN") -> Table:
    """Return the table of one architecture: a row for each variable, the largest share of the bend first.

    Args:
        results: Results of the run.
        manifest: Manifest of the run.
        label: Label of the architecture, as in the standard table.
        path: Folder of the run, for the command in the error message.

    Raises:
        NtkbenchError: If the label is unknown, or the run did not measure bend_share of this architecture.
    """
    everything = series(results)
    chosen = [each for each in everything if each.label == label]
    if not chosen:
        raise UnknownName("architecture", label, {each.label for each in everything}, "in this run")
    found = _without_duplicates([(each, of) for each in chosen if (of := bend_of(each)) is not None])
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
        title=f"Shares of the bend by variable: {label}",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=(*reasons, _NOTES),
        records=tuple(record for each, of in found for record in _records(each, of)),
    )


def why_rows(of: Bend) -> list[tuple[str, list[tuple[str]]]]:
    """Return the name and the cells of each variable: weights, the bend, then K, both at the first and last width."""
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


def _without_duplicates(found: list[tuple[Series, Bend]]) -> list[tuple[Series, Bend]]:
    """Drop series with the same shares as an earlier one, because series at several radii share these results."""
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
        return f"Call the same `nb.run` with measure='bend' added and out={path!r}; finished cells are kept."
    words = [*command] if "--out" in command else [*command, "--out", path]
    words += ["--measure", "bend"]
    return f"Rerun the command with `--measure bend` added; finished cells are kept: {shlex.join(words)}"

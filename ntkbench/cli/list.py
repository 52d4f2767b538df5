"""`ntkbench list`: list everything that is registered, with its distribution and theory's prediction."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from attrs import asdict

from ..errors import NtkbenchError, did_you_mean
from ..plan.arch_spec import Row, label_of, rows_of_family, rows_of_priority
from ..registry.current import registry
from ..registry.manager import Registry
from ..registry.specs import Architecture, Dataset, Entry, Measurement
from ..report.escape import visible
from ..streams import answer, answer_json, answering
from ..types import Theory
from .columns import aligned
from .options import no_plugin, warn_of_plugins

LISTED = ("architectures", "measurements", "datasets", "kernels", "suites")
# Maximum width of each column; longer text is wrapped.
LIMITS = {0: 24, 1: 18, 2: 50, 3: 50}
# The quantities that decide a verdict, with their symbols.
HEADLINES = {"hessian_norm": "‖H‖", "kernel_change_worst": "ΔK worst", "kernel_change_gd": "ΔK gd"}


@click.command("list")
@click.argument("kind", default="architectures", metavar="[architectures|measurements|datasets|kernels|suites]")
@click.option("--family", metavar="NAME", help="Only the architectures of this family, a line for each row.")
@click.option("--priority", metavar="A|B|C", help="Only the architectures of this priority, a line for each row.")
@click.option("--json", "as_json", is_flag=True, help="Print all registered information as JSON.")
@no_plugin
@answering
def command(kind: str, family: str | None, priority: str | None, as_json: bool) -> None:
    """List what is registered; architectures by default.

    For architectures, the columns ‖H‖, ΔK worst and ΔK gd are theory's exponents in width for hessian_norm,
    kernel_change_worst and kernel_change_gd. With --family or --priority, every row is listed by family, with its
    priority and the row to compare it with.
    """
    if kind not in LISTED:
        raise NtkbenchError(f"Unknown kind {kind!r}. {did_you_mean(kind, LISTED)}")
    known = registry()
    entries = list(getattr(known, kind).values())
    chosen = _chosen(known, family, priority) if family is not None or priority is not None else None
    if chosen is not None:
        if kind != "architectures":
            raise NtkbenchError(f"--family and --priority select architectures, but {kind} are to be listed.")
        entries = list({entry.name: entry for entry, _ in chosen}.values())
    if as_json:
        answer_json([to_json(entry) for entry in entries])
    elif chosen is not None:
        answer("\n".join(_lines_by_family(chosen)))
    else:
        answer("\n".join(lines(kind, entries, known)))
    warn_of_plugins(known)


def _chosen(known: Registry, family: str | None, priority: str | None) -> list[Row]:
    """Return the rows of a family, of a priority, or of both."""
    rows = rows_of_family(known, family) if family is not None else rows_of_priority(known, str(priority))
    if family is not None and priority is not None:
        rows_of_priority(known, priority)  # raises for an unknown one
        rows = [(entry, params) for entry, params in rows if entry.priority_of(params) == priority]
        if not rows:
            raise NtkbenchError(
                f"No architecture of the family {family!r} has the priority {priority!r}; omit --priority."
            )
    return rows


def to_json(entry: Entry) -> dict[str, Any]:
    """Return an entry as plain JSON."""
    found: dict[str, Any] = {
        "name": entry.name,
        "summary": entry.summary,
        "distribution": entry.distribution,
        "version": entry.version,
        "params": {name: param.to_json() for name, param in entry.params.items()},
    }
    if isinstance(entry, Architecture):
        found |= {
            "width_means": entry.width_means,
            "inputs": list(entry.inputs),
            "theory": _claims(entry),
            "variants": [dict(variant) for variant in entry.variants],
            "theory_of_variants": {
                label_of(entry.name, variant): _claims(entry.resolved(variant)) for variant in entry.variants if variant
            },
            "depends_on_params": list(entry.by_params),
            "widths": {name: list(widths) for name, widths in entry.widths.items()},
            "family": entry.family,
            "pair": entry.pair,
            "units": entry.units,
            "redraw": entry.redraw,
            "priority": {letter: list(map(dict, sets)) for letter, sets in entry.priority.items()},
            "rows": [_row_to_json(entry, row) for row in entry.rows],
        }
    elif isinstance(entry, Measurement):
        found["quantities"] = [
            {
                "name": quantity.name,
                "key": quantity.key,
                "symbol": quantity.symbol,
                "unit": quantity.unit,
                "reduction": quantity.reduction,
                "direction": quantity.direction,
                "bounds": [_number(bound) for bound in quantity.bounds],
                "summary": quantity.summary,
                "per": quantity.per,
            }
            for quantity in entry.quantities
        ]
        found["curves"] = [
            asdict(curve) | {"bounds": [_number(bound) for bound in curve.bounds]} for curve in entry.curves
        ]
    elif isinstance(entry, Dataset):
        found |= {"forms": list(entry.forms), "members": list(entry.members)}
    return found


def _row_to_json(entry: Architecture, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return one line of the architecture: what depends on its parameters."""
    resolved = entry.resolved(params)
    return {
        "label": label_of(entry.name, params),
        "params": dict(params),
        "priority": entry.priority_of(params),
        "pair": resolved.pair,
        "theory": _claims(resolved),
        "bottleneck": resolved.bottleneck,
        "decided_by": list(resolved.decided_by),
    }


def _claims(entry: Architecture) -> dict[str, dict[str, Any]]:
    return {key: asdict(claim) for key, claim in entry.theory.items()}


def lines(kind: str, entries: Sequence[Entry], known: Registry) -> list[str]:
    """Return the listing of one kind as lines of at most 100 columns."""
    if not entries:
        return [f"No {kind} are registered."]
    if kind == "architectures":
        return _architecture_lines(list(known.architectures.values()))
    rows: list[tuple[str, ...]] = [("name", "from", *_HEADERS.get(kind, ("summary",)))]
    for entry in entries:
        rows += _rows(entry)
    return aligned([tuple(map(visible, row)) for row in rows], limits=LIMITS, fitting=len(rows[0]) - 1)


_HEADERS = {"measurements": ("quantity", "description"), "datasets": ("description", "forms")}


def _rows(entry: Entry) -> Iterable[tuple[str, ...]]:
    """Yield the rows of an entry: its own, and one per quantity and curve of a measurement."""
    if isinstance(entry, Measurement):
        yield entry.name, entry.distribution, "", entry.summary
        for quantity in entry.quantities:
            yield "", "", quantity.key, quantity.summary
        for curve in entry.curves:
            yield "", "", curve.name, f"curve by {curve.x_unit}: {curve.summary}"
    elif isinstance(entry, Dataset):
        forms = f"group of {len(entry.members)}" if entry.members else ", ".join(entry.forms)
        yield entry.name, entry.distribution, entry.summary, forms
    else:
        yield entry.name, entry.distribution, entry.summary


def _architecture_lines(entries: Sequence[Architecture]) -> list[str]:
    sources: dict[str, int] = {}
    rows = [("name", "from", "width is", *HEADLINES.values(), "source")]
    rows += [(entry.name, entry.distribution, entry.width_means, *_theory(entry, sources)) for entry in entries]
    listing = aligned([tuple(map(visible, row)) for row in rows], right=(3, 4, 5), limits=LIMITS | {2: 30}, fitting=2)
    return [*listing, "", *_legend("theory's exponent in width with default parameters", sources)]


def _lines_by_family(chosen: Sequence[Row]) -> list[str]:
    """Return the listing of rows by family: each with its priority and the row to compare it with."""
    sources: dict[str, int] = {}
    rows: list[tuple[str, ...]] = [("row", "priority", "compare with", *HEADLINES.values(), "source")]
    for family in dict.fromkeys(entry.family for entry, _ in chosen):
        rows.append((family or "no family", *[""] * (len(rows[0]) - 1)))
        for entry, params in (row for row in chosen if row[0].family == family):
            of, label = entry.resolved(params), label_of(entry.name, params)
            rows.append((f"  {label}", entry.priority_of(params), of.pair, *_theory(of, sources)))
    listing = aligned([tuple(map(visible, row)) for row in rows], right=(3, 4, 5), limits={0: 36}, fitting=2)
    return [*listing, "", *_legend("theory's exponent in width", sources)]


def _theory(entry: Architecture, sources: dict[str, int]) -> tuple[str, ...]:
    """Return the exponents of the headline quantities and the numbers of their sources, which enter `sources`."""
    laws = [entry.theory.get(quantity) for quantity in HEADLINES]
    numbers = [sources.setdefault(law.source, len(sources) + 1) for law in laws if law is not None]
    exponents = ["–" if law is None else _exponent(law) for law in laws]
    return (*exponents, "".join(f"[{number}]" for number in dict.fromkeys(numbers)))


def _legend(what: str, sources: Mapping[str, int]) -> list[str]:
    symbols = ", ".join(f"{symbol} {quantity}" for quantity, symbol in HEADLINES.items())
    return [*textwrap.wrap(f"{symbols}: {what}, ≤ an upper bound.", 98), *_numbered(sources)]


def _exponent(of: Theory) -> str:
    return ("≤" * (of.kind == "upper bound") + f"{of.exponent:.3g}").replace("-", "−")


def _numbered(sources: Mapping[str, int]) -> list[str]:
    return aligned([(f"[{number}]", visible(source)) for source, number in sources.items()], limits={1: 92})


def _number(bound: float) -> float | None:
    """Return a bound, or None when it is infinite: JSON has no infinity."""
    return bound if abs(bound) != float("inf") else None

"""What is registered of the rows of a run: their families, and the rows to compare with each other.

Runs and receipts do not hold these. They come from the packages that are installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..analysis.laws import Series
from ..analysis.scaling import FLAT
from ..analysis.verdicts import Verdict
from ..errors import NtkbenchError
from ..plan.arch_spec import parse_params
from ..registry.manager import Registry
from ..registry.specs import Architecture, Remembered
from .verdict_words import shown_law

OTHER = "other"
"""Family of the architectures that are not installed, or are registered without a family."""
GROWS = "grow"
"""Value of a parameter that grows with width."""


def entry_of(of: Series, registry: Registry) -> Architecture | None:
    """Return the registered architecture of a series, None if it is not installed or another package's here."""
    cell = of.results[0].cell
    entry = registry.subjects.get(cell.architecture)
    return entry if entry is not None and entry.distribution == cell.architecture_plugin else None


def family_of(entry: Architecture | None) -> str:
    """Return the family of an architecture, `OTHER` if there is none."""
    return (entry.family if entry is not None else "") or OTHER


def pair_of(entry: Architecture, params: Mapping[str, Any]) -> str:
    """Return the registered pair for these parameters, "" for none or for parameters that are not valid here."""
    function = entry.by_params.get("pair")
    try:
        if isinstance(function, Remembered):  # to call it for other parameters would import the plugin
            return str(function.known.get(Remembered.key(entry.resolve(params)), ""))
        return entry.pair if function is None else entry.resolved(params).pair
    except NtkbenchError:
        return ""


def compared(found: Sequence[Series], registry: Registry) -> list[tuple[int, int]]:
    """Return the pairs of series of one run to compare, as indices.

    These are the pairs of which one fixes a parameter that grows with width in the other, and the registered pairs, if
    both were measured under the same condition.
    """
    places: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for i, each in enumerate(found):
        places.setdefault((each.architecture, each.condition), []).append(i)
    pairs: dict[frozenset[int], tuple[int, int]] = {}
    for i, each in enumerate(found):
        entry = entry_of(each, registry)
        name, wanted = _parsed("" if entry is None else pair_of(entry, each.params), registry)
        others = [j for j in places[each.architecture, each.condition] if _fixes(found[j].params, each.params)]
        others += [j for j in places.get((name, each.condition), ()) if j != i and found[j].params == wanted]
        for j in others:
            pairs.setdefault(frozenset((i, j)), (j, i))
    return list(pairs.values())


def joined(
    found: Sequence[Verdict], families: Sequence[str], pairs: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return the pairs of `compared` to join by a line on the map.

    These are the rows of which one fixes what grows in the other, and those of one family of which one falls with width
    while the other does not. Most rows of a family have one and the same pair, and lines to it would say nothing.

    Args:
        found: The verdicts on all rows.
        families: The families of all rows.
        pairs: The pairs, as indices.
    """
    return [
        (i, j)
        for i, j in pairs
        if _fixes(found[i].series.params, found[j].series.params)
        or (families[i] == families[j] and _falls(found[i]) != _falls(found[j]))
    ]


def _falls(of: Verdict) -> bool:
    law = shown_law(of)
    return law is not None and law.fit.slope is not None and law.fit.slope < -FLAT


def _fixes(params: Mapping[str, Any], growing: Mapping[str, Any]) -> bool:
    """Return whether parameters differ from others in one that grows in the others."""
    differ = [name for name in params.keys() | growing.keys() if params.get(name) != growing.get(name)]
    return len(differ) == 1 and growing.get(differ[0]) == GROWS


def _parsed(spec: str, registry: Registry) -> tuple[str, Mapping[str, Any] | None]:
    """Return the name and all parameters of a SPEC; no parameters if it is not valid here."""
    name, _, text = spec.partition(":")
    entry = registry.subjects.get(name)
    if not spec or entry is None:
        return name, None
    try:
        return name, entry.params_of_cells(parse_params(text, spec))
    except NtkbenchError:
        return name, None

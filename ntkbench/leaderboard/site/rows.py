"""What the site shows of a row besides its verdict: the registered architecture, its family and the rows beside it.

Receipts do not hold these. They come from the packages that are installed where the site is built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from ...analysis.scaling import FLAT
from ...errors import NtkbenchError
from ...plan.arch_spec import parse_params
from ...registry.manager import Registry
from ...registry.specs import Architecture, Remembered
from ...report.linearity_map import shown_law
from ...report.verdict_words import name_of
from ..build import Row
from .addresses import stems

OTHER = "other"
"""Family of the architectures that are not installed, or are registered without a family."""
GROWS = "grow"
"""Value of a parameter that grows with width."""


@frozen
class SiteRow:
    """A row of the board on the site.

    Attributes:
        row: The row.
        name: Its name: the label, and the condition if several rows of the submission have this label.
        stem: File name of its page, without extension.
        entry: The registered architecture; None if its package is not installed.
        pair: Name of the registered architecture to compare it with, "" for none.
    """

    row: Row
    name: str
    stem: str
    entry: Architecture | None
    pair: str = ""

    @property
    def params(self) -> Mapping[str, Any]:
        """All parameters."""
        return self.row.verdict.series.params

    @property
    def family(self) -> str:
        """Family of the architecture."""
        return (self.entry.family if self.entry is not None else "") or OTHER


def site_rows(rows: Sequence[Row], registry: Registry) -> list[SiteRow]:
    """Return the rows of a board with what is registered of them, in the same order."""
    names = [(name_of(row.verdict), row.receipt.name) for row in rows]
    return [
        SiteRow(row, name, stem, entry, "" if entry is None else _pair(entry, row.verdict.series.params))
        for row, (name, _), stem in zip(rows, names, stems(names), strict=True)
        for entry in (_entry(row, registry),)
    ]


def _entry(row: Row, registry: Registry) -> Architecture | None:
    """Return the architecture of a row, None if it is not installed or belongs to another package here."""
    cell = row.verdict.series.results[0].cell
    entry = registry.subjects.get(cell.architecture)
    return entry if entry is not None and entry.distribution == cell.architecture_plugin else None


def _pair(entry: Architecture, params: Mapping[str, Any]) -> str:
    """Return the registered pair for these parameters, "" for none or for parameters that are not valid here."""
    function = entry.by_params.get("pair")
    try:
        if isinstance(function, Remembered):  # to call it for other parameters would import the plugin
            return str(function.known.get(Remembered.key(entry.resolve(params)), ""))
        return entry.pair if function is None else entry.resolved(params).pair
    except NtkbenchError:
        return ""


def compared(rows: Sequence[SiteRow], registry: Registry) -> list[tuple[int, int]]:
    """Return the pairs of rows to compare, as indices: of which one fixes what grows, and registered pairs.

    Both rows are of one submission, and were measured under the same condition.
    """
    places: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
    for i, each in enumerate(rows):
        of = each.row.verdict.series
        places.setdefault((each.row.receipt.hash, of.architecture, of.condition), []).append(i)
    found: dict[frozenset[int], tuple[int, int]] = {}
    for (receipt, _, condition), own in places.items():
        for i in own:
            name, wanted = _parsed(rows[i].pair, registry)
            others = [j for j in own if _fixes(rows[j].params, rows[i].params)]
            others += [j for j in places.get((receipt, name, condition), ()) if j != i and rows[j].params == wanted]
            for j in others:
                found.setdefault(frozenset((i, j)), (j, i))
    return list(found.values())


def joined(rows: Sequence[SiteRow], pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the pairs of `compared` to join by a line on the map.

    These are the rows of which one fixes what grows in the other, and those of one family of which one falls with width
    while the other does not. Most rows of a family have one and the same pair, and lines to it would say nothing.
    """
    return [
        (i, j)
        for i, j in pairs
        if _fixes(rows[i].params, rows[j].params)
        or (rows[i].family == rows[j].family and _falls(rows[i]) != _falls(rows[j]))
    ]


def _falls(of: SiteRow) -> bool:
    law = shown_law(of.row.verdict)
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

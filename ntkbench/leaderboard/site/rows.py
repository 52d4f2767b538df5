"""The rows of a board on the site: their names, files and families."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from ...registry.manager import Registry
from ...registry.specs import Architecture
from ...report.pairs import compared, entry_of, family_of
from ...report.verdict_words import name_of
from ..build import Row
from .addresses import stems


@frozen
class SiteRow:
    """A row of the board on the site.

    Attributes:
        row: The row.
        name: Its name: the label, and the condition if several rows of the submission have this label.
        stem: File name of its page, without extension.
        entry: The registered architecture; None if its package is not installed.
    """

    row: Row
    name: str
    stem: str
    entry: Architecture | None

    @property
    def family(self) -> str:
        """Family of the architecture."""
        return family_of(self.entry)


def site_rows(rows: Sequence[Row], registry: Registry) -> list[SiteRow]:
    """Return the rows of a board with what is registered of them, in the same order."""
    names = [(name_of(row.verdict), row.receipt.name) for row in rows]
    return [
        SiteRow(row, name, stem, entry_of(row.verdict.series, registry))
        for row, (name, _), stem in zip(rows, names, stems(names), strict=True)
    ]


def pairs_of(rows: Sequence[SiteRow], registry: Registry) -> list[tuple[int, int]]:
    """Return the pairs of rows to compare, as indices; both rows are of one submission."""
    by_receipt: dict[str, list[int]] = {}
    for i, each in enumerate(rows):
        by_receipt.setdefault(each.row.receipt.hash, []).append(i)
    return [
        (own[i], own[j])
        for own in by_receipt.values()
        for i, j in compared([rows[place].row.verdict.series for place in own], registry)
    ]

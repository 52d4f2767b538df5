"""A table as plain data, and its writers."""

from __future__ import annotations

import functools
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, Literal

import tabulate
from attrs import field, frozen

from ..errors import NtkbenchError, did_you_mean
from . import escape

FORMATS = tuple(sorted(tabulate.tabulate_formats))
"""Names of tabulate's formats; `Table.text` supports all of them."""

HEADING = 18
"""Number of characters at which the headings of blocks are wrapped."""
_LINES = frozenset(
    {"plain", "simple", "presto", "pretty", "psql"} | {name for name in FORMATS if name.endswith(("grid", "outline"))}
)
_LATEX = frozenset({"latex", "latex_raw", "latex_booktabs", "latex_longtable"})
_HTML = frozenset({"html", "unsafehtml"})
_MARKDOWN = frozenset({"github", "pipe"})
_WIKI = frozenset({"asciidoc", "jira", "mediawiki", "moinmoin", "orgtbl", "textile", "youtrack"})
_DATA = frozenset({"tsv"})


@frozen
class Column:
    """A column of a table.

    Attributes:
        header: Lines of the header, which are parts of one word.
        align: Alignment of the cells.
        outside: Whether the cells contain untrusted text, such as names.
    """

    header: tuple[str, ...]
    align: Literal["left", "right", "center"] = "left"
    outside: bool = False


@frozen
class Table:
    """A table: cells of one or more lines, notes below them, and the underlying numbers.

    Attributes:
        title: Title; a table that stands under a heading of its own may have none.
        columns: Columns.
        rows: Cells [rows, columns], each a tuple of lines.
        blocks: Headings of consecutive rows, with the index of their first row; empty for one block without a heading.
            Formats for data have a column instead of headings.
        block_name: What the headings are, such as "dataset".
        notes: Sentences to show below the cells.
        settings: Plain JSON for `to_json`.
        records: Plain JSON for `to_json`, one record for each row.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[tuple[str, ...], ...], ...]
    blocks: Mapping[int, str] = field(factory=dict, kw_only=True)
    block_name: str = field(default="block", kw_only=True)
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(factory=dict)
    records: tuple[Mapping[str, Any], ...] = ()

    def text(self, format: str = "simple", width: int = 100) -> str:
        """Format the table in one of tabulate's formats, with a line feed at the end.

        If a format has no multi-line cells, their lines are joined.

        Args:
            format: Name of the format; one of `FORMATS`.
            width: Number of characters at which notes are wrapped.

        Raises:
            NtkbenchError: If the format is unknown.
        """
        if format not in FORMATS:
            raise NtkbenchError(f"Unknown table format {format!r}. {did_you_mean(format, FORMATS)}")
        clean = _escape_of(format)
        columns, rows = self._with_blocks(format)
        headers = [_header(column, format, clean) for column in columns]
        body = [
            [_cell(lines, column, format, clean) for lines, column in zip(row, columns, strict=True)] for row in rows
        ]
        grid = tabulate.tabulate(
            body,
            headers,
            tablefmt=_TABULATE_NAME.get(format, format),
            colalign=[column.align for column in columns] if body else None,
            disable_numparse=True,
            preserve_whitespace=format in _LINES,
        )
        if format in _LATEX:
            grid = escape.latex_symbols(grid)
        if format in _DATA:
            # tabulate pads cells with spaces around the tabs.
            grid = re.sub(r" *\t *", "\t", grid)
        grid = "\n".join(line.rstrip(" ") for line in grid.split("\n"))
        return _framed(self.title, grid, self.notes, format, width)

    def _with_blocks(self, format: str) -> tuple[list[Column], list[tuple[tuple[str, ...], ...]]]:
        """Return columns and rows with the headings of the blocks, or with a column of them in formats for data."""
        if not self.blocks:
            return list(self.columns), list(self.rows)
        rows: list[tuple[tuple[str, ...], ...]] = []
        heading = ""
        for place, row in enumerate(self.rows):
            heading = self.blocks.get(place, heading)
            if format in _DATA:
                rows.append(((heading,), *row))
                continue
            if place in self.blocks:
                lines = wrapped(f"{self.block_name} {heading}:", HEADING)
                rows.append((tuple(lines), *[("",)] * (len(row) - 1)))
            rows.append(row)
        extra = [Column((self.block_name,), outside=True)] if format in _DATA else []
        return [*extra, *self.columns], rows

    def markdown(self) -> str:
        """Return the table in GitHub's Markdown."""
        return self.text("github")

    def latex(self) -> str:
        """Return the table as a LaTeX tabular with booktabs rules, and its notes as comments. ✓ needs amssymb."""
        return self.text("latex_booktabs")

    def to_json(self) -> dict[str, Any]:
        """Return title, settings, rows and notes as plain JSON, at full precision and without NaN."""
        return {
            "title": self.title,
            "settings": dict(self.settings),
            "rows": [dict(record) for record in self.records],
            "notes": list(self.notes),
        }


def wrapped(text: str, width: int) -> list[str]:
    """Return text as lines of at most `width` characters, broken at spaces and hyphens, or anywhere in long words."""
    return textwrap.wrap(text, width) or [""]


# tabulate's "html" would escape our <br>; with "unsafehtml" we escape the cells ourselves.
_TABULATE_NAME = {"html": "unsafehtml"}


def _escape_of(format: str) -> Callable[[str], str]:
    if format in _HTML:
        return escape.html
    if format in _MARKDOWN:
        return escape.markdown
    if format == "latex_raw":
        return escape.latex
    if format in _WIKI:
        return escape.wiki
    if format == "rst":
        return escape.rst
    # tabulate escapes the other LaTeX formats itself; plain text only needs its control characters made visible.
    return escape.visible


def _header(column: Column, format: str, clean: Callable[[str], str]) -> str:
    return (
        "\n".join(clean(line.strip()) for line in column.header) if format in _LINES else clean("".join(column.header))
    )


def _cell(lines: tuple[str, ...], column: Column, format: str, clean: Callable[[str], str]) -> str:
    if format in _DATA and column.outside:
        lines = (escape.spreadsheet(lines[0]), *lines[1:])
    if format in _LINES:
        return "\n".join(map(clean, lines))
    return ("<br>" if format in _HTML | _MARKDOWN else " ; ").join(clean(line.strip()) for line in lines)


def _framed(title: str, grid: str, notes: tuple[str, ...], format: str, width: int) -> str:
    title = escape.visible(title)
    notes = tuple(map(escape.visible, notes))
    if format in _DATA:
        return f"{grid}\n"
    if format in _LATEX:
        return "\n".join([f"% {title}", grid, *(f"% {note}" for note in notes)]) + "\n"
    if format in _HTML:
        parts = [
            f"<p><strong>{escape.html(title)}</strong></p>",
            grid,
            *(f"<p>{escape.html(note)}</p>" for note in notes),
        ]
        return "\n".join(parts) + "\n"
    if format in _MARKDOWN:
        heading = f"**{escape.markdown(title)}**" if title else ""
        parts = [heading, grid, "\n".join(f"- {escape.markdown(note)}" for note in notes)]
        return "\n\n".join(part for part in parts if part) + "\n"
    clean = _escape_of(format)
    wrap = functools.partial(textwrap.fill, width=width, subsequent_indent="  ", break_on_hyphens=False)
    parts = [wrap(clean(title)), grid, "\n".join(wrap(clean(note)) for note in notes)]
    return "\n\n".join(part for part in parts if part).rstrip() + "\n"

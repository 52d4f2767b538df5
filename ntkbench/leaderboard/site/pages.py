"""The pages of the site, from finished values; the templates escape everything."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from ... import numbers
from ..._version import __version__
from ...analysis.agreement import MARKS
from ...analysis.laws import Law, law, result_keys
from ...analysis.verdicts import GD, NAMES, SLOPE
from ...report.linearity_map import Place, linearity_map, place_of
from ...report.page import details, sort_key
from ...report.pairs import OTHER, joined
from ...report.template import from_markdown, render, script
from ...report.verdict_words import (
    FLOOR_AND_THEORY,
    exponent,
    flags,
    floor,
    meaning,
    shown_law,
    tenth,
    theory_mark,
    ties,
)
from ...store.manifest import catalogue, theory
from ...types import Quantity, Status
from ..build import Board, board_table
from ..receipt import Receipt
from ..records import Record
from .addresses import stem
from .changes import Changes
from .command import command_of, packages_of
from .rows import SiteRow

WIDE, NARROW = (900, 540), (400, 460)
"""Sizes of the two drawings of the map, of which the style sheet shows one."""
_HEADS = (
    "architecture", "verdict", "exponent", "family", "level", "W₁₀", "floor", "gd", "theory", "ties", "notes", "cells",
    "re-run", "submission",
)  # fmt: skip
_COLOURS = {"linear": "#00664a", "falling": "#7a5c00", "non-linear": "#a33a00"}
_LETTER = 6.6
"""Width of a letter on a badge."""


@frozen
class Site:
    """What all pages of a site share.

    Attributes:
        board: The board.
        rows: The rows, in the order of the board.
        pairs: Pairs of rows to compare, as indices.
        has_rules: Whether there is a page of the rules.
        url: Address under which the site is published, "" if it is unknown.
    """

    board: Board
    rows: tuple[SiteRow, ...]
    pairs: tuple[tuple[int, int], ...]
    has_rules: bool = False
    url: str = ""

    def render(self, template: str, *, deep: bool = True, scripts: Sequence[str] = (), **values: Any) -> bytes:
        """Return a page. deep: whether it is in a folder of the site. scripts: templates of its scripts."""
        text = script(*scripts) if scripts else ""
        hash_ = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        return render(
            f"site/{template}",
            root="../" if deep else "",
            version=__version__,
            has_rules=self.has_rules,
            script={"text": text, "hash": f"sha256-{hash_}"} if scripts else None,
            **values,
        ).encode()

    @functools.cached_property
    def lines(self) -> list[dict[str, Any]]:
        """The cells of each row in the tables."""
        return [_line(row, self.board.grouping.radius) for row in self.rows]

    @functools.cached_property
    def submissions(self) -> list[str]:
        """The names of the submissions on the board."""
        return sorted({row.row.receipt.name for row in self.rows})

    @functools.cached_property
    def repeated(self) -> dict[str, list[int]]:
        """The indices of the rows of each name that several submissions have measured."""
        found: dict[str, list[int]] = {}
        for i, row in enumerate(self.rows):
            found.setdefault(row.name, []).append(i)
        return {name: own for name, own in found.items() if len(own) > 1}


def _line(of: SiteRow, radius: float | None) -> dict[str, Any]:
    found = of.row.verdict
    shown, gd = shown_law(found), found.laws.get(GD)
    level = None if shown is None else shown.fit.last_value
    below, at = floor(found), tenth(found)
    return {
        "name": of.name,
        "href": f"rows/{of.stem}.html",
        "family": of.family,
        "verdict": found.name,
        "verdict_key": NAMES.index(found.name),
        "exponent": exponent(shown),
        "exponent_key": sort_key(shown),
        "stands_in": shown is not None and shown.key == SLOPE,
        "level": "–" if level is None else numbers.value(level),
        "level_key": "" if level is None else f"{level:.6g}",
        "tenth": at,
        "tenth_key": {"any": "0", "∞": "1e12"}.get(at, at.strip("<> ")),
        "floor": below,
        "floor_key": below.partition("%")[0],
        "gd": exponent(gd),
        "gd_key": sort_key(gd),
        "theory": theory_mark(shown),
        "ties": of.row.ties,
        "notes": flags(found, radius),
        "ok": sum(result.status == Status.OK for result in found.series.results),
        "cells": len(found.series.results),
        "rerun": of.row.verified,
        "submission": of.row.receipt.name,
        "submission_href": f"submissions/{of.row.receipt.name}.html",
    }


def front_page(site: Site, submissions: Sequence[Mapping[str, str]]) -> bytes:
    """Return index.html. submissions: name and status of every submission."""
    places: list[Place] = []
    index: dict[int, int] = {}
    missing = []
    for i, (row, line) in enumerate(zip(site.rows, site.lines, strict=True)):
        name = f"{row.name} of {row.row.receipt.name}" if row.name in site.repeated else row.name
        place = place_of(row.row.verdict, row.family, name, line["href"])
        if place is None:
            missing.append((name, line["href"], _why_missing(row)))
        else:
            index[i] = len(places)
            places.append(place)
    lines = joined([row.row.verdict for row in site.rows], [row.family for row in site.rows], site.pairs)
    pairs = [(index[i], index[j]) for i, j in lines if i in index and j in index]
    maps = [drawn for size in (WIDE, NARROW) if (drawn := linearity_map(places, pairs, *size)) is not None]
    choices = (
        ("family", "Family", sorted({row.family for row in site.rows})),
        ("verdict", "Verdict", [name for name in NAMES if any(line["verdict"] == name for line in site.lines)]),
        ("submission", "Submission", site.submissions),
    )
    return site.render(
        "index.html.j2",
        deep=False,
        scripts=("table.js.j2", "site/map.js.j2"),
        maps=maps,
        missing=missing,
        stand_ins=any(place.stands_in for place in places),
        families_unknown=any(row.family == OTHER for row in site.rows),
        rows=site.lines,
        heads=_HEADS,
        choices=choices,
        columns=FLOOR_AND_THEORY,
        legend=(meaning(), ties(site.board.grouping.unmarked)),
        submissions=submissions,
        notes=board_table(site.board).notes,
    )


def _why_missing(of: SiteRow) -> str:
    shown = shown_law(of.row.verdict)
    if shown is None:
        return "no kernel change and no kernel_slope"
    return "0 at every width" if shown.fit.is_zero else shown.fit.note or "no exponent"


def row_page(site: Site, i: int, keys: Mapping[str, Quantity]) -> bytes:
    """Return the page of a row.

    Args:
        site: The site.
        i: Index of the row.
        keys: The quantities that its receipt holds, by result key.
    """
    row, line = site.rows[i], site.lines[i]
    found, receipt = row.row.verdict, row.row.receipt
    claims = theory(receipt.manifest)
    laws = [law(found.series, key, quantity, claims) for key, quantity in keys.items()]
    laws = [each for each in laws if each.measured]
    means = receipt.manifest.get("width_means", {})
    shown = shown_law(found)
    several = row.name in site.repeated
    others = dict.fromkeys(b if a == i else a for a, b in site.pairs if i in (a, b))
    badge = _badge_words([line])
    return site.render(
        "row.html.j2",
        fold=details(found.series, laws, found, str(means.get(found.series.architecture, ""))) | {"advice": ""},
        unfolded=True,
        summary=_sentence("" if row.entry is None else row.entry.summary),
        unknown=_unknown(row),
        verdict=found.name,
        exponent=line["exponent"],
        quantity="" if shown is None else shown.key,
        reason=found.reason,
        decide=found.what_would_decide(),
        submission=receipt.name,
        family=row.family,
        compare=[(site.rows[j].name, f"{site.rows[j].stem}.html") for j in others],
        several=f"{stem(row.name)}.html" if several else "",
        theory=_theory(claims.get(found.series.label, {}), {each.key: each for each in laws}),
        command=command_of(found.series, catalogue(receipt.manifest)),
        packages=packages_of(found.series),
        stem=row.stem,
        badge=row.stem,
        badge_text=f"linearity: {badge}",
        badge_markdown=_badge_markdown(site, row.stem, badge),
        url=site.url,
    )


def keys_of(receipt: Receipt) -> dict[str, Quantity]:
    """Return the quantities that a receipt holds, by result key."""
    return result_keys(receipt.results, catalogue(receipt.manifest))


def _unknown(of: SiteRow) -> str:
    if of.entry is not None:
        return ""
    cell = of.row.verdict.series.results[0].cell
    package = f"{cell.architecture_plugin} {cell.architecture_version}".strip() or "an unknown package"
    return (
        f"It is registered by {package}, which was not installed where this site was built; its summary, its family "
        "and the row to compare it with are therefore not known."
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "." if text else ""


def _theory(claims: Mapping[str, Any], laws: Mapping[str, Law]) -> list[dict[str, str]]:
    return [
        {
            "key": key,
            "claim": numbers.theory_claim(claim) + (f" from width {claim.from_width}" if claim.from_width > 1 else ""),
            "measured": exponent(laws.get(key)),
            "agrees": MARKS[laws[key].agrees] if key in laws else "",
            "source": claim.source,
        }
        for key, claim in sorted(claims.items(), key=lambda item: item[0] not in laws)
    ]


def label_page(site: Site, name: str, own: Sequence[int]) -> bytes:
    """Return the page of a name that several submissions have measured. own: indices of its rows."""
    lines = [site.lines[i] for i in own]
    return site.render(
        "label.html.j2", name=name, rows=lines, badge=stem(name), badge_text=f"linearity: {_badge_words(lines)}"
    )


def badge(site: Site, own: Sequence[int]) -> bytes:
    """Return the badge of rows of one name, as an SVG file."""
    lines = [site.lines[i] for i in own]
    text = _badge_words(lines)
    verdicts = {line["verdict"] for line in lines}
    colour = _COLOURS.get(verdicts.pop(), "#5b6470") if len(verdicts) == 1 else "#5b6470"
    left, right = (round(len(words) * _LETTER + 12) for words in ("linearity", text))
    return render("site/badge.svg.j2", label="linearity", text=text, left=left, right=right, colour=colour).encode()


def _badge_words(lines: Sequence[Mapping[str, Any]]) -> str:
    verdicts = {line["verdict"] for line in lines}
    if len(verdicts) > 1:
        return f"{len(verdicts)} verdicts"
    exponents = {line["exponent"] for line in lines}
    return " ".join([*verdicts, *(exponents if len(exponents) == 1 and exponents != {"–"} else ())])


def _badge_markdown(site: Site, of: str, words: str) -> str:
    base = f"{site.url.rstrip('/')}/" if site.url else ""
    return f"[![linearity: {words}]({base}rows/{of}.svg)]({base}rows/{of}.html)"


def submission_page(
    site: Site,
    name: str,
    hash_: str,
    status: str,
    receipt: Receipt | None,
    records: Sequence[Record],
    names: Mapping[str, str],
) -> bytes:
    """Return the page of a submission.

    Args:
        site: The site.
        name: Name of the submission.
        hash_: Hash of its receipt.
        status: What became of it, in words.
        receipt: The receipt; None if it is not on the board.
        records: The records on it.
        names: Names of all submissions by the hashes of their receipts.
    """
    return site.render(
        "submission.html.j2",
        name=name,
        hash=hash_,
        status=status,
        remarks=[remark for remark in site.board.remarks if remark.startswith(f"{name} ")],
        records=[
            {**{key: getattr(record, key) for key in ("kind", "by", "date", "why", "cells", "agreed")},
             "successor": names.get(record.replaced_by, "")}
            for record in records
        ],
        facts=[] if receipt is None else _facts(receipt),
        rows=[line for line in site.lines if line["submission"] == name],
        environment=[] if receipt is None else [(str(key), _plain(of)) for key, of in receipt.environment.items()],
        verify=f"ntkbench leaderboard verify {shlex.quote(f'submissions/{name}.json')} --cells 3 --by YOU",
    )  # fmt: skip


def _plain(of: Any) -> str:
    return of if isinstance(of, str) else json.dumps(of, sort_keys=True, ensure_ascii=False)


def _facts(of: Receipt) -> list[tuple[str, str]]:
    results = of.results
    cell = results[0].cell
    states = Counter(str(result.status) for result in results)
    packages = {(each.cell.architecture_plugin, each.cell.architecture_version) for each in results}
    packages |= {(each.cell.measurement_plugin, each.cell.measurement_version) for each in results}
    return [
        ("Cells", f"{len(results)}: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items()))),
        ("Seeds", str(len({result.cell.seed for result in results}))),
        ("Probes", str(cell.settings.get("n_probes", "–"))),
        ("Dataset", cell.dataset_label),
        ("Precision", cell.precision),
        ("Devices", ", ".join(sorted({result.device for result in results if result.device})) or "–"),
        ("Measurement time", f"{sum(result.seconds for result in results):,.0f} s"),
        ("Packages", ", ".join(sorted(f"{name} {version}".strip() for name, version in packages if name))),
        ("Written by", f"ntkbench {of.version}"),
    ]


def rules_page(site: Site, text: str) -> bytes:
    """Return rules.html. text: the rules in Markdown."""
    return site.render("rules.html.j2", deep=False, text=from_markdown(text))


def changes_page(site: Site, of: Changes) -> bytes:
    """Return changes.html."""
    return site.render("changes.html.j2", deep=False, against=of.against, sections=list(of.sections.items()))

"""Build the table of methods over datasets: a row for each architecture at a width, and aggregates over datasets."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

from attrs import asdict, evolve

from .. import numbers
from ..analysis.laws import Series
from ..analysis.methods import Contest, Score, close_to_best, contest
from ..errors import NtkbenchError, UnknownName
from ..types import Direction, Width
from .table import Column, Table, wrapped

Better = Literal["lower", "higher"]
DEFAULTS = ("test_error", "kernel_change_gd")
WIDTH = 100
"""Maximum number of characters of a line; the datasets have columns if they fit."""
_NAME = 10
_LISTED = 5
_ERROR = re.compile(r"(?:.*_)?(?:test|train|validation)_error(?:_.*)?\Z|error\Z")
_ACCURACY = re.compile(r"(?:.*_)?accuracy(?:_.*)?\Z")

Values = dict[str, dict[str, list[float]]]
"""Values of the seeds, by subject and dataset."""


def method_table(
    rows: Iterable[Mapping[str, Any]],
    quantity: str = "",
    better: Better | None = None,
    directions: Mapping[str, Direction] | None = None,
) -> Table:
    """Return the table of one quantity, with the best mean rank first.

    Args:
        rows: Tidy results with the columns of `Run.frame()`. An optional column "subject" names the method; default:
            the architecture.
        quantity: Name of the quantity, or "name:reduction"; default: the first of `DEFAULTS` that was measured.
        better: Whether "lower" or "higher" values are better; default: the declared direction, and "lower" for errors.
        directions: The declared direction of each quantity, by name.

    Raises:
        NtkbenchError: The quantity was not measured, it is not known which values are better, or two values belong to
            the same place of the table.
    """
    rows = list(rows)
    name, own = _rows_of(rows, quantity)
    higher = _better(name, better, (directions or {}).get(name, "none")) == "higher"
    values = _values(own)
    means = {subject: {d: fmean(v) for d, v in held.items() if v} for subject, held in values.items()}
    empty = [subject for subject, held in means.items() if not held]
    means = {subject: held for subject, held in means.items() if held}
    accuracies, of_what = _accuracies(name, means)
    found = contest(means, higher=higher, accuracies=accuracies)
    datasets = list(dict.fromkeys(dataset for held in values.values() for dataset in held))
    order = sorted(means, key=lambda subject: (found.scores[subject].rank if found.scores else 0, subject))
    seeds = sorted({len(v) for held in values.values() for v in held.values() if v})
    heads = _heads(accuracies is not None)

    def table(shown: Sequence[str]) -> Table:
        columns = [Column(("method",), outside=True)]
        columns += [Column(tuple(wrapped(dataset, _NAME)), outside=True) for dataset in shown]
        columns += [Column((head,), align="right") for head in heads]
        rows = [
            (
                (subject,),
                *((_number(means[subject].get(dataset)),) for dataset in shown),
                *((text,) for text in _texts(found.scores.get(subject), accuracies is not None)),
            )
            for subject in order
        ]
        return Table(
            title=_title(name, higher, len(datasets), seeds),
            columns=tuple(columns),
            rows=tuple(rows),
            notes=tuple(_notes(name, found, datasets, means, empty, seeds, of_what, bool(shown))),
            settings={
                "quantity": name,
                "better": "higher" if higher else "lower",
                "datasets": datasets,
                "compared_on": list(found.datasets),
                "accuracy": of_what,
                "friedman_chi2": found.chi2,
                "friedman_p": found.p,
                "critical_difference": found.critical,
            },
            records=tuple(
                {"method": subject, "values": means[subject]}
                | (asdict(found.scores[subject]) if subject in found.scores else {})
                for subject in order
            ),
        )

    whole = table(datasets)
    return whole if max(map(len, whole.text().splitlines())) <= WIDTH else table([])


def with_order(table: Table, order: Sequence[str], source: str) -> Table:
    """Return a table of methods with a note that puts the order of a source beside the order of its mean ranks.

    Args:
        table: The table.
        order: Labels of architectures, the best one first; empty for no note.
        source: The source of the order.
    """
    if not order:
        return table
    found = [str(record["method"]).rpartition(" ")[0] for record in table.records]
    note = (
        f"Order in the source: {', '.join(order)} ({source}). "
        f"Order found: {', '.join(each for each in found if each in order)}."
    )
    settings = {**table.settings, "order_of_source": list(order), "source": source}
    return evolve(table, notes=(*table.notes, note), settings=settings)


def named(rows: Iterable[Mapping[str, Any]], all_series: Iterable[Series]) -> list[dict[str, Any]]:
    """Return tidy rows with a column "subject": the label and what sets it apart from others, except the dataset."""
    names: dict[str, str] = {}
    for each in all_series:
        name = " ".join([each.label, *(word for word in each.condition if word != each.dataset)])
        for result in each.results:
            names.setdefault(result.cell.key, name)
    return [{**row, "subject": names.get(row["cell"], row["architecture"])} for row in rows]


def _rows_of(rows: Sequence[Mapping[str, Any]], quantity: str) -> tuple[str, list[Mapping[str, Any]]]:
    """Return the name of the quantity and its rows."""
    measured = dict.fromkeys(str(row["quantity"]) for row in rows)
    if not quantity:
        quantity = next((name for name in DEFAULTS if name in measured), "")
        if not quantity:
            raise NtkbenchError(
                f"This run measured neither {' nor '.join(DEFAULTS)}. Choose a quantity with --quantity: "
                f"{', '.join(measured) or 'none was measured'}."
            )
    name, _, reduction = quantity.partition(":")
    own = [row for row in rows if row["quantity"] == name and (not reduction or row["reduction"] == reduction)]
    if not own:
        raise UnknownName("quantity", quantity, measured, "in this run")
    reductions = list(dict.fromkeys(str(row["reduction"]) for row in own))
    # "hessian_norm" is its first reduction, as in the standard table; "hessian_norm:max" selects another one.
    return name, [row for row in own if row["reduction"] == reductions[0]]


def _better(name: str, asked: Better | None, declared: Direction) -> Better:
    if asked is not None:
        return asked
    if declared != "none":
        return declared
    if _ERROR.match(name):
        return "lower"
    if _ACCURACY.match(name):
        return "higher"
    raise NtkbenchError(
        f"It is not declared whether lower or higher values of {name} are better. Add --better lower or "
        "--better higher."
    )


def _values(rows: Iterable[Mapping[str, Any]]) -> Values:
    values: Values = {}
    cells: dict[tuple[str, str, Any], Any] = {}
    for row in rows:
        subject = f"{row.get('subject') or row['architecture']} {_width(row['width'])}"
        dataset, value = str(row["dataset"]), row["value"]
        of = values.setdefault(subject, {}).setdefault(dataset, [])
        if value is None or math.isnan(value):
            continue
        place = (subject, dataset, row["seed"])
        if cells.setdefault(place, row["cell"]) != row["cell"]:
            raise NtkbenchError(
                f"{subject} on {dataset} has two values for seed {row['seed']}, measured with other settings or "
                "versions. Put them into runs of their own."
            )
        of.append(float(value))
    return values


def _width(width: Width) -> str:
    return "∞" if math.isinf(width) else str(int(width))


def _accuracies(
    name: str, means: Mapping[str, Mapping[str, float]]
) -> tuple[dict[str, dict[str, float]] | None, str | None]:
    """Return the accuracies of a quantity, and how they follow from it; None if it has none."""
    between = all(0 <= value <= 1 for held in means.values() for value in held.values())
    if between and _ACCURACY.match(name):
        return {subject: dict(held) for subject, held in means.items()}, name
    if between and _ERROR.match(name):
        return {s: {d: 1 - value for d, value in held.items()} for s, held in means.items()}, f"1 − {name}"
    return None, None


def _heads(with_accuracy: bool) -> list[str]:
    return ["mean ± std", *(["P90", "P95", "PMA"] if with_accuracy else []), "rank", "w/t/l"]


def _texts(score: Score | None, with_accuracy: bool) -> list[str]:
    if score is None:
        return ["–"] * len(_heads(with_accuracy))
    std = "" if score.std is None else f" ± {numbers.value(score.std)}"
    shares = []
    if score.p90 is not None and score.p95 is not None:
        shares = [f"{score.p90:.0%}", f"{score.p95:.0%}", f"{score.pma:.1%}"]
    outcomes = f"{score.wins}/{score.ties}/{score.losses}"
    return [f"{numbers.value(score.mean)}{std}", *shares, f"{score.rank:.2f}", outcomes]


def _number(value: float | None) -> str:
    return "–" if value is None else numbers.value(value)


def _title(name: str, higher: bool, datasets: int, seeds: Sequence[int]) -> str:
    counts = f"{datasets} dataset{'s' * (datasets != 1)}"
    number = "…".join(str(n) for n in dict.fromkeys((seeds[0], seeds[-1]))) if seeds else ""
    of_seeds = f"{number} {'seed' if number == '1' else 'seeds'}" if seeds else "no value"
    return f"Methods by dataset · {name}, {'higher' if higher else 'lower'} is better · {counts} · {of_seeds}"


def _notes(
    name: str,
    found: Contest,
    datasets: Sequence[str],
    means: Mapping[str, Mapping[str, float]],
    empty: Sequence[str],
    seeds: Sequence[int],
    of_what: str | None,
    shown: bool,
) -> Iterable[str]:
    if not shown:
        yield f"The columns of the {len(datasets)} datasets do not fit; their values are in --json."
    yield (
        "Each value is a mean over seeds; mean ± standard deviation, rank and w/t/l are over datasets. Rank: mean "
        "rank, 1 for the best, ties share their mean rank. w/t/l: wins, ties and losses against every other method on "
        "every dataset."
    )
    if of_what is None and (_ERROR.match(name) or _ACCURACY.match(name)):
        yield f"P90, P95 and PMA are left out, because {name} is not always between 0 and 1."
    if of_what is not None:
        yield (
            f"P90, P95: share of the datasets on which a method reaches 90 %, 95 % of the best accuracy in this table. "
            f"PMA: its mean share of the best accuracy. Accuracy: {of_what}."
        )
    if found.critical is not None and len(found.scores) > 1:
        yield (
            f"Critical difference of mean ranks: {found.critical:.2f} (Nemenyi's test at 5 %, {len(found.scores)} "
            f"methods on {len(found.datasets)} datasets). Not distinguishable from the best: "
            f"{', '.join(sorted(close_to_best(found), key=lambda each: found.scores[each].rank))}."
        )
    if found.p is not None:
        yield f"Friedman's test that all methods are alike: chi² = {found.chi2:.2f}, p = {found.p:.2g}."
    incomplete = [dataset for dataset in datasets if dataset not in found.datasets]
    if incomplete:
        yield (
            f"Left out of everything but their own columns, because a method has no value there: {_some(incomplete)}."
        )
        lacking = [f"{each} on {d}" for each, held in means.items() for d in incomplete if d not in held]
        yield f"Missing: {_some(lacking)}."
    if empty:
        yield f"Without any value, and not compared: {_some(empty)}."
    if len(seeds) > 1:
        yield f"The number of seeds differs between values: from {seeds[0]} to {seeds[-1]}."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more

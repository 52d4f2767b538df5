"""Write the answers of a suite as a page in Markdown, with a picture for each question."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from .. import numbers
from ..analysis.agreement import MARKS
from ..analysis.answers import PREDICTED, Answer, Answers, Checked, Found, Row
from ..analysis.laws import Law
from ..analysis.verdicts import SLOPE
from . import escape
from .table import Column, Table
from .verdict_words import exponent, name_of, shown_exponent, theory_mark

_COLUMNS = ("architecture", "predicted", "found", "verdict", "exponent", "last step", "at the largest width")
_FOUND = {
    "as predicted": "As predicted.",
    "not as predicted": "Not as predicted.",
    "open": "Open.",
    "not measured": "Not measured.",
}


def answers_page(
    title: str, of: Answers, sources: Sequence[str], options: Mapping[str, Sequence[str]], pictures: Mapping[str, str]
) -> str:
    """Return the page of answers.

    Args:
        title: Title of the page.
        of: The answers.
        sources: A sentence on each run that the answers rest on.
        options: Further options of `ntkbench run`, by label, with which an architecture was measured.
        pictures: Link to the picture of each question that has one, by id.
    """
    return "\n\n".join(part for part in _parts(title, of, sources, options, pictures) if part) + "\n"


def _parts(
    title: str, of: Answers, sources: Sequence[str], options: Mapping[str, Sequence[str]], pictures: Mapping[str, str]
) -> Iterator[str]:
    yield f"# {escape.markdown(title)}"
    yield "\n".join(f"- {escape.markdown(source)}" for source in sources)
    yield publishable_words(of)
    yield (
        "Every prediction was registered before the run. *Falls* means that the verdict is linear or falling; *stays* "
        "and *grows* that it is non-linear, by a kernel change that is flat or levels off, or that grows. Exponents "
        f"are of kernel_change_worst or, marked κ, of {SLOPE} where that was not measured, ± half their 95 % interval. "
        "The last step is the exponent between the two largest widths. A verdict is about the measured widths; *stays "
        "from 16384* is a prediction for wider networks only."
    )
    yield "## Controls"
    yield _controls(of.controls)
    for number, answer in enumerate(of.answers, 1):
        yield from _question(number, answer, options, pictures.get(answer.question.id, ""))
    yield "## Predictions"
    yield from _predictions(of)


def publishable_words(of: Answers) -> str:
    """Return in a sentence whether the answers may be published, and what stands in the way."""
    if of.publishable:
        return f"All controls ({len(of.controls)}) came out right."
    if not of.controls:
        return "**Not publishable:** the suite has no controls."
    bad: dict[str, list[str]] = {}
    for each in of.controls:
        if each.outcome != "right":
            bad.setdefault(each.outcome, []).append(each.name)
    reasons = "; ".join(f"{outcome}: {', '.join(map(escape.markdown, names))}" for outcome, names in bad.items())
    return f"**Not publishable:** not all controls came out right ({reasons})."


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = tuple(tuple((text,) for text in row) for row in rows)
    return Table(title="", columns=tuple(Column((name,)) for name in columns), rows=lines).markdown().strip()


def _controls(controls: Sequence[Checked]) -> str:
    rows = [
        (each.name, each.control.kind, key, _expected(to), _measured(each.found, key), each.outcomes[key])
        for each in controls
        for key, to in each.control.expects.items()
    ]
    return _table(("control", "of", "quantity", "expected", "measured", "outcome"), rows)


def _expected(to: str | tuple[float, float]) -> str:
    return to if isinstance(to, str) else f"{numbers.slope(to[0])} to {numbers.slope(to[1])}"


def _measured(found: Found | None, key: str) -> str:
    law = None if found is None else found.laws.get(key)
    return "–" if law is None else f"{exponent(law)}, {law.state.name}"


def _question(number: int, answer: Answer, options: Mapping[str, Sequence[str]], picture: str) -> Iterator[str]:
    asked = answer.question
    yield f"## {number}. {escape.markdown(asked.asks)}"
    yield f"**Predicted:** {escape.markdown(asked.predicted)} ({escape.markdown(asked.source)})"
    yield f"**Found:** {_FOUND[answer.finding]} {_counts(answer)}"
    yield _table(_COLUMNS, map(_row, answer.rows))
    if picture:
        yield f"![{escape.markdown(asked.quantity)} against width]({picture})"
    reasons = [f"- {escape.markdown(_reason(row.found))}" for row in answer.rows if row.found is not None]
    yield "\n".join(reasons)
    yield f"**What would change our mind:** {escape.markdown(asked.changes)}"
    commands = dict.fromkeys(_commands(answer, options))
    yield "\n".join(["```console", *commands, "```"])


def _counts(answer: Answer) -> str:
    counts = Counter(row.finding for row in answer.rows)
    total = len(answer.rows)
    if counts["as predicted"] == total:
        return f"All {total} rows." if total > 1 else ""
    return f"{', '.join(f'{count} of {total} rows {finding}' for finding, count in counts.items())}."


def _row(row: Row) -> tuple[str, ...]:
    found = row.found
    if found is None:
        return row.name, row.predicted, "not measured", "–", "–", "–", "–"
    predicted = row.predicted if found.in_reach else f"{row.predicted} from {found.predicted_from}"
    law = found.change
    verdict = "–" if found.verdict is None else found.verdict.name
    if law is None:
        return row.name, predicted, found.course, verdict, "–", "–", "–"
    last = law.state.last_slope
    step = "–" if last is None else numbers.slope(last)
    return row.name, predicted, found.course, verdict, shown_exponent(law), step, _level(law)


def _level(law: Law) -> str:
    return f"{numbers.value(law.fit.last_value)} at {law.fit.last_width}"


def _reason(found: Found) -> str:
    if found.verdict is None:
        return f"{found.series.label}: no quantity that is judged has a value."
    return f"{name_of(found.verdict)} is {found.verdict.name}: {found.verdict.reason}."


def _commands(answer: Answer, options: Mapping[str, Sequence[str]]) -> Iterator[str]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in answer.rows:
        groups.setdefault(tuple(options.get(row.label, ())), []).append(row.label)
    for given, labels in groups.items():
        arches = [word for label in dict.fromkeys(labels) for word in ("--arch", label)]
        yield shlex.join(["ntkbench", "run", *given, *arches])


def _predictions(of: Answers) -> Iterator[str]:
    counts = {key: Counter(law.agrees for law in of.predictions if law.key == key) for key in PREDICTED}
    rows = [
        (key, *(str(each[agrees]) for agrees in ("agrees", "undecided", "disagrees")), str(sum(each.values())))
        for key, each in counts.items()
        if each
    ]
    held = sum(law.agrees == "agrees" for law in of.predictions)
    missed = [law for law in of.predictions if law.agrees == "disagrees"]
    yield (
        f"{held} of {len(of.predictions)} registered exponents held, {len(missed)} did not, and the others are "
        "undecided: their interval also contains the rival."
    )
    yield _table(("quantity", "held", "undecided", "did not hold", "predictions"), rows)
    if missed:
        yield "Those that did not hold:"
        yield _table(
            ("architecture", "quantity", "predicted", "measured", "source"),
            [(law.series.label, law.key, theory_mark(law), exponent(law), _source(law)) for law in missed],
        )
    yield "Every row, with the predicted exponents and whether they held:"
    yield _table(("architecture", "verdict", *PREDICTED), [_all(row) for row in of.rows])


def _source(law: Law) -> str:
    return "" if law.theory is None else law.theory.source


def _all(row: Found) -> tuple[str, ...]:
    verdict = "–" if row.verdict is None else row.verdict.name
    return row.series.name, verdict, *(_with_claim(row.laws.get(key)) for key in PREDICTED)


def _with_claim(law: Law | None) -> str:
    if law is None:
        return ""
    if law.theory is None:
        return exponent(law)
    return f"{exponent(law)} ({numbers.theory_claim(law.theory)}) {MARKS[law.agrees]}".rstrip()

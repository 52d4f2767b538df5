"""Answer the questions of a suite from the verdicts of its runs, and check its controls first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from attrs import field, frozen

from ..plan.questions import Control, Course, Question
from ..store.manifest import catalogue, theory
from ..types import CellResult
from .laws import Law, Series, law, result_keys, series
from .states import StateName
from .verdicts import GD, SLOPE, WORST, Verdict, verdict

Finding = Literal["as predicted", "not as predicted", "open", "not measured"]
Outcome = Literal["right", "wrong", "unclear", "not measured"]
PREDICTED = ("gradient_norm", "hessian_norm", SLOPE, WORST, GD)
"""The quantities on which predictions are counted."""
_COURSES: Mapping[StateName, Course] = {
    "zero": "zero", "decays": "falls", "falls": "falls", "flat": "stays", "plateaus": "stays", "grows": "grows",
}  # fmt: skip


@frozen
class Found:
    """What was found on one architecture.

    Attributes:
        series: Its results.
        laws: The laws of its quantities, by key.
        verdict: The verdict, or None if no judged quantity was measured.
        predicted_from: Smallest width to which theory's claims on the kernel's change apply.
    """

    series: Series
    laws: Mapping[str, Law]
    verdict: Verdict | None
    predicted_from: int = 1

    @property
    def course(self) -> Course | Literal["open"]:
        """The course of the kernel's change, by the verdict."""
        if self.verdict is None or self.verdict.name == "open":
            return "open"
        states = {key: self.verdict.states[key].name for key in (WORST, GD, SLOPE) if key in self.verdict.states}
        if self.verdict.name == "non-linear":
            return "grows" if "grows" in states.values() else "stays"
        return "zero" if set(states.values()) == {"zero"} else "falls"

    @property
    def in_reach(self) -> bool:
        """Whether the measured widths reach those to which the prediction applies."""
        return self.predicted_from <= max(self.series.widths, default=0)

    @property
    def change(self) -> Law | None:
        """The law of the kernel's change: kernel_change_worst, or kernel_slope where that was not measured."""
        return next((self.laws[key] for key in (WORST, SLOPE) if key in self.laws), None)


@frozen
class Row:
    """An architecture that a question is about, as it was measured under one condition.

    Attributes:
        name: The label, and the condition if it was measured under several.
        label: Its label.
        predicted: The predicted course.
        found: What was found, or None if it was not measured.
    """

    name: str
    label: str
    predicted: Course
    found: Found | None

    @property
    def finding(self) -> Finding:
        """Whether the verdict agrees with the prediction; open too if that is on widths that were not reached."""
        if self.found is None:
            return "not measured"
        if self.found.course == self.predicted:
            return "as predicted"
        return "not as predicted" if self.found.course != "open" and self.found.in_reach else "open"


@frozen
class Answer:
    """A question with its rows."""

    question: Question
    rows: tuple[Row, ...]

    @property
    def finding(self) -> Finding:
        """The finding on the question: as predicted only if every row is."""
        order: tuple[Finding, ...] = ("not as predicted", "not measured", "open", "as predicted")
        return next(finding for finding in order if finding in {row.finding for row in self.rows})


@frozen
class Checked:
    """A control with its outcome: "right" if every expectation holds, "wrong" if one is contradicted.

    Attributes:
        name: The label, and the condition if it was measured under several.
        control: The control.
        found: What was found, or None if it was not measured.
        outcomes: The outcome of each expectation, by quantity.
    """

    name: str
    control: Control
    found: Found | None
    outcomes: Mapping[str, Outcome] = field(factory=dict)

    @property
    def outcome(self) -> Outcome:
        """The outcome of the control."""
        order: tuple[Outcome, ...] = ("wrong", "not measured", "unclear", "right")
        return next(outcome for outcome in order if outcome in self.outcomes.values())


@frozen
class Answers:
    """The answers of a suite.

    Attributes:
        controls: The controls.
        answers: The questions.
        rows: What was found on every architecture of the runs, in their order.
    """

    controls: tuple[Checked, ...]
    answers: tuple[Answer, ...]
    rows: tuple[Found, ...]

    @property
    def publishable(self) -> bool:
        """Whether there are controls and all came out right."""
        return bool(self.controls) and all(each.outcome == "right" for each in self.controls)

    @property
    def predictions(self) -> list[Law]:
        """The laws of the predicted quantities on which theory makes a claim and that have an interval."""
        return [
            each for row in self.rows for key in PREDICTED if (each := row.laws.get(key)) is not None and each.agrees
        ]


def answers(
    questions: Sequence[Question],
    controls: Sequence[Control],
    runs: Iterable[tuple[Sequence[CellResult], Mapping[str, Any]]],
) -> Answers:
    """Answer questions from the results of runs.

    An architecture that was measured under several conditions, such as two datasets, has to come out under each.

    Args:
        questions: The questions.
        controls: The controls.
        runs: Results and manifest of each run. An architecture that several of them measured on one dataset is taken
            from the first one.
    """
    rows: list[Found] = []
    for results, manifest in runs:
        known = {_place(row) for row in rows}
        rows += [row for row in _found(results, manifest) if _place(row) not in known]
    return Answers(
        tuple(_checked(name, control, found) for control in controls for name, found in _of_label(control.arch, rows)),
        tuple(Answer(each, tuple(_rows(each, rows))) for each in questions),
        tuple(rows),
    )


def _rows(question: Question, rows: Sequence[Found]) -> Iterable[Row]:
    for label, course in question.rows.items():
        for name, found in _of_label(label, rows):
            yield Row(name, label, course, found)


def _of_label(label: str, rows: Sequence[Found]) -> Iterable[tuple[str, Found | None]]:
    """Return everything that was found on an architecture, with its name; (label, None) if it was not measured."""
    found = [row for row in rows if row.series.label == label]
    if len(found) < 2:
        return [(label, found[0] if found else None)]
    return [(row.series.name if row.series.condition else f"{label} {row.series.dataset}", row) for row in found]


def _place(of: Found) -> tuple[str, str]:
    return of.series.label, of.series.results[0].cell.dataset_label


def _found(results: Sequence[CellResult], manifest: Mapping[str, Any]) -> Iterable[Found]:
    keys, claims = result_keys(results, catalogue(manifest)), theory(manifest)
    for each in series(results):
        laws = {key: law(each, key, quantity, claims) for key, quantity in keys.items()}
        own = claims.get(each.label, {})
        yield Found(
            series=each,
            laws={key: one for key, one in laws.items() if one.points},
            verdict=verdict(each, keys, claims),
            predicted_from=max((own[key].from_width for key in (WORST, SLOPE) if key in own), default=1),
        )


def _checked(name: str, control: Control, found: Found | None) -> Checked:
    laws = {} if found is None else found.laws
    return Checked(name, control, found, {key: _outcome(laws.get(key), to) for key, to in control.expects.items()})


def _outcome(of: Law | None, expected: Course | tuple[float, float]) -> Outcome:
    if of is None:
        return "not measured"
    if isinstance(expected, str):
        if of.state.name == "open":
            return "unclear"
        return "right" if _COURSES[of.state.name] == expected else "wrong"
    low, high = expected
    if of.fit.slope is None or of.fit.low is None or of.fit.high is None:
        return "unclear"
    if of.fit.high < low or of.fit.low > high:
        return "wrong"
    return "right" if low <= of.fit.slope <= high else "unclear"

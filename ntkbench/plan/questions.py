"""Questions and controls of a suite: the rows they are about, and what is predicted of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from attrs import field, fields, frozen

from ..errors import NtkbenchError, did_you_mean

Course = Literal["zero", "falls", "stays", "grows"]
"""What happens to the kernel's change as the network gets wider. zero: it is 0 at every width. falls: the verdict is
linear or falling. stays: it is non-linear, by a change that is flat or levels off. grows: it is non-linear, by a change
that grows."""
COURSES = get_args(Course)


def _courses(given: Mapping[str, Any]) -> Mapping[str, Course]:
    if not isinstance(given, Mapping) or not given:
        raise ValueError('rows must be a table of architectures, such as {"fc" = "falls"}')
    for course in given.values():
        if course not in COURSES:
            raise ValueError(f"unknown prediction {course!r}. {did_you_mean(str(course), COURSES)}")
    return dict(given)


def _expected(given: Mapping[str, Any]) -> Mapping[str, Course | tuple[float, float]]:
    """Return the expectation on each quantity: a course, or an interval for the exponent."""
    if not isinstance(given, Mapping) or not given:
        raise ValueError('expects must be a table of quantities, such as {kernel_slope = "falls"}')
    found: dict[str, Course | tuple[float, float]] = {}
    for key, value in given.items():
        if isinstance(value, str):
            found[key] = _courses({key: value})[key]
        elif isinstance(value, Sequence) and len(value) == 2 and value[0] <= value[1]:
            found[key] = float(value[0]), float(value[1])
        else:
            raise ValueError(f"the expectation on {key} is {value!r}; it must be a word or [low, high]")
    return found


@frozen(kw_only=True)
class Question:
    """A question about architectures, with an answer that was predicted.

    Attributes:
        id: Unique name within the suite, of lowercase letters, digits and "-".
        asks: The question.
        predicted: The predicted answer, in a sentence.
        source: Where the prediction comes from.
        rows: The predicted course of each architecture, by label.
        changes: What would change the answer, in a sentence.
        quantity: The quantity in the picture.
    """

    id: str
    asks: str
    predicted: str
    source: str
    rows: Mapping[str, Course] = field(converter=_courses)
    changes: str
    quantity: str = "kernel_slope"


@frozen(kw_only=True)
class Control:
    """An architecture whose result is known. If it comes out otherwise, no answer of the run can be trusted.

    Attributes:
        arch: Label of the architecture.
        kind: What it is a control of, in a few words.
        expects: What must be found, by quantity: a course, or [low, high], in which the exponent must lie.
    """

    arch: str
    kind: str
    expects: Mapping[str, Course | tuple[float, float]] = field(converter=_expected)


def questions_of(found: Mapping[str, Any], suite: str) -> tuple[Question, ...]:
    """Return the questions of a suite's TOML content.

    Args:
        found: The content.
        suite: Name of the suite, for messages.

    Raises:
        NtkbenchError: A question is not valid, or two have the same id.
    """
    questions = _all(Question, found.get("question", []), f"question {{}} of the suite {suite}")
    ids = [question.id for question in questions]
    for name in ids:
        if not name.replace("-", "").isalnum() or name != name.lower():
            raise NtkbenchError(
                f"The id {name!r} in the suite {suite} must consist of lowercase letters, digits and -."
            )
        if ids.count(name) > 1:
            raise NtkbenchError(f"The suite {suite} has two questions with the id {name!r}. Give each its own id.")
    return questions


def controls_of(found: Mapping[str, Any], suite: str) -> tuple[Control, ...]:
    """Return the controls of a suite's TOML content; arguments and errors as in `questions_of`."""
    return _all(Control, found.get("control", []), f"control {{}} of the suite {suite}")


def _all(kind: type[Any], given: Any, where: str) -> tuple[Any, ...]:
    known = [attribute.name for attribute in fields(kind)]
    read = []
    for number, words in enumerate(given if isinstance(given, list) else [given], 1):
        name = where.format(number)
        if not isinstance(words, Mapping):
            raise NtkbenchError(f"In {name}: it must be a table.")
        for word in words:
            if word not in known:
                raise NtkbenchError(f"In {name}: unknown field {word!r}. {did_you_mean(word, known)}")
        try:
            read.append(kind(**words))
        except (TypeError, ValueError) as error:
            raise NtkbenchError(f"In {name}: {str(error).replace(f'{kind.__name__}.__init__() ', '')}.") from None
    return tuple(read)

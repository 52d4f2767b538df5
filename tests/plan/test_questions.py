"""Questions and controls of a suite: what is read, and what is refused with a sentence."""

from __future__ import annotations

import pytest

from ntkbench.errors import NtkbenchError
from ntkbench.plan.questions import controls_of, questions_of

QUESTION = {
    "id": "one",
    "asks": "Does it?",
    "predicted": "Yes.",
    "source": "own",
    "rows": {"fc": "falls", "fc:depth=1": "stays"},
    "changes": "A row that does not.",
}
CONTROL = {"arch": "fc", "kind": "falls", "expects": {"kernel_slope": "falls", "gradient_norm": [-0.1, 0.1]}}


def test_a_question_and_a_control_are_read():
    (question,) = questions_of({"question": [QUESTION]}, "mini")
    assert question.rows == {"fc": "falls", "fc:depth=1": "stays"} and question.quantity == "kernel_slope"
    (control,) = controls_of({"control": [CONTROL]}, "mini")
    assert control.expects == {"kernel_slope": "falls", "gradient_norm": (-0.1, 0.1)}
    assert questions_of({}, "mini") == controls_of({}, "mini") == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": {}}, "rows must be a table"),
        ({"rows": ["fc"]}, "rows must be a table"),
        ({"rows": {"fc": "fals"}}, "Did you mean 'falls'"),
        ({"id": "One two"}, "must consist of lowercase letters"),
        ({"aks": "Why?"}, "unknown field 'aks'"),
        ({"asks": None}, ""),
    ],
)
def test_a_mistake_in_a_question_is_a_sentence(change, message):
    given = {name: value for name, value in (QUESTION | change).items() if value is not None}
    with pytest.raises(NtkbenchError, match="mini") as error:
        questions_of({"question": [given]}, "mini")
    assert message in str(error.value) and str(error.value)[-1] in ".?"


def test_two_questions_with_one_id_are_refused():
    with pytest.raises(NtkbenchError, match="two questions with the id 'one'"):
        questions_of({"question": [QUESTION, QUESTION]}, "mini")
    with pytest.raises(NtkbenchError, match="it must be a table"):
        questions_of({"question": ["why"]}, "mini")


@pytest.mark.parametrize(
    ("expects", "message"),
    [
        ({}, "expects must be a table"),
        ({"kernel_slope": "fals"}, "Did you mean 'falls'"),
        ({"kernel_slope": [0.1, -0.1]}, "must be a word or \\[low, high\\]"),
        ({"kernel_slope": 3}, "must be a word or"),
    ],
)
def test_a_mistake_in_a_control_is_a_sentence(expects, message):
    with pytest.raises(NtkbenchError, match=message):
        controls_of({"control": [CONTROL | {"expects": expects}]}, "mini")

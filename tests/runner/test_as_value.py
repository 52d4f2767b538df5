"""What a measurement returns for a quantity, as a Value: an error is statistical unless its author says otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from ntkbench.errors import NtkbenchError
from ntkbench.registry.specs import Measurement
from ntkbench.runner.worker import as_value, checked
from ntkbench.types import Quantity, Value


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (2, Value(2.0, None, "", "float32")),
        ((2, 0.5), Value(2.0, 0.5, "statistical", "float32")),
        (Value(2.0, 0.5, "bound"), Value(2.0, 0.5, "bound", "float32")),
        (Value(2.0, 0.5, "rounding", "float64"), Value(2.0, 0.5, "rounding", "float64")),
        ((float("nan"), float("inf")), Value(None, None, "statistical", "float32")),
    ],
)
def test_an_error_is_statistical_by_default(given, expected):
    assert as_value(given, "float32") == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"q": "2"}, "'m' returned q = '2'; it must be a number, a pair"),
        ({"q": 1j}, "q = 1j; it must be a number"),
        ({"q": 10**400}, "it must be a number"),
        ({"q": np.ones(3)}, "it must be a number"),
        ({"q": {"q": 1}}, "it must be a number"),
        ({"q": (1, 2, 3)}, r"q = \(1, 2, 3\); it must be a number"),
        ({"q": (1.0, -0.5)}, "'m' returned q with the error -0.5; errors must be finite and not negative"),
        ({3: 1.0, "q": 1.0}, r"returned \['3'\], which it does not declare"),
    ],
)
def test_what_is_no_number_is_a_sentence_for_the_author(given, words):
    entry = Measurement(name="m", target="a:b", quantities=[Quantity("q", "q")])
    with pytest.raises(NtkbenchError, match=words):
        checked(entry, given, ["q"], "float32")

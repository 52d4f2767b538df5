"""What a measurement returns for a quantity, as a Value: an error is statistical unless its author says otherwise."""

from __future__ import annotations

import pytest

from ntkbench.runner.worker import as_value
from ntkbench.types import Value


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

"""Whether trained networks err less than their linearisations, and the sentence on it."""

from __future__ import annotations

import pytest
from factories import cell, result

from ntkbench.analysis.feature_learning import gains_of
from ntkbench.analysis.laws import series
from ntkbench.report.task_words import task_notes
from ntkbench.types import Value


def results(differences, dataset="digits"):
    """Cells of one width with these differences of both test errors, seed by seed."""
    return [
        result(
            cell(width=16, seed=seed, measurement="task", dataset=dataset),
            values={"test_error": Value(0.25 + difference), "test_error_linearized": Value(0.25)},
        )
        for seed, difference in enumerate(differences)
    ]


@pytest.mark.parametrize(
    ("differences", "sign"),
    [
        ((-0.1, -0.11, -0.12), -1),
        ((0.1, 0.11, 0.12), 1),
        ((-0.1, 0.11, -0.12), 0),
        ((-1 / 360, -1 / 360), 0),  # one test input: errors are discrete, and few seeds often have equal differences
        ((0.0, 0.0), 0),
    ],
)
def test_a_gain_is_resolved_beyond_its_interval(differences, sign):
    (found,) = series(results(differences))
    assert [gain.sign for gain in gains_of(found)] == [sign]


def test_the_sentence_names_the_dataset_on_which_the_network_gains():
    of_digits, of_diabetes = results((-0.1, -0.11, -0.12)), results((-0.1, 0.11, -0.12), "diabetes")
    for order in (of_digits + of_diabetes, of_diabetes + of_digits):
        laws = {"test_error": None, "test_error_linearized": None}
        (note,) = task_notes([(each, laws) for each in series(order)])
        assert "fc digits at width 16 (-0.11 ±" in note and "diabetes" not in note

"""Whether trained networks err less than their linearisations, and the sentence on it."""

from __future__ import annotations

import pytest
from factories import cell, result, sweep

from ntkbench.analysis.feature_learning import gains_of
from ntkbench.analysis.laws import law_of_points, series
from ntkbench.report.task_words import task_notes
from ntkbench.types import Quantity, Value


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


def test_a_gap_that_falls_to_a_floor_is_not_said_to_close():
    points = [(m, s, 0.3 + 0.1 * (m / 64) ** -0.5 + 0.001 * s, 0.0) for m in (64, 128, 256) for s in range(3)]
    (of,) = series(sweep("fc"))
    gap = law_of_points(of, "linearization_gap", Quantity("linearization_gap", "", direction="lower"), points)
    assert gap.fit.high < 0
    (note,) = task_notes([(of, {"linearization_gap": gap})])
    assert note == "Trained and linearised network come closer with width (linearization_gap falls): fc (0.401→0.351)."

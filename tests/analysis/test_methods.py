"""Methods over datasets, against the worked example of Demšar (2006) and against shares computed by hand."""

from __future__ import annotations

import math

import pytest

from ntkbench.analysis.methods import close_to_best, contest, critical_difference

# Demšar, JMLR 7 (2006), table 6: AUC of C4.5 and three variants. He ranks the last two on "voting" by more digits.
AUC = {
    "C4.5": [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.0, 0.940, 0.619, 0.972, 0.957],
    "+m": [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.0, 0.962, 0.666, 0.981, 0.978],
    "+cf": [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.0, 0.965, 0.614, 0.9751, 0.946],
    "+m+cf": [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.0, 0.962, 0.669, 0.975, 0.970],
}
VALUES = {name: {str(place): value for place, value in enumerate(values)} for name, values in AUC.items()}


def test_the_worked_example_of_demsar():
    found = contest(VALUES, higher=True, accuracies=None)
    ranks = [score.rank for score in found.scores.values()]
    assert ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4) and len(found.datasets) == 14
    assert found.critical == pytest.approx(1.25, abs=5e-3)
    ties = 3 * (2**3 - 2) + (4**3 - 4)  # pairs on iris, lung cancer and primary tumor; all four on mushroom
    assert found.chi2 * (1 - ties / (14 * (4**3 - 4))) == pytest.approx(9.28, abs=5e-3)
    assert math.exp(-found.chi2 / 2) < found.p < 0.05, "between the tails of 2 and of 4 degrees of freedom"
    assert len(close_to_best(found)) == 4, "3.143 − 1.964 is not significant by Nemenyi's test (his section 3.2.3)"


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_critical_values_are_those_of_demsars_table(k, q):
    assert critical_difference(k, 6) / math.sqrt(k * (k + 1) / 36) == pytest.approx(q, abs=1e-3)
    assert critical_difference(1, 6) is None and critical_difference(k, 1) is None


ACCURACIES = {
    "a": {"x": 1.0, "y": 0.50, "z": 0.8},
    "b": {"x": 0.9, "y": 0.50, "z": 0.4},
    "c": {"x": 0.94, "y": 0.4, "z": 0.8},
}


def test_shares_ranks_and_outcomes_by_hand():
    found = contest(ACCURACIES, higher=True, accuracies=ACCURACIES)
    a, b, c = found.scores.values()
    assert (a.mean, b.mean) == pytest.approx((2.3 / 3, 0.6)) and b.std == pytest.approx(math.sqrt(0.07))
    assert (a.rank, b.rank, c.rank) == pytest.approx(((1 + 1.5 + 1.5) / 3, (3 + 1.5 + 3) / 3, (2 + 3 + 1.5) / 3))
    assert [(s.wins, s.ties, s.losses) for s in (a, b, c)] == [(4, 2, 0), (1, 1, 4), (2, 1, 3)]
    assert (a.p90, a.p95, a.pma) == (1, 1, 1)
    assert (b.p90, b.p95, b.pma) == pytest.approx((2 / 3, 1 / 3, (0.9 + 1 + 0.5) / 3))
    assert (c.p90, c.p95, c.pma) == pytest.approx((2 / 3, 1 / 3, (0.94 + 0.8 + 1) / 3))


def test_lower_is_better_turns_the_ranks_round():
    errors = {name: {d: 1 - value for d, value in own.items()} for name, own in ACCURACIES.items()}
    one = contest(errors, higher=False, accuracies=ACCURACIES)
    other = contest(ACCURACIES, higher=True, accuracies=ACCURACIES)
    for name, score in one.scores.items():
        assert (score.rank, score.wins, score.pma) == (
            other.scores[name].rank,
            other.scores[name].wins,
            other.scores[name].pma,
        )


def test_methods_that_are_significantly_worse_than_the_best():
    steady = {name: {str(d): float(place) for d in range(10)} for place, name in enumerate("abcde")}
    found = contest(steady, higher=False, accuracies=None)
    assert found.critical == pytest.approx(2.728 * math.sqrt(0.5), abs=1e-3)
    assert list(close_to_best(found)) == ["a", "b"]


def test_only_complete_datasets_count():
    found = contest({"a": {"x": 1, "y": 2}, "b": {"y": 3, "z": 0}}, higher=True, accuracies=None)
    assert found.datasets == ("y",) and found.scores["b"].rank == 1 and found.scores["a"].std is None
    assert found.critical is None and found.p is None
    assert contest({"a": {"x": 1}, "b": {"y": 1}}, higher=True, accuracies=None).scores == {}


def test_all_alike_have_no_test():
    same = {name: {"x": 1.0, "y": 2.0} for name in "abc"}
    found = contest(same, higher=True, accuracies=None)
    assert found.p is None and {score.rank for score in found.scores.values()} == {2.0}


def test_values_that_differ_by_rounding_are_tied():
    found = contest({"a": {"x": 0.1 + 0.2}, "b": {"x": 0.3}}, higher=True, accuracies=None)
    assert [score.rank for score in found.scores.values()] == [1.5, 1.5]


def test_a_best_accuracy_of_zero_is_reached_by_all():
    zero = {"a": {"x": 0.0, "y": 1.0}, "b": {"x": 0.0, "y": 0.9}}
    found = contest(zero, higher=True, accuracies=zero)
    assert (found.scores["b"].pma, found.scores["b"].p90) == (pytest.approx(0.95), 1)

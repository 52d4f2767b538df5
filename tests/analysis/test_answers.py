"""Answers follow from verdicts, and count only where the controls came out right."""

from __future__ import annotations

import pytest
from factories import SLOPES, manifest, sweep

from ntkbench.analysis.answers import answers
from ntkbench.plan.questions import Control, Question

WIDE = (64, 128, 256, 512, 1024)
FLAT = {"kernel_change_worst": 0.0, "kernel_change_gd": 0.0, "hessian_norm": 0.0}
LAWS = {
    "wide": {},
    "narrow": FLAT,
    "deep": FLAT | {"kernel_change_worst": 0.6},
    "noisy": {},
}


def question(**rows):
    return Question(id="one", asks="Why?", predicted="So.", source="own", rows=rows, changes="Nothing.")


def control(arch, **expects):
    return Control(arch=arch, kind="a kind", expects=expects)


@pytest.fixture(scope="module")
def run():
    results = []
    for name, law in LAWS.items():
        noise = 1.5 if name == "noisy" else 0.01
        results += sweep(name, slopes=SLOPES | law, noise=noise, widths=WIDE, seeds=5)
    return results, manifest(results, {"wide": {"hessian_norm": -0.5}, "narrow": {"hessian_norm": -0.5}})


def test_a_row_is_as_predicted_if_its_verdict_is(run):
    (answer,) = answers([question(wide="falls", narrow="stays", deep="grows")], [], [run]).answers
    assert answer.finding == "as predicted" and {row.finding for row in answer.rows} == {"as predicted"}
    assert [row.found.course for row in answer.rows] == ["falls", "stays", "grows"]
    assert [row.found.change.key for row in answer.rows] == ["kernel_change_worst"] * 3


@pytest.mark.parametrize(
    ("rows", "finding"),
    [
        ({"wide": "stays", "narrow": "stays"}, "not as predicted"),
        ({"wide": "falls", "noisy": "falls"}, "open"),
        ({"wide": "falls", "absent": "falls"}, "not measured"),
        ({"wide": "stays", "absent": "falls", "noisy": "falls"}, "not as predicted"),
    ],
)
def test_a_question_is_as_good_as_its_worst_row(run, rows, finding):
    (answer,) = answers([question(**rows)], [], [run]).answers
    assert answer.finding == finding


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (control("wide", kernel_change_worst="falls", kernel_change_gd="falls", gradient_norm=[-0.1, 0.1]), "right"),
        (control("wide", kernel_change_worst="falls", kernel_change_gd="stays"), "wrong"),
        (control("wide", hessian_norm=[-0.2, 0.1]), "wrong"),
        (control("wide", hessian_norm=[-0.5001, -0.4999]), "unclear"),
        (control("narrow", kernel_change_worst="stays"), "right"),
        (control("narrow", kernel_change_worst="grows"), "wrong"),
        (control("noisy", kernel_change_worst="falls"), "unclear"),
        (control("wide", kernel_slope="falls"), "not measured"),
        (control("absent", kernel_change_worst="falls"), "not measured"),
    ],
)
def test_a_control_is_right_if_all_of_its_expectations_hold(run, given, outcome):
    found = answers([], [given], [run])
    assert found.controls[0].outcome == outcome
    assert found.publishable == (outcome == "right")


def test_a_floor_that_is_predicted_for_wider_networks_is_open():
    results = sweep("wide", noise=0.01, widths=WIDE, seeds=5)
    for from_width, finding in ((512, "not as predicted"), (4096, "open")):
        claims = {"kernel_change_worst": {"exponent": 0.0, "source": "own", "from_width": from_width}}
        of = manifest(results) | {"theory": {"wide": claims}}
        (answer,) = answers([question(wide="stays")], [], [(results, of)]).answers
        assert answer.finding == finding
        (answer,) = answers([question(wide="falls")], [], [(results, of)]).answers
        assert answer.finding == "as predicted"


def test_without_controls_nothing_is_publishable(run):
    assert not answers([question(wide="falls")], [], [run]).publishable


def test_predictions_are_counted_where_theory_makes_a_claim(run):
    found = answers([], [], [run]).predictions
    assert {(law.series.label, law.key): law.agrees for law in found} == {
        ("wide", "hessian_norm"): "agrees",
        ("narrow", "hessian_norm"): "disagrees",
    }


def test_the_first_of_several_runs_counts(run):
    results, of = run
    other = sweep("wide", slopes=SLOPES | FLAT, noise=0.01, widths=WIDE, seeds=5)
    (answer,) = answers([question(wide="falls")], [], [run, (other, manifest(other))]).answers
    assert answer.finding == "as predicted" and len(results) and of


def test_a_prediction_counts_once_however_many_runs_measured_it(run):
    once, twice = (answers([], [], [run] * n) for n in (1, 2))
    assert len(twice.rows) == len(once.rows) == len(LAWS)
    assert [law.key for law in twice.predictions] == [law.key for law in once.predictions] != []


def test_an_architecture_measured_on_two_datasets_has_to_come_out_on_each():
    digits = sweep("net", slopes=SLOPES, noise=0.01, widths=WIDE, seeds=5)
    other = sweep("net", slopes=SLOPES | FLAT, noise=0.01, widths=WIDE, seeds=5, dataset="diabetes")
    runs = [(results, manifest(results, {})) for results in (digits, other)]
    for order in (runs, runs[::-1]):
        found = answers([question(net="falls")], [control("net", hessian_norm="falls")], order)
        (answer,) = found.answers
        assert answer.finding == "not as predicted"
        assert {row.name: row.finding for row in answer.rows} == {
            "net digits": "as predicted",
            "net diabetes": "not as predicted",
        }
        assert {each.name: each.outcome for each in found.controls} == {"net digits": "right", "net diabetes": "wrong"}
        assert not found.publishable

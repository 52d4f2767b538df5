"""The questions' predictions are those that the rows registered, and every row and control is measured by the suite."""

from __future__ import annotations

import pytest

from ntkbench.plan.arch_spec import parse_arches
from ntkbench.plan.suite import load_suite
from ntkbench.registry.current import registry

SUITE = load_suite("zoo", registry())
REQUESTS = {request.label: request for request in parse_arches(SUITE.options.arch, registry())}
OTHERS = ("gru", "lstm", "hub-", "keras-")  # of ntkbench-recurrent and ntkbench-hub, which may not be installed
ROWS = {(question.id, label): course for question in SUITE.questions for label, course in question.rows.items()}
FLAT = 0.2  # the largest exponent, up or down, of a quantity that stays


def exponents(label, keys=("kernel_slope", "kernel_change_worst", "kernel_change_gd")):
    request = REQUESTS[label]
    claims = request.entry.resolved(request.params).theory
    return [claims[key].exponent for key in keys if key in claims]


@pytest.mark.parametrize(("question", "label"), ROWS)
def test_a_question_predicts_what_the_row_registered(question, label):
    if label not in REQUESTS and label.startswith(OTHERS):
        pytest.skip("another plugin registers it")
    found = exponents(label)
    if not found:
        pytest.skip("no claim is registered on the kernel's change")
    course = "grows" if max(found) > FLAT else "stays" if max(found) > -FLAT else "falls"
    assert course == ROWS[question, label]


@pytest.mark.parametrize("control", SUITE.controls, ids=lambda control: control.arch)
def test_a_control_expects_what_theory_claims(control):
    for key, expected in control.expects.items():
        for exponent in exponents(control.arch, (key,)):
            if expected == "falls":
                assert exponent < -FLAT
            elif expected == "stays":
                assert abs(exponent) <= FLAT
            elif expected == "grows":
                assert exponent > FLAT
            elif expected != "zero":
                assert expected[0] <= exponent <= expected[1]


def test_every_control_of_the_kernel_changes_measures_them():
    for control in SUITE.controls:
        request = REQUESTS[control.arch]
        extra = set(control.expects) - {"gradient_norm", "hessian_norm", "kernel_slope"}
        assert extra <= set(request.entry.resolved(request.params).decided_by), control.arch

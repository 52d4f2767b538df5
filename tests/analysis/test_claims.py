"""Claims: holding, failing and undecided at their edges."""

from __future__ import annotations

import math

import pytest
from attrs import evolve
from factories import SLOPES, sweep

from ntkbench.analysis.claims import judge, judge_all, judge_points
from ntkbench.errors import NtkbenchError
from ntkbench.plan.suite import Claim
from ntkbench.types import HEADLINES, Value

RESULTS = sweep("fc", noise=0.03)


def claim(**words):
    given = {
        "id": "x", "says": "s", "source": "o", "status": "derived", "law": "exponent", "quantity": "hessian_norm",
        "arch": "fc", "expected": [-0.6, -0.4],
    }  # fmt: skip
    return Claim(**(given | words))


def test_exponents():
    assert judge(claim(excludes=0.0), RESULTS).finding == "holds"
    assert judge(claim(expected=[-0.1, 0.1]), RESULTS).finding == "fails"
    wide = sweep("fc", noise=1.0)
    assert judge(claim(expected=[-5, 5], excludes=0.0), wide).finding == "undecided"
    found = judge(claim(), RESULTS)
    assert found.low < found.measured < found.high and found.n == 12


def test_infinite_width_is_the_largest_width_but_no_abscissa_of_a_law():
    limits = [
        evolve(each, cell=evolve(each.cell, width=math.inf), values={"hessian_norm": Value(7.0)})
        for each in sweep("fc", widths=[64])
    ]
    assert judge(claim(), [*RESULTS, *limits]) == judge(claim(), RESULTS)
    found = judge(claim(law="value", expected=[6, 8]), [*RESULTS, *limits])
    assert (found.measured, found.n) == (7.0, 3)


def test_a_product_of_powers():
    ratio = judge(claim(quantity={"hessian_norm": 1, "gradient_norm": -2}), RESULTS)
    assert ratio.finding == "holds" and ratio.measured == pytest.approx(-0.5, abs=0.1)


def test_a_parameter_in_place_of_width():
    results = []
    for k in (1, 4, 16):
        drawn = sweep("neck", label=f"neck:k={k}", widths=(512,), seeds=3, scale=k**-0.5, noise=0.01)
        results += [evolve(each, cell=evolve(each.cell, params={"k": k})) for each in drawn]
    shared = {seed: Value(1.0) for seed in range(3)}
    found = judge(claim(against="k", expected=[-1.2, 0.2]), results)
    assert found.finding == "holds" and shared and found.n == 9


def test_values_and_bounds():
    last = [
        each.values["gradient_norm"].value
        for each in RESULTS
        if each.cell.width == 512 and "gradient_norm" in each.values
    ]
    of = claim(law="value", quantity="gradient_norm", expected=[0.1, 10])
    assert judge(of, RESULTS).measured == pytest.approx(sum(last) / 3) and judge(of, RESULTS).finding == "holds"
    assert judge(claim(law="value", quantity="gradient_norm", expected=[50, 60]), RESULTS).finding == "fails"
    assert judge(claim(law="at most", expected=[0, 100]), RESULTS).finding == "holds"
    bound = judge(claim(law="at most", expected=[0, 0.3]), RESULTS)
    assert bound.finding == "fails" and bound.measured == bound.high > 0.3


def test_checks_and_unconfirmed():
    exact = Claim(id="c", says="s", source="o", status="derived", law="check", check="m:f", expected=[0.9, 1.1])
    assert judge_all(exact, [1.0, 1.05]).finding == "holds"
    below = judge_all(exact, [1.0, 0.5])
    assert (below.finding, below.measured) == ("fails", 0.5)
    assert judge(claim(), []).finding == "undecided"
    assert not judge(claim(status="unconfirmed"), RESULTS).gates


def test_missing_factors_are_left_out():
    part = [each for each in RESULTS if each.cell.measurement != "gradient" or each.cell.seed == 0]
    assert judge(claim(quantity={"hessian_norm": 1, "gradient_norm": -1}), part).n == 4
    assert SLOPES["hessian_norm"] == -0.5


def test_over_another_architecture():
    """The exponent of a ratio is the difference of exponents; both share each seed's probes."""
    steeper = sweep("steep", slopes={name: slope - 0.5 for name, slope in SLOPES.items()}, noise=0.02)
    both = [*sweep("fc", noise=0.02), *steeper]
    found = judge(claim(arch=["steep"], over="fc", expected=[-0.6, -0.4]), both)
    assert found.finding == "holds" and found.n == 12
    assert judge(claim(arch=["steep"], over="dag"), both).finding == "undecided"
    equal = judge(claim(arch=["fc"], over="twin", law="value", expected=[0.5, 2.0]), [*RESULTS, *sweep("twin")])
    assert equal.n == 3 and 0.5 < equal.measured < 2


def test_points_from_a_function():
    falls = [(x, seed, (1 + 0.01 * seed * (x == 8)) * x**-0.5) for seed in range(3) for x in (4, 8, 16)]
    of = Claim(id="c", says="s", source="o", status="own", law="exponent", check="m:f", expected=[-0.6, -0.4])
    assert judge_points(of, falls).finding == "holds"
    mean = evolve(of, law="value", expected=[0.9, 1.1], excludes=[1.5])
    found = judge_points(mean, [(0, seed, 1 + 0.02 * seed) for seed in range(3)])
    assert found.finding == "holds" and found.measured == pytest.approx(1.02) and found.low < 1.02 < found.high
    assert judge_points(mean, [(0, 0, 1.0)]).finding == "undecided"


@pytest.mark.parametrize(
    ("slopes", "expected", "finding"),
    [
        ({}, ["linear", "falling"], "holds"),
        ({"kernel_change_gd": 0.0}, ["linear", "falling"], "fails"),
        ({"kernel_change_gd": 0.0}, "non-linear", "holds"),
        ({"kernel_change_gd": -0.2}, "non-linear", "undecided"),
    ],
)
def test_a_verdict_is_a_claim_too(slopes, expected, finding):
    from factories import SLOPES, sweep

    own = Claim(id="v", says="s", source="s", status="own", law="verdict", arch="fc", verdict=expected)
    assert own.measured == HEADLINES
    found = judge(own, sweep("fc", slopes=SLOPES | slopes, noise=0.02, seeds=5))
    assert found.finding == finding and found.n == 5 and "fc is " in found.note


def test_a_claim_on_a_verdict_names_one():
    with pytest.raises(NtkbenchError, match="Did you mean 'linear'"):
        Claim(id="v", says="s", source="s", status="own", law="verdict", arch="fc", verdict="linea")
    with pytest.raises(NtkbenchError, match="needs an arch and a verdict"):
        Claim(id="v", says="s", source="s", status="own", law="verdict", arch="fc")

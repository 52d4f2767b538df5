"""Two runs: equal to rounding, moved beyond noise, or merely scattered; and why."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from attrs import evolve
from factories import SLOPES, manifest, sweep

from ntkbench.analysis.compare import compare, differs
from ntkbench.types import Status, Value

RESULTS = [*sweep("fc"), *sweep("cnn", widths=(16, 32, 64))]


def scaled(results, factor, key="hessian_norm"):
    found = []
    for each in results:
        values = dict(each.values)
        if key in values:
            values[key] = evolve(values[key], value=values[key].value * factor())
        found.append(evolve(each, values=values))
    return found


def test_a_run_equals_itself():
    found = compare(RESULTS, list(reversed(RESULTS)), manifest(RESULTS), manifest(RESULTS))
    assert found.equal and found.causes == () and len(found.changes) == 10


def test_rounding_and_stated_errors_are_equal():
    assert not differs(Value(1.0), Value(1.000005)) and differs(Value(1.0), Value(1.001))
    assert not differs(Value(1.0, 0.01), Value(1.005)) and differs(Value(None), Value(1.0))
    assert not differs(Value(None), Value(None))


def test_values_below_their_rounding_errors_have_no_ratio():
    def run(at_small_widths, otherwise):
        values = [(each, at_small_widths if each.cell.width < 128 else otherwise) for each in RESULTS]
        return [evolve(each, values={"hessian_norm": Value(v, 1e-7, "rounding")}) for each, v in values]

    def change(a, b):
        return next(each for each in compare(a, b).changes if each.label == "fc" and each.key == "hessian_norm")

    same = change(run(1e-13, 0.3), run(1e-30, 0.3))
    assert (same.differ, same.largest, same.shift) == (0, 0.0, None)
    shifted = change(run(1e-13, 0.3), run(1e-30, 0.33))
    assert 0 < shifted.differ < shifted.cells and shifted.largest == pytest.approx(0.03 / 0.33)
    assert shifted.shift == pytest.approx(math.log(1.1)), "of the cells above their errors"


def test_other_data_make_a_seed_one_draw():
    """Other probes change the level of a seed at every width: 12 cells of three seeds are three draws."""
    levels, fc = (0.3, 0.2, -0.1), sweep("fc")
    scale = {"hessian_norm": lambda seed: math.exp(levels[seed])}
    other = [
        evolve(
            each,
            cell=evolve(each.cell, data_hash="e" * 32),
            values={
                key: evolve(v, value=v.value * scale.get(key, lambda _: 1.0)(each.cell.seed))
                for key, v in each.values.items()
            },
        )
        for each in fc
    ]
    change = next(each for each in compare(fc, other).changes if each.key == "hessian_norm")
    half = 4.302653 * statistics.stdev(levels) / math.sqrt(3)  # t(2)
    assert (change.cells, change.differ, change.moved) == (12, 12, False)
    assert (change.shift, change.high - change.shift) == pytest.approx((sum(levels) / 3, half))
    same_data = [evolve(each, cell=evolve(each.cell, data_hash="d" * 32)) for each in other]
    change = next(each for each in compare(fc, same_data).changes if each.key == "hessian_norm")
    assert change.low > 0 and change.high - change.shift < half / 3
    (one_seed,) = {each.shift for each in compare(fc[:4], other[:4]).changes if each.key == "hessian_norm"}
    assert one_seed is None, "one draw has no interval"


def test_a_shift_is_told_from_scatter():
    draw = random.Random(0)
    shifted = compare(RESULTS, scaled(RESULTS, lambda: 1.05 + draw.gauss(0, 0.02)))
    moved = {(change.label, change.key) for change in shifted.changes if change.moved}
    assert moved == {("cnn", "hessian_norm"), ("fc", "hessian_norm")}
    scattered = compare(RESULTS, scaled(RESULTS, lambda: 1 + draw.gauss(0, 0.02)))
    assert not any(change.moved for change in scattered.changes)
    assert sum(change.differ > 0 for change in scattered.changes) == 2 and not scattered.equal


def test_causes_are_named():
    other = [evolve(each, cell=evolve(each.cell, precision="float64", numerics_version=9)) for each in RESULTS]
    causes = " ".join(compare(RESULTS, other, {"provenance": {"tensorflow": "2.20"}}, manifest(RESULTS)).causes)
    assert "precision: float32 → float64" in causes and "numerics_version" in causes and "tensorflow: 2.20 →" in causes


def test_a_run_whose_manifest_was_lost_does_not_say_what_it_ran_on():
    manifest_of_a = {"provenance": {"tensorflow": "2.20"}}
    assert "tensorflow: 2.20 → not recorded" in compare(RESULTS, RESULTS, manifest_of_a, None).causes
    assert "tensorflow: not recorded → 2.20" in compare(RESULTS, RESULTS, None, manifest_of_a).causes


def test_cells_of_one_run_only_and_other_endings():
    ended = [evolve(RESULTS[0], status=Status.FAILED, values={}), *RESULTS[2:]]
    found = compare(RESULTS, ended)
    assert len(found.only_a) == 1 and found.only_b == () and found.statuses[0].endswith("ok → failed")
    assert not found.equal


def test_a_run_of_several_radii_is_compared_radius_by_radius():
    def at(radius, results, measurements=("ball", "gd")):
        found = [each for each in results if each.cell.measurement in measurements]
        return [evolve(e, cell=evolve(e.cell, settings={**e.cell.settings, "radius": radius})) for e in found]

    wider = scaled(RESULTS, lambda: 3.0, "kernel_change_worst")
    both = [*at(1.0, RESULTS), *at(5.0, wider, ("ball",))]
    assert compare(both, list(reversed(both))).equal
    found = compare(at(1.0, RESULTS), both)
    assert all(change.differ == 0 for change in found.changes) and not found.only_a
    assert len(found.only_b) == len(at(5.0, wider, ("ball",)))
    assert {change.label for change in found.changes} == {"fc", "fc R = 1", "cnn", "cnn R = 1"}
    # Two runs of one radius each are compared as before: the radius is a possible cause.
    other = compare(at(1.0, RESULTS), at(5.0, wider))
    assert other.causes == ("radius: 1.0 → 5.0",) and not other.only_a


def test_verdicts_rest_on_all_cells_of_their_run():
    declared = manifest(RESULTS)
    flat = sweep("fc", slopes=dict.fromkeys(SLOPES, 0.0), noise=0.01)
    found = compare(RESULTS, [*flat, *RESULTS[len(flat) :]], declared, declared)
    (change,) = found.verdicts
    assert found.judged == 2 and (change.label, change.before, change.after) == ("fc", "falling", "non-linear")
    assert change.reason.startswith("kernel_change_worst stays at")
    same = compare(RESULTS, RESULTS, declared, declared)
    assert same.verdicts == () and same.judged == 2 and same.equal


def test_verdicts_need_no_manifest_and_match_over_precision_and_radius():
    other = [
        evolve(e, cell=evolve(e.cell, precision="float64", settings={**e.cell.settings, "radius": 5.0}))
        for e in RESULTS
    ]
    assert compare(RESULTS, other).judged == 2
    both = [*RESULTS, *(each for each in other if each.cell.measurement == "ball")]
    found = compare(both, RESULTS)
    assert found.judged == 2, "the second run has one of the radii"


def test_hessians_alone_have_no_verdict():
    only = [each for each in RESULTS if each.cell.measurement == "hessian"]
    assert compare(only, only).judged == 0

"""Verdicts follow from three quantities together, say what they rest on, and say what would decide."""

from __future__ import annotations

import math
import random

import pytest
from attrs import evolve
from factories import QUANTITIES, SLOPES, sweep

from ntkbench.analysis.laws import series
from ntkbench.analysis.verdicts import record, verdicts, verdicts_frame
from ntkbench.types import Quantity, Theory, Value

CATALOGUE = {name: {quantity.key: quantity for quantity in quantities} for name, quantities in QUANTITIES.items()}
WIDE = (64, 128, 256, 512, 1024)


def judge(slopes=None, theory=None, noise=0.01, results=None, widths=WIDE, seeds=5, **changes):
    results = results or sweep("fc", slopes=SLOPES | (slopes or {}), noise=noise, widths=widths, seeds=seeds, **changes)
    return verdicts(results, CATALOGUE, {"fc": theory or {}})[0]


def with_law(law, keys, noise=0.01, widths=WIDE, seeds=5):
    """A sweep in which the keys follow another law, up to their scatter."""
    plain = sweep("fc", noise=noise, widths=widths, seeds=seeds, slopes=SLOPES)
    results = []
    for each in plain:
        width = each.cell.width
        values = {
            key: evolve(value, value=value.value * (width / 64) ** -SLOPES[key.partition(":")[0]] * law(width))
            if key in keys
            else value
            for key, value in each.values.items()
        }
        results.append(evolve(each, values=values))
    return results


def with_value(key, number):
    """A sweep whose worst-direction cells come with a companion quantity."""
    return [
        evolve(each, values=dict(each.values) | {key: Value(number(each.cell.width))})
        if each.cell.measurement == "ball"
        else each
        for each in sweep("fc", slopes=SLOPES, noise=0.01, widths=WIDE, seeds=5)
    ]


def test_what_falls_to_nothing_is_linear():
    found = judge()
    assert found.name == "linear" and found.decided and found.what_would_decide() == ""
    assert "kernel_change_worst falls as m^-.50" in found.reason and "64…1024" in found.reason
    assert {key: state.name for key, state in found.states.items()} == {
        "kernel_change_worst": "decays",
        "kernel_change_gd": "decays",
        "curvature": "decays",
    }


def test_what_falls_without_excluding_a_floor_is_falling():
    found = judge(noise=0.05, widths=WIDE[:4], seeds=3)
    assert found.name == "falling" and not found.decided
    assert "a floor of up to" in found.reason and "of the last kernel_change_worst is not excluded" in found.reason
    assert "in the limit" not in found.reason


@pytest.mark.parametrize("key", ["kernel_change_worst", "kernel_change_gd"])
def test_either_kernel_change_that_stays_is_non_linear(key):
    found = judge({key: 0.0})
    assert found.name == "non-linear" and found.reason.startswith(f"{key} stays at 0.")
    assert "from" not in found.reason and "64…1024" in found.reason
    growing = judge({key: 0.6})
    assert growing.name == "non-linear" and f"{key} grows to" in growing.reason


def test_a_floor_is_non_linear_and_says_how_large():
    found = judge(results=with_law(lambda m: 0.5 * (m / 1024) ** -1.0 + 0.5, ["kernel_change_worst"]))
    assert found.name == "non-linear" and "kernel_change_worst levels off: a floor makes up" in found.reason


def test_a_curvature_that_stays_contradicts_unless_there_are_kinks():
    flat = judge({"hessian_norm": 0.0})
    assert (
        flat.name == "open" and "curvature stays at" in flat.reason and "the kernel's change falls, but" in flat.reason
    )
    kinked = [
        evolve(each, values=dict(each.values) | {"kink_share": Value(0.8)}) if each.cell.measurement == "ball" else each
        for each in sweep("fc", slopes=SLOPES | {"hessian_norm": 0.0}, noise=0.01, widths=WIDE, seeds=5)
    ]
    found = judge(results=kinked)
    assert found.name == "linear" and found.kinked and "has kinks" in found.remarks[0]


def test_an_unsure_search_is_at_most_falling():
    found = judge(results=with_value("search_gain", lambda width: 0.5 if width == 256 else 0.01))
    assert found.name == "falling" and found.unsure == (256,) and "width 256" in found.reason
    assert any("lower bound" in remark for remark in found.remarks)
    assert judge(results=with_value("search_gain", lambda width: 0.05)).name == "linear"


@pytest.mark.parametrize("key", ["kernel_change_worst", "kernel_change_gd"])
def test_one_kernel_change_alone_decides_only_against(key):
    def only(slopes):
        return [
            each
            for each in sweep("fc", slopes=SLOPES | slopes, noise=0.01, widths=WIDE, seeds=5)
            if key in each.values or each.cell.measurement in ("hessian", "gradient")
        ]

    found = judge(results=only({}))
    other = "kernel_change_gd" if key == "kernel_change_worst" else "kernel_change_worst"
    assert found.name == "open" and found.missing == (other,) and found.what_would_decide() == f"measure {other}"
    assert judge(results=only({key: 0.0})).name == "non-linear"


def test_the_hessian_alone_decides_nothing():
    only = [each for each in sweep("fc", noise=0.01) if each.cell.measurement in ("hessian", "gradient")]
    found = verdicts(only, CATALOGUE, {})[0]
    assert found.name == "open" and found.missing == ("kernel_change_worst", "kernel_change_gd")
    assert verdicts([each for each in only if each.cell.measurement == "gradient"], CATALOGUE, {}) == []


def screened(slope, kink_share=None, scale=0.7, **slopes):
    """A verdict on a sweep with kernel_slope in place of the two kernel changes."""
    law = SLOPES | {"kernel_change_worst": slope} | slopes
    results = []
    for each in sweep("fc", slopes=law, scale=scale, noise=0.01, widths=WIDE, seeds=5):
        if each.cell.measurement == "ball":
            cell = evolve(each.cell, measurement="bend", quantities=("kernel_slope",))
            values = {"kernel_slope": each.values["kernel_change_worst"]}
            if kink_share is not None:
                values["kink_share"] = Value(kink_share)
            results.append(evolve(each, cell=cell, values=values))
        elif each.cell.measurement != "gd":
            results.append(each)
    catalogue = CATALOGUE | {"bend": {"kernel_slope": Quantity("kernel_slope", "κ₁", direction="lower")}}
    return verdicts(results, catalogue, {"fc": {"kernel_slope": Theory(-0.5, "derived")}})[0]


def test_a_slope_that_stays_is_non_linear_with_or_without_kinks():
    for kink_share in (None, 0.0, 0.9):
        found = screened(0.0, kink_share)
        assert found.name == "non-linear" and found.reason.startswith("kernel_slope stays at 0.")
        assert found.theory == "linear", "the claim of theory is not that of the measurement"


def test_a_slope_that_falls_is_falling_at_most_and_only_without_kinks():
    found = screened(-0.5, 0.0)
    assert found.name == "falling" and found.missing == ("kernel_change_worst", "kernel_change_gd")
    assert found.reason.startswith("kernel_slope falls as m^-.50") and found.reason.endswith("not measured")
    assert found.what_would_decide() == "measure kernel_change_worst and kernel_change_gd"
    for kink_share in (None, 0.9):
        unseen = screened(-0.5, kink_share)
        assert unseen.name == "open" and unseen.missing == found.missing
    assert screened(-0.5, 0.0, scale=30.0).name == "open", "at R = 1 the change is not small"
    bent = screened(-0.5, 0.0, hessian_norm=0.0)
    assert bent.name == "open" and "curvature stays at" in bent.reason


def test_a_gradient_that_grows_or_falls_changes_no_verdict():
    """Standard parameterisation: ‖∇f‖ grows like √m and ‖H‖ with it; what is judged is relative."""
    standard = judge({"gradient_norm": 0.5, "hessian_norm": 0.0})
    assert standard.name == "linear" and "gradient_norm grows" in standard.remarks[0]
    mean_field = judge({"gradient_norm": -0.5, "hessian_norm": -1.0, "kernel_change_gd": 0.0})
    assert mean_field.name == "non-linear" and "gradient_norm falls" in mean_field.remarks[0]


def test_a_floor_of_gd_far_below_the_ball_does_not_count():
    """Gradient descent's noise is large: beside a kernel change in the ball 20 times as large it does not matter."""

    def noisy(level):
        draw = random.Random(0)
        return [
            evolve(
                each,
                values={
                    "kernel_change_gd": Value(level * (each.cell.width / 64) ** -1.0 * draw.lognormvariate(0, 0.3))
                },
            )
            if each.cell.measurement == "gd"
            else each
            for each in sweep("fc", noise=0.01, widths=WIDE, seeds=5)
        ]

    assert judge(results=noisy(1.0)).name == "falling" and judge(results=noisy(0.05)).name == "linear"


def test_a_misfit_is_no_plateau():
    """Values that no law explains are not taken for a floor."""
    bent = with_law(lambda m: (m / 64) ** -1.0 * math.exp(0.2 * math.sin(m)), ["kernel_change_gd"], noise=0.01)
    assert judge(results=bent).states["kernel_change_gd"].name != "plateaus"


def test_theory_stands_beside():
    theory = {"kernel_change_worst": Theory(-0.5, "L17"), "kernel_change_gd": Theory(0.0, "L22")}
    assert judge(theory=theory).theory == "non-linear" and judge().theory is None
    assert judge(theory={"kernel_change_worst": Theory(-0.5, "L17")}).theory == "linear"
    assert judge(theory={"kernel_change_gd": Theory(-1.0, "H2")}).law.key == "kernel_change_worst", (
        "judged all the same"
    )


def test_zero_is_linear():
    zeros = [evolve(each, values={key: Value(0.0) for key in each.values}) for each in sweep("linear")]
    found = verdicts(zeros, CATALOGUE, {})[0]
    assert found.name == "linear" and "exactly 0" in found.reason


def test_the_record_is_plain_and_complete():
    import json

    found = record(judge(theory={"kernel_change_worst": Theory(-0.5, "L17")}))
    worst = found["quantities"]["kernel_change_worst"]
    assert json.loads(json.dumps(found)) == found
    assert worst["state"] == "decays" and worst["low"] < worst["slope"] < worst["high"] and worst["source"] == "L17"
    assert found["widths"] == list(WIDE) and found["reason"] and found["more_seeds"] is None


def test_the_frame():
    frame = verdicts_frame(verdicts(sweep("fc", noise=0.01, widths=WIDE, seeds=5), CATALOGUE, {}))
    assert list(frame.verdict) == ["linear"] and frame.label[0] == series(sweep("fc"))[0].label
    assert list(frame.kernel_change_worst_state) == ["decays"] and frame.kernel_change_gd_slope[0] < -0.9


def test_a_search_of_which_one_half_found_nothing_is_unsure():
    assert judge(results=with_value("search_gain", lambda width: None)).unsure == WIDE


def test_one_seed_in_five_whose_search_missed_most_makes_a_width_unsure():
    results = with_value("search_gain", lambda width: 0.0)
    missed = [
        evolve(each, values=dict(each.values) | {"search_gain": Value(2.0)})
        if each.cell.measurement == "ball" and each.cell.seed == 0 and each.cell.width == WIDE[1]
        else each
        for each in results
    ]
    found = judge(results=missed)
    assert found.unsure == (WIDE[1],) and found.name == "falling"


def test_more_cells_do_not_decide_about_values_at_rounding_level():
    changed = [
        evolve(each, values={"kernel_change_worst": Value(0.0)})
        if each.cell.measurement == "ball" and (each.cell.width, each.cell.seed) == (128, 1)
        else each
        for each in sweep("fc", slopes=SLOPES, widths=WIDE, seeds=3)
    ]
    found = judge(results=changed)
    assert found.name == "open" and "values are 0 or at rounding level; try float64" in found.reason
    assert found.advice is None and found.what_would_decide() == "nothing that can be simulated from these values"

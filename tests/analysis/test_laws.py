"""A run's results become one law for each architecture and quantity."""

from __future__ import annotations

import pytest
from attrs import evolve
from factories import QUANTITIES, cell, failed, result, sweep

from ntkbench.analysis.laws import fits_frame, law, result_keys, series
from ntkbench.types import Quantity, Theory, Value

CATALOGUE = {name: {quantity.key: quantity for quantity in quantities} for name, quantities in QUANTITIES.items()}
THEORY = {"fc": {"hessian_norm": Theory(-0.5, "L10")}}


def test_fits_of_a_sweep():
    table = fits_frame([*sweep("fc"), *sweep("cnn", widths=(16, 32, 64))], CATALOGUE, THEORY)
    assert len(table) == 10
    row = table[(table.label == "fc") & (table.quantity == "hessian_norm") & (table.reduction == "mean")].iloc[0]
    assert row.slope == pytest.approx(-0.5, abs=0.1) and row.theory == -0.5 and row.agrees == "agrees" and row.n == 12
    assert table[table.label == "cnn"].agrees.isna().all() if hasattr(table.agrees, "isna") else True


def test_two_conditions_are_two_series():
    results = [*sweep("fc"), *sweep("fc", precision="float64"), *sweep("cnn")]
    found = series(results)
    assert [(each.label, each.condition) for each in found] == [
        ("fc", ("float32",)),
        ("fc", ("float64",)),
        ("cnn", ()),
    ]


def test_a_later_success_stands_for_an_earlier_failure():
    wanted = ("gradient_norm", "other")
    first = failed(cell(width=64))
    again = result(cell(width=64, quantities=wanted), values={"gradient_norm": Value(2.0), "other": Value(1.0)})
    for results in ([first, again], [again, first]):
        found = law(series(results)[0], "gradient_norm", CATALOGUE["gradient"]["gradient_norm"], {})
        assert found.points == ((64, 0, 2.0),)


def test_rounding_is_zero_only_where_lower_is_more_linear():
    values = {"hessian_norm": Value(1e-8), "hessian_norm:max": Value(1e-8)}
    results = [
        result(cell(width=width, measurement="hessian", quantities=tuple(values)), values=values) for width in (64, 128)
    ]
    found = law(series(results)[0], "hessian_norm", CATALOGUE["hessian"]["hessian_norm"], THEORY)
    assert found.fit.note == "0 to rounding" and found.agrees is None
    plain = result_keys(results, {})["hessian_norm"]
    assert law(series(results)[0], "hessian_norm", plain, THEORY).fit.slope == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_an_eigenvalue_within_its_rounding_error_has_no_exponent(sign):
    def of(within):
        values = {(w, s): sign * 3e-7 if w in within else 0.1 for w in (64, 128, 256) for s in (0, 1)}
        results = [
            result(
                cell(width=width, seed=seed, measurement="kernel", quantities=("lambda_min",)),
                values={"lambda_min": Value(value, 5e-4, "rounding")},
            )
            for (width, seed), value in values.items()
        ]
        quantity = Quantity("lambda_min", "λmin")
        return law(series(results)[0], "lambda_min", quantity, {"fc": {"lambda_min": Theory(0.0, "a limit")}})

    every = of({64, 128, 256})
    assert every.fit.note == "all 6 values are within their rounding errors" and not every.fit.is_zero
    assert every.fit.slope is None and every.agrees is None and every.state.name == "open"
    assert of({64}).fit.note == "2 of 6 values are 0 or at rounding level; try float64"
    assert of(()).agrees == "agrees"


def test_a_saved_model_has_one_width():
    results = sweep("net.keras", widths=(1,))
    found = law(series(results)[0], "gradient_norm", CATALOGUE["gradient"]["gradient_norm"], {})
    assert found.fit.slope is None and found.fit.note == "a saved model has one width"


def test_keys_follow_the_catalogue():
    results = [*reversed(sweep("fc")), result(cell(measurement="mine", quantities=("extra",)))]
    keys = ["gradient_norm", "hessian_norm", "hessian_norm:max", "kernel_change_worst", "kernel_change_gd", "extra"]
    assert list(result_keys(results, CATALOGUE)) == keys


def at_radius(radius, *measurements):
    settings = {**cell().settings, "radius": radius}
    found = [each for each in sweep("fc") if each.cell.measurement in measurements]
    return [evolve(each, cell=evolve(each.cell, settings=settings)) for each in found]


def grouped(results):
    return [(each.condition, {result.cell.measurement for result in each.results}) for each in series(results)]


def test_series_of_several_radii_share_what_does_not_depend_on_the_radius():
    results = [*at_radius(1.0, "gradient", "gd", "ball"), *at_radius(5.0, "ball")]
    everything = {"gradient", "gd", "ball"}
    assert grouped(results) == [(("R = 1",), everything), (("R = 5",), everything)]
    for each in series(results):
        assert {r.cell.settings["radius"] for r in each.by_key["kernel_change_gd"]} == {1.0}
        assert f"R = {each.by_key['kernel_change_worst'][0].cell.settings['radius']:g}" in each.condition
        assert each.results[0].cell.settings["radius"] == each.by_key["kernel_change_worst"][0].cell.settings["radius"]


def test_what_may_depend_on_the_radius_is_not_shared():
    """Of two commands, one may have measured random directions at one radius only."""
    random = [
        evolve(each, cell=evolve(each.cell, measurement="random", quantities=("kernel_change_random",)))
        for each in at_radius(1.0, "gd")
    ]
    results = [*at_radius(1.0, "ball"), *random, *at_radius(5.0, "ball")]
    assert grouped(results) == [(("R = 1",), {"ball", "random"}), (("R = 5",), {"ball"})]
    # Measured at each of two radii, gd stays with its own.
    twice = [*at_radius(1.0, "ball", "gd"), *at_radius(5.0, "ball", "gd")]
    assert [len(each.results) for each in series(twice)] == [24, 24]
    # One radius for each measurement says nothing about which depends on it.
    assert grouped([*at_radius(1.0, "gd"), *at_radius(5.0, "ball")]) == [(("R = 1",), {"gd"}), (("R = 5",), {"ball"})]


def test_results_are_shared_within_one_condition_only():
    double = [evolve(each, cell=evolve(each.cell, precision="float64")) for each in at_radius(1.0, "gd")]
    results = [*at_radius(1.0, "ball"), *at_radius(5.0, "ball"), *double]
    assert grouped(results) == [
        (("float32", "R = 1"), {"ball"}),
        (("float32", "R = 5"), {"ball"}),
        (("float64", "R = 1"), {"gd"}),
    ]


def test_one_architecture_is_one_series_however_its_parameters_were_written():
    params = {"activation": "gelu", "depth": 3}
    first = sweep("fc", label="fc:depth=3,activation=gelu", widths=(64, 128), params=params)
    second = sweep("fc", label="fc:activation=gelu,depth=3", widths=(256,), params=params)
    (found,) = series([*first, *second])
    assert found.label == "fc:depth=3,activation=gelu" and found.widths == [64, 128, 256]


def test_two_versions_of_a_measurement_are_no_law():
    def measured(version, code="", **changes):
        return [
            evolve(each, cell=evolve(each.cell, measurement_version=version, measurement_code=code))
            if each.cell.measurement == "hessian"
            else each
            for each in sweep("fc", **changes)
        ]

    for later in ({"version": "2.0"}, {"version": "1.0", "code": "c" * 32}):
        results = [*measured("1.0", widths=(64, 128)), *measured(**later, widths=(256, 512))]
        latest, earlier = series(results)
        assert latest.condition == () and latest.widths == [64, 128, 256, 512]
        assert {each.cell.width for each in latest.results if each.cell.measurement == "hessian"} == {256, 512}
        assert earlier.widths == [64, 128] and earlier.condition[0].startswith("ntkbench 1.0")
        assert {each.cell.measurement for each in earlier.results} == {"hessian"}

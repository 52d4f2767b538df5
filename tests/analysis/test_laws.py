"""A run's results become one law for each architecture and quantity."""

from __future__ import annotations

import pytest
from factories import QUANTITIES, cell, failed, result, sweep

from ntkbench.analysis.laws import fits_frame, law, result_keys, series
from ntkbench.types import Theory, Value

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


def test_a_saved_model_has_one_width():
    results = sweep("net.keras", widths=(1,))
    found = law(series(results)[0], "gradient_norm", CATALOGUE["gradient"]["gradient_norm"], {})
    assert found.fit.slope is None and found.fit.note == "a saved model has one width"


def test_keys_follow_the_catalogue():
    results = [*reversed(sweep("fc")), result(cell(measurement="mine", quantities=("extra",)))]
    keys = ["gradient_norm", "hessian_norm", "hessian_norm:max", "kernel_change_worst", "kernel_change_gd", "extra"]
    assert list(result_keys(results, CATALOGUE)) == keys

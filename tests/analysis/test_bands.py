"""Medians and ranges of curves over seeds, also where their abscissas differ."""

from __future__ import annotations

import math

import pytest
from attrs import evolve
from factories import cell, manifest, result, sweep

from ntkbench.analysis.bands import band, curve_panels
from ntkbench.types import Curve


def test_a_median_over_seeds_with_their_range():
    line = band([Curve([0, 1, 2], y) for y in ([1, 2, 3], [5, 6, 7], [2, 3, 9])], "width 8")
    assert line.label == "width 8" and line.x == (0, 1, 2)
    assert (line.y, line.low, line.high) == ((2, 3, 7), (1, 2, 3), (5, 6, 9))


def test_one_seed_has_no_band():
    line = band([Curve([0, 1], [1, 2])], "a")
    assert (line.y, line.low, line.high) == ((1, 2), (), ())


def test_seeds_with_other_abscissas_are_interpolated_where_all_have_a_value():
    line = band([Curve([0, 2, 4, 8], [0, 2, 4, 8]), Curve([1, 3, 5], [11, 13, 15])], "a")
    assert line.x == (1, 2, 3, 4, 5)
    assert line.low == pytest.approx((1, 2, 3, 4, 5)) and line.high == pytest.approx((11, 12, 13, 14, 15))
    assert line.y == pytest.approx((6, 7, 8, 9, 10))


def test_logarithmic_interpolation_is_exact_for_exponentials_and_leaves_out_zero():
    falls = [Curve(x, [math.exp(-t) for t in x]) for x in ([0, 3, 9], [0, 1, 7])]
    line = band(falls, "a", logarithmic=True)
    assert line.y == pytest.approx([math.exp(-t) for t in line.x]) and line.x == (0, 1, 3, 7)
    assert band([Curve([0, 1, 2], [0, 1, 10])], "a", logarithmic=True).x == (1, 2)


@pytest.mark.parametrize("curves", [[Curve([1], [1])], [Curve([0, 1], [1, 1]), Curve([2, 3], [1, 1])]])
def test_seeds_without_a_common_range_have_no_line(curves):
    assert band(curves, "a") is None


def with_curves(label, width, seed, **changes):
    of = cell(label, width=width, seed=seed, measurement="gd", quantities=("loss",), **changes)
    return result(of, values={}, curves={"loss": Curve([0, 1, 2], [1.0, 0.1 / width, 0.01 / width], "step", "loss")})


def test_a_panel_for_each_architecture_and_dataset_with_a_line_for_each_width():
    held = [with_curves(label, w, s, dataset=d) for label in ("fc", "cnn") for d in ("digits", "diabetes")
            for w in (8, 16) for s in (0, 1)]  # fmt: skip
    panels = curve_panels([*held, *sweep("fc")], {})
    assert [panel.title for panel in panels] == [
        f"{label} {dataset} loss" for label in ("fc", "cnn") for dataset in ("digits", "diabetes")
    ]
    assert all([line.label for line in panel.lines] == ["width 8", "width 16"] for panel in panels)
    assert all(panel.logarithmic and panel.x_label == "step" for panel in panels)


def test_cells_that_two_radii_share_are_drawn_once():
    held = [with_curves("fc", 8, seed) for seed in (0, 1)]
    other = [
        evolve(each, cell=evolve(each.cell, settings={**each.cell.settings, "radius": radius}))
        for each in sweep("fc", widths=(8,), seeds=2)
        if each.cell.measurement == "ball"
        for radius in (1.0, 2.0)
    ]
    assert len(curve_panels([*held, *other], {})) == 1


def test_negative_values_have_a_linear_axis():
    of = cell("fc", measurement="gd", quantities=("margin",))
    held = result(of, values={}, curves={"margin": Curve([0, 1], [-1.0, 100.0], "step", "margin")})
    (panel,) = curve_panels([held], manifest([held]))
    assert not panel.logarithmic and panel.lines[0].y == (-1, 100)


def test_named_curves_are_drawn_in_the_order_of_their_names():
    curve = Curve((0.0, 1.0), (1.0, 2.0), x_unit="epoch")
    results = [evolve(each, curves={"a": curve, "b": curve, "c": curve}) for each in sweep("fc", seeds=1, widths=(8,))]
    titles = [panel.title.rsplit(" ", 1)[-1] for panel in curve_panels(results, manifest(results), ("c", "a"))]
    assert set(titles[: len(titles) // 2]) == {"c"} and set(titles[len(titles) // 2 :]) == {"a"}
    assert len(curve_panels(results, manifest(results))) == 3 * len(titles) // 2

"""Heat maps of measured pairs: order of the pairs, axis, medians, plots and the report."""

from __future__ import annotations

import numpy as np
import pytest
from factories import cell, result

from ntkbench.analysis.bands import curve_panels
from ntkbench.analysis.heat_maps import heat_maps
from ntkbench.report.page import report_page
from ntkbench.report.panels import panels_figure
from ntkbench.report.svg import heat_map_plot
from ntkbench.types import Curve

MANIFEST = {
    "quantities": {
        "own": [
            {"name": "times", "key": "times", "x_unit": "epoch", "per": "point"},
            {"name": "s", "key": "s", "symbol": "S", "per": "point", "axis": "times"},
        ]
    }
}
MATRIX = np.array([[0, 1, 3, 7], [1, 0, 2, 6], [3, 2, 0, 4], [7, 6, 4, 0]], float)
TIMES = (0.0, 0.4, 2.0, 20.0)


def held(width, seed, scale=1.0, times=TIMES, names=("times", "s")):
    """A result with the pairs (0, 1), (0, 2), (1, 2), (0, 3), … of a matrix."""
    n = len(times)
    y = [scale * MATRIX[i, j] for j in range(n) for i in range(j)]
    curves = {"times": Curve(times, times, "epoch", "times"), "s": Curve(range(len(y)), y, "pair", "s")}
    of = cell("fc", width=width, seed=seed, measurement="own", quantities=("s", "times"))
    return result(of, values={}, curves={name: curves[name] for name in names})


def test_the_median_of_the_smallest_and_the_largest_width():
    cells = [held(width, seed, width * (seed + 1)) for width in (8, 16, 32) for seed in (0, 1, 2)]
    first, last = heat_maps(cells, MANIFEST)
    assert (first.label, last.label) == ("width 8", "width 32")
    assert (first.title, first.axis, first.symbol, first.at) == ("fc s", "epoch", "S", TIMES)
    np.testing.assert_allclose(last.values, 64 * MATRIX)
    assert [panel.title for panel in curve_panels(cells, MANIFEST)] == ["fc times"]


def test_seeds_with_other_points_are_left_out():
    (found,) = heat_maps([held(8, 0), held(8, 1, 100, TIMES[:3]), held(8, 2, 3)], MANIFEST)
    np.testing.assert_allclose(found.values, 2 * MATRIX)


def test_without_its_axis_the_points_are_numbered():
    (found,) = heat_maps([held(8, 0, names=("s",))], MANIFEST)
    assert (found.at, found.axis) == ((0, 1, 2, 3), "number")


def test_it_is_drawn(tmp_path):
    cells = [held(8, 0), held(16, 0)]
    maps = heat_maps(cells, MANIFEST)
    panels_figure(curve_panels(cells, MANIFEST), tmp_path / "a.png", maps)
    panels_figure([], tmp_path / "b.png", maps)
    assert (tmp_path / "a.png").stat().st_size > (tmp_path / "b.png").stat().st_size > 1000
    plot = heat_map_plot(maps[0])
    shares = {(square.x, square.y): square.share for square in plot.squares}
    columns, rows = sorted({x for x, _ in shares}), sorted({y for _, y in shares}, reverse=True)
    found = [[shares[x, y] for x in columns] for y in rows]
    np.testing.assert_allclose(found, MATRIX / 7, atol=1e-3)
    assert [label for _, label in plot.x_ticks] == ["0", "0.4", "2", "20"]
    page = report_page(cells, MANIFEST)
    assert page.count('class="map"') == 2 and "0.4 and 20: 6" in page


@pytest.mark.parametrize("n", [2, 3])
def test_few_points_are_drawn(n):
    (found,) = heat_maps([held(8, 0, times=TIMES[:n])], MANIFEST)
    np.testing.assert_allclose(found.values, MATRIX[:n, :n])
    assert len(heat_map_plot(found).squares) == n**2

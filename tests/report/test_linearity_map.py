"""The map of linearity: places, families, bands, lines between pairs, and labels that cover nothing."""

from __future__ import annotations

import math
import re

import pytest
from attrs import evolve
from factories import SLOPES, manifest, stored, sweep

from ntkbench.analysis.verdicts import verdicts
from ntkbench.cli.main import main
from ntkbench.errors import NtkbenchError
from ntkbench.report.linearity_map import Place, _box, _overlap, linearity_map, place_of
from ntkbench.report.map_figure import map_figure
from ntkbench.store.manifest import catalogue, theory
from ntkbench.types import Value


def place(name, slope, level, **changes):
    return Place(name, "dense", "linear", "x", slope, slope - 0.05, slope + 0.05, level, 512, **changes)


def judged(results):
    plan = manifest(results)
    return verdicts(results, catalogue(plan), theory(plan))


def test_a_place_is_exponent_and_last_median():
    (found,) = judged(sweep("fc", noise=0.0, seeds=3))
    of = place_of(found, "dense")
    values = sorted(each.values["kernel_change_worst"].value for each in sweep("fc", noise=0.0, seeds=3)
                    if each.cell.measurement == "ball" and each.cell.width == 512)  # fmt: skip
    assert of.slope == pytest.approx(-0.5) and of.level == pytest.approx(values[1]) and of.width == 512
    assert not of.hollow and not of.stands_in and of.words.startswith("fc: ")
    zero = [evolve(each, values=dict.fromkeys(each.values, Value(0.0))) for each in sweep("zero")]
    assert [place_of(each, "") for each in judged(zero)] == [None]


def test_kinks_are_hollow():
    kinked = [
        evolve(each, values=dict(each.values) | {"kink_share": Value(0.8)}) if each.cell.measurement == "ball" else each
        for each in sweep("fc")
    ]
    (found,) = judged(kinked)
    assert place_of(found, "dense").hollow and "kinks" in place_of(found, "dense").words


def test_coordinates_follow_the_axes():
    drawn = linearity_map([place("a", -0.5, 0.01), place("b", 0.0, 1.0), place("c", -0.25, 0.1)], [(0, 1)])
    at = {each.of.name: (each.x, each.y) for each in drawn.points}
    assert at["c"] == pytest.approx(tuple((p + q) / 2 for p, q in zip(at["a"], at["b"], strict=True)), abs=0.11)
    assert at["a"][0] < at["b"][0] and at["a"][1] > at["b"][1]
    ticks = {label: x for x, label in drawn.x_ticks}
    assert ticks["0"] == at["b"][0] and {"-0.6", "-0.4", "-0.2", "0.2"} <= set(ticks)
    assert {label for _, label in drawn.y_ticks} >= {"0.01", "0.1", "1"}
    edges = {band.name: (band.x, band.x + band.width) for band in drawn.bands}
    assert edges["falls"][1] == pytest.approx(ticks["-0.2"], abs=0.2) == edges["stays"][0]
    assert edges["stays"][1] == pytest.approx(ticks["0.2"], abs=0.2)
    (joint,) = drawn.joints
    assert (joint.x1, joint.y1, joint.x2, joint.y2) == (*at["a"], *at["b"])
    assert joint.names == ("a", "b") and joint.label.text == "1"
    assert linearity_map([]) is None


def test_labels_cover_no_point_and_no_other_label():
    crowd = [place(f"row-{i}", -0.5 + 0.02 * math.sin(i), 0.1 * (1 + 0.1 * math.cos(i))) for i in range(40)]
    drawn = linearity_map([*crowd, place("alone", 0.1, 0.1)])
    boxes = [_box(each.label) for each in drawn.points if each.label]
    assert any(each.label and each.of.name == "alone" for each in drawn.points) and 1 < len(boxes) < 41
    for number, box in enumerate(boxes):
        assert not any(_overlap(box, other) for other in boxes[:number])
        assert not any(box[0] < each.x < box[2] and box[1] < each.y < box[3] for each in drawn.points)


def test_families_have_their_own_shape_and_colour():
    names = ["other", *"abcdefgh"]
    drawn = linearity_map([evolve(place(name, -0.5, 0.1), family=name) for name in names])
    assert list(drawn.families)[-1] == "other" and len(set(drawn.families.values())) == 9
    assert all(re.fullmatch(r"M[-\d. lhvaMz]+", shape) for _, shape in drawn.families.values())


def test_extreme_exponents_and_levels_stay_in_the_frame():
    drawn = linearity_map([place("far", -30.0, 1e-30), place("near", 3.0, 1e3), evolve(place("wide", 0, 1), low=-99)])
    for each in drawn.points:
        assert 0 <= each.left <= each.x <= each.right <= drawn.width and 0 <= each.y <= drawn.height
    assert 2 <= len(drawn.x_ticks) <= 10 and 2 <= len(drawn.y_ticks) <= 12


def test_plot_map(tmp_path, capsys):
    run = stored(tmp_path / "run", [*sweep("fc"), *sweep("bent", slopes=dict.fromkeys(SLOPES, 0.0))])
    assert main(["plot", str(run.path), "--map"]) == 0
    assert capsys.readouterr().out.strip() == str(run.path / "map.png")
    assert (run.path / "map.png").stat().st_size > 10_000
    assert main(["plot", str(run.path), "--map", "-o", str(tmp_path / "a.svg")]) == 0
    first = (tmp_path / "a.svg").read_bytes()
    assert main(["plot", str(run.path), "--map", "-o", str(tmp_path / "a.svg")]) == 0
    assert (tmp_path / "a.svg").read_bytes() == first
    assert main(["plot", str(run.path), "--map", "--curves"]) == 2
    with pytest.raises(NtkbenchError, match="no row has an exponent"):
        map_figure([], tmp_path / "b.png")

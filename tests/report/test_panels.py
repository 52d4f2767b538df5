"""Panels as a picture and on the page of a run."""

from __future__ import annotations

import math
import re

import pytest
from click.testing import CliRunner
from factories import manifest, sweep

from ntkbench.cli import plot
from ntkbench.errors import NtkbenchError
from ntkbench.report.page import report_page
from ntkbench.report.panels import panels_figure
from ntkbench.report.svg import panel_plot
from ntkbench.store.panels import encode
from ntkbench.store.run_store import RunStore
from ntkbench.types import Line, Panel

EVIL = "a <b> $\\frac{ & \x1b"
STEPS = tuple(float(t) for t in range(21))
FALLS = Line(
    "falls", STEPS, tuple(0.5**t for t in STEPS), tuple(0.4 * 0.5**t for t in STEPS), tuple(2 * 0.5**t for t in STEPS)
)
PANELS = [
    Panel("training", "step", "loss", (FALLS, Line(EVIL, STEPS, tuple(0.9**t for t in STEPS)))),
    Panel("few", "log2 of the step size", "steps", (Line("falls", (-6.0, -4.0), (300.0, 80.0)),)),
]


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")])
def test_the_picture(tmp_path, name, start):
    panels_figure(PANELS, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(NtkbenchError, match="Unsupported file extension"):
        panels_figure(PANELS, tmp_path / "a.gif")


def test_places_in_the_drawing():
    drawn = panel_plot(PANELS[0], {"falls": 0, EVIL: 1}, width=460, height=300)
    first, last = (tuple(map(float, drawn.lines[0].points.split()[i].split(","))) for i in (0, -1))
    assert first[0] == 46 and last[0] == 450 and first[1] < last[1]
    middle = tuple(map(float, drawn.lines[0].points.split()[10].split(",")))
    assert middle == pytest.approx(((first[0] + last[0]) / 2, (first[1] + last[1]) / 2), abs=0.11)  # a straight line
    assert len(drawn.lines[0].band.split()) == 42 and drawn.lines[1].band == ""
    assert [label for _, label in drawn.x_ticks] == ["0", "5", "10", "15", "20"]


def test_what_has_no_place_is_left_out():
    odd = Panel("t", "x", "y", (Line("a", STEPS[:4], (1.0, 0.0, math.nan, 2.0)), Line("b", (1.0,), (1.0,))))
    (line,) = panel_plot(odd, {"a": 0, "b": 1}).lines
    assert len(line.points.split()) == 2
    assert panel_plot(Panel("t", "x", "y", (Line("b", (1.0,), (1.0,)),)), {"b": 0}) is None


def test_the_page_has_them():
    results = sweep("fc", seeds=2)
    assert 'id="curves"' not in report_page(results, manifest(results))
    page = report_page(results, manifest(results) | {"curves": encode(PANELS)})
    section = page[page.index('id="curves"') : page.index('id="architectures"')]
    assert section.count("<svg") == 2 and section.count("<polygon") == 1 and "<b>" not in section
    assert re.findall(r'class="k(\d)">●</span> falls', section) == ["0", "0"]


def test_plot_draws_them(tmp_path):
    store = RunStore(tmp_path / "run")
    store.create_or_open(manifest(sweep("fc", seeds=1)))
    call = lambda *words: CliRunner().invoke(plot.command, list(map(str, words)), catch_exceptions=False)  # noqa: E731
    with pytest.raises(NtkbenchError, match="holds no curves"):
        call(store.path, "--curves")
    store.note("curves", encode(PANELS))
    assert call(store.path, "--curves").output.strip() == str(store.path / "curves.png")
    assert (store.path / "curves.png").stat().st_size > 5000
    with pytest.raises(NtkbenchError, match="holds no curve 'hessian_norm'"):
        call(store.path, "--curves", "--quantity", "hessian_norm")

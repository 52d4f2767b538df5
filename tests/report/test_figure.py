"""The picture is written, whatever the names and values are."""

from __future__ import annotations

import pytest
from attrs import evolve
from factories import SLOPES, failed, manifest, sweep

from ntkbench.errors import NtkbenchError
from ntkbench.report.figure import figure
from ntkbench.types import Value

NAME = "evil $\\frac{ </svg> \x1b"


def test_png_and_svg(tmp_path):
    results = [*sweep("fc"), *sweep(NAME, widths=(16, 32)), failed(sweep("cnn", widths=(1024,))[0].cell)]
    results += [evolve(each, values={key: Value(0.0) for key in each.values}) for each in sweep("linear")]
    for name, start in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("b.SVG", b"<?xml"), ("c.pdf", b"%PDF")):
        figure(results, tmp_path / name, manifest(results, {"fc": SLOPES}))
        assert (tmp_path / name).read_bytes().startswith(start)
    assert (tmp_path / "a.svg").read_text().count("</svg>") == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.png", "a.svg", "b.SVG", "c.pdf"]


def test_one_quantity(tmp_path):
    figure(sweep("fc"), tmp_path / "one.png", quantities=["hessian_norm"])
    assert (tmp_path / "one.png").stat().st_size > 1000


def test_what_cannot_be_drawn_is_a_sentence(tmp_path):
    with pytest.raises(NtkbenchError, match="Unsupported file extension"):
        figure(sweep("fc"), tmp_path / "a.gif")
    with pytest.raises(NtkbenchError, match="nothing to draw"):
        figure(sweep("fc", widths=(64,)), tmp_path / "a.png")
    with pytest.raises(NtkbenchError, match="nothing to draw"):
        figure([], tmp_path / "a.png")
    with pytest.raises(NtkbenchError, match="did not measure"):
        figure(sweep("fc"), tmp_path / "a.png", quantities=["steps"])

"""Panels in a manifest: what goes in comes out, and what is damaged is a sentence."""

from __future__ import annotations

import json
import math

import pytest
from factories import manifest, sweep

from ntkbench.api import load
from ntkbench.errors import NtkbenchError
from ntkbench.store.panels import decode, encode
from ntkbench.store.run_store import RunStore
from ntkbench.types import Line, Panel

PANELS = (
    Panel("loss", "step", "L", (Line("a", (0.0, 1.0), (1.0, 0.5), (0.9, 0.4), (1.1, 0.6)), Line("b", (0.0,), (2.0,)))),
    Panel("none", "x", "y", ()),
)


@pytest.fixture
def run(tmp_path):
    store = RunStore(tmp_path / "run")
    store.create_or_open(manifest(sweep("fc", seeds=1)))
    return store


def test_panels_round_trip(run):
    assert load(run.path).panels == ()
    run.note("curves", encode(PANELS))
    assert load(run.path).panels == PANELS
    run.create_or_open(manifest(sweep("fc", seeds=2)))  # a run that goes on keeps them
    assert load(run.path).panels == PANELS


def test_what_is_not_finite_has_no_place(run):
    run.note("curves", encode([Panel("t", "x", "y", (Line("a", (0.0, 1.0), (1.0, math.inf)),))]))
    (curve,) = load(run.path).panels[0].lines
    assert curve.y[0] == 1 and math.isnan(curve.y[1])


@pytest.mark.parametrize(
    "bad",
    [
        {"curves": "all"},
        {"curves": ["x"]},
        {"curves": [{"title": "t", "x_label": "x", "y_label": "y"}]},
        {"curves": [{"title": "t", "x_label": "x", "y_label": "y", "curves": [{"label": "a", "x": [1], "y": []}]}]},
        {
            "curves": [
                {
                    "title": "t",
                    "x_label": "x",
                    "y_label": "y",
                    "curves": [{"label": "a", "x": [1], "y": [1], "low": [1]}],
                }
            ]
        },
        {"curves": [{"title": "t", "x_label": "x", "y_label": "y", "curves": [{"label": "a", "x": ["q"], "y": [1]}]}]},
    ],
)
def test_damaged_panels_are_a_sentence(run, bad):
    file = run.path / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | bad))
    with pytest.raises(NtkbenchError, match="damaged"):
        load(run.path)


def test_decoding_names_what_is_wrong():
    with pytest.raises(ValueError, match="are not valid"):
        decode({"curves": [{}]})

"""Until decided: seeds, then widths, only where a verdict is open, by the recorded rule."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import pytest

from ntkbench.analysis.verdicts import verdicts
from ntkbench.api import load
from ntkbench.cli.main import main
from ntkbench.runner import sequential
from ntkbench.types import HEADLINES

MEASURE = [word for key in HEADLINES for word in ("--measure", key)]
WORDS = ["--widths", "8,16,32", "--probes", "3", *MEASURE]


@pytest.fixture(scope="module")
def looks():
    """A clock on which a look takes a second, however busy the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequential, "time", SimpleNamespace(monotonic=itertools.count().__next__))
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory, looks):
    out = tmp_path_factory.mktemp("runs") / "run"
    words = ["run", "--arch", "fc-bottleneck:k=1", "--arch", "linear", *WORDS, "--seeds", "2", "--out", str(out)]
    assert main([*words, "--quiet", "--until-decided", "--budget", "0.05"]) == 0
    return load(out)


def test_only_what_is_open_gets_more(run):
    seeds = {each.series.label: each.series.seeds for each in sequential._at_level(run._store)}
    assert seeds["linear"] == [0, 1] and len(seeds["fc-bottleneck:k=1"]) >= 4
    places = [(r.cell.label, r.cell.measurement, r.cell.width, r.cell.seed) for r in run.results]
    assert len(places) == len(set(places))


def test_the_rule_is_recorded(run):
    stopping = json.loads((run.path / "manifest.json").read_text())["stopping"]
    assert stopping["rule"] == sequential.RULE and stopping["budget"] == 3
    assert stopping["ended"] and stopping["verdicts"]["linear"] == "linear"
    assert list(stopping["looks"][0]["added"]) == ["fc-bottleneck:k=1"]
    assert stopping["looks"][0]["added"]["fc-bottleneck:k=1"][0] == 4
    added = [r.cell for r in run.results if r.cell.label == "fc-bottleneck:k=1" and r.cell.seed >= 2]
    assert set(HEADLINES) <= {key for cell in added for key in cell.quantities}, "all that a verdict rests on"
    assert "interim analyses" in run.table().text() and len(stopping["looks"]) <= sequential.LOOKS


def test_a_look_is_stricter_than_the_table():
    from factories import SLOPES, sweep

    results = sweep("fc", slopes=SLOPES, noise=0.03, widths=(64, 128, 256, 512, 1024), seeds=5)
    table, look = (verdicts(results, {}, {}, *confidence)[0] for confidence in ((), (sequential.LEVEL,)))
    states = [each.states["kernel_change_worst"] for each in (table, look)]
    assert states[1].high - states[1].low > 1.2 * (states[0].high - states[0].low)


def advised(monkeypatch, seeds, widths, more_seeds, more_widths, power=0.9):
    """A verdict that is falling and has this advice."""
    from factories import sweep

    from ntkbench.analysis import verdicts as module
    from ntkbench.analysis.advice import Advice

    monkeypatch.setattr(module, "what_would_decide", lambda *_: Advice(more_seeds, more_widths, power))
    found = verdicts(sweep("fc", widths=widths, seeds=seeds, noise=0.2), {}, {})[0]
    assert not found.decided
    return found


WIDTHS = (16, 32, 64)


@pytest.mark.parametrize(
    ("seeds", "widths", "advice", "wanted"),
    [
        (3, WIDTHS, (9, 0), (6, WIDTHS)),
        (3, WIDTHS, (2, 0), (5, WIDTHS)),
        (3, WIDTHS, (9, 2), (6, (*WIDTHS, 128))),
        (3, WIDTHS, (0, 1), (3, (*WIDTHS, 128))),
        (38, WIDTHS, (20, 0), (40, WIDTHS)),
        (5, (4, 8, 16, 32, 64), (0, 1), None),
        (3, WIDTHS, (9, 2, 0.4), None),
    ],
    ids=["at most as many", "at least two", "and a width", "a width alone", "up to 40", "no third width", "unlikely"],
)
def test_what_is_added(monkeypatch, seeds, widths, advice, wanted):
    found = sequential._addition(advised(monkeypatch, seeds, widths, *advice), 3)
    assert [(each.seeds, each.widths) for each in found] == ([] if wanted is None else [wanted])


def test_what_lacks_a_measurement_gets_nothing():
    from factories import sweep

    only = [each for each in sweep("fc") if each.cell.measurement != "gd"]
    assert sequential._addition(verdicts(only, {}, {})[0], 3) == []


def test_both_of_an_open_order_get_seeds():
    from factories import SLOPES, sweep

    def judged(noise):
        names = {"a": -0.5, "b": -0.5, "c": -3.0}
        results = [
            one
            for name, slope in names.items()
            for one in sweep(name, slopes=SLOPES | {"kernel_change_worst": slope}, noise=noise, seeds=3)
        ]
        return verdicts(results, {}, {})

    found = {each.label: each for each in sequential._for_ranks(judged(0.3), {"a", "b", "c"})}
    assert {"a", "b"} <= found.keys() and all(5 <= each.seeds <= 6 for each in found.values())
    assert found["a"].seeds == found["b"].seeds and found["a"].widths == (64, 128, 256, 512)
    assert [each.label for each in sequential._for_ranks(judged(0.3), {"b"})] == ["b"], "the others get seeds already"
    assert sequential._for_ranks(judged(0.001), {"a", "b", "c"}) == []


def test_several_radii_until_decided(tmp_path, looks):
    words = ["run", "--arch", "fc-bottleneck:k=1", *WORDS, "--seeds", "2", "--quiet"]
    words += ["--radius", "1", "--radius", "3"]
    out = tmp_path / "run"
    assert main([*words, "--until-decided", "--budget", "0.03", "--executor", "serial", "--out", str(out)]) == 0
    run = load(out)
    assert [each["condition"] for each in run.table().records] == [["R = 1"], ["R = 3"]]
    near, far = (each["seeds"] for each in run.table().records)
    assert near == far and len(near) >= 4
    places = [(r.cell.measurement, r.cell.width, r.cell.seed, r.cell.settings["radius"]) for r in run.results]
    assert len(places) == len(set(places))
    assert {radius for measurement, _, _, radius in places if measurement == "gradient"} == {1.0}

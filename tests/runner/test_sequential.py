"""Until decided: seeds, then widths, only where a verdict is open, by the recorded rule."""

from __future__ import annotations

import json

import pytest

from ntkbench.analysis.scaling import Fit
from ntkbench.cli.main import main
from ntkbench.runner import sequential
from ntkbench.store.run import load

WORDS = ["--widths", "8,16,32", "--probes", "3", "--measure", "gradient_norm", "--measure", "hessian_norm"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
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
    assert "looks" in run.table().text() and len(stopping["looks"]) <= sequential.LOOKS


def test_a_look_is_stricter_than_the_table():
    wide = sequential._widened(Fit(slope=-0.5, low=-0.6, high=-0.4, n=20, n_seeds=5))
    assert wide.slope == -0.5 and 0.12 < wide.high - wide.slope < 0.2
    assert sequential._widened(Fit(note="no value")) == Fit(note="no value")


def test_seeds_first_then_widths():
    from attrs import evolve
    from factories import SLOPES, sweep

    from ntkbench.analysis.verdicts import verdicts

    def undecided(seeds, widths=(16, 32, 64)):
        found = verdicts(sweep("fc", widths=widths, seeds=seeds, slopes=SLOPES), {}, {})[0]
        return evolve(found, name="undecided", more_seeds=9)

    addition = sequential._addition(undecided(3), 3)[0]
    assert addition.seeds == 6 and addition.widths == (16, 32, 64)
    addition = sequential._addition(undecided(sequential.MOST_SEEDS), 3)[0]
    assert addition.seeds == sequential.MOST_SEEDS and addition.widths == (16, 32, 64, 128)
    assert sequential._addition(undecided(sequential.MOST_SEEDS, (4, 8, 16, 32, 64)), 3) == []


def test_both_of_an_open_order_get_seeds():
    from factories import SLOPES, sweep

    from ntkbench.analysis.verdicts import verdicts

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


def test_several_radii_until_decided(tmp_path):
    words = ["run", "--arch", "fc-bottleneck:k=1", "--widths", "8,16,32", "--probes", "3", "--seeds", "2", "--quiet"]
    words += ["--measure", "gradient_norm", "--measure", "kernel_change_worst", "--radius", "1", "--radius", "3"]
    out = tmp_path / "run"
    assert main([*words, "--until-decided", "--budget", "0.03", "--executor", "serial", "--out", str(out)]) == 0
    run = load(out)
    assert [each["condition"] for each in run.table().records] == [["R = 1"], ["R = 3"]]
    near, far = (each["seeds"] for each in run.table().records)
    assert near == far and len(near) >= 4
    places = [(r.cell.measurement, r.cell.width, r.cell.seed, r.cell.settings["radius"]) for r in run.results]
    assert len(places) == len(set(places))
    assert {radius for measurement, _, _, radius in places if measurement == "gradient"} == {1.0}

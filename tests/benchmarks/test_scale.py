"""The simulation of many workers: bounds that every schedule obeys, and a document that shows what was stored."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import scale
from hypothesis import given, strategies as st
from scale import Unit, ordered, simulate

RESULTS = Path(scale.__file__).parent / "results/scale"
UNITS = st.lists(
    st.builds(
        Unit,
        seconds=st.floats(0.1, 50),
        compiles=st.tuples(st.tuples(st.integers(0, 3), st.just(5.0))),
        cells=st.integers(1, 9),
    ),
    min_size=1,
    max_size=30,
)


@given(of=UNITS, workers=st.integers(1, 8), write=st.floats(0, 0.5), order=st.sampled_from(scale.ORDERS))
def test_no_schedule_beats_its_bounds(of, workers, write, order):
    queue = ordered(of, order, random.Random(0))
    assert sorted(queue, key=id) == sorted(of, key=id)
    found = simulate(queue, workers, start=3, dispatch=0.001, write=write)
    work = sum(unit.seconds for unit in of)
    compiled = {what: seconds for unit in of for what, seconds in unit.compiles}
    least = max((work + sum(compiled.values())) / workers, *(unit.cold for unit in of), 0.001 * len(of))
    most = work + sum(sum(s for _, s in unit.compiles) for unit in of) + 0.001 * len(of)
    assert 3 + least - 1e-6 <= found.measured <= 3 + most + 1e-6
    assert found.stored >= max(found.measured, 3 + found.writer) and found.lag >= write - 1e-9
    assert 0 < found.busy <= 1 + 1e-9
    if workers == 1:
        assert found.compiling * (work + sum(compiled.values())) == pytest.approx(sum(compiled.values()))


def test_a_sweep_is_cut_into_all_of_its_cells():
    groups = scale.measured()
    assert len(groups) == 100
    for name in scale.SWEEPS:
        chosen, seeds = scale.sweep(groups, name)
        works = set()
        for at_once in scale.CUTS.values():
            of = scale.units(chosen, seeds, at_once)
            works.add((sum(unit.cells for unit in of), round(sum(unit.seconds for unit in of))))
        ((cells, _),) = works
        assert abs(cells - scale.CELLS) < 1000


def test_the_document_shows_what_was_stored(monkeypatch):
    found = json.loads((RESULTS / "simulated.json").read_text(encoding="utf-8"))
    costs = json.loads((RESULTS / "costs.json").read_text(encoding="utf-8"))
    assert found["costs"] == costs
    text = scale.DOC.read_text(encoding="utf-8")
    for name, block in scale.tables(found).items():
        assert f"<!-- {name}:begin -->\n{block}\n<!-- {name}:end -->" in text, name
    cost = scale.Costs(**{name: value for name, value in costs.items() if name != "machine"})
    groups = scale.measured()[:3]
    monkeypatch.setattr(scale, "CELLS", 1000)
    assert [run["sweep"] for run in scale.runs(groups, cost, workers=(2,))].count("many seeds") == 6 * 4 + 3


@pytest.mark.slow
def test_costs_are_measured():
    cost = scale.costs(20)
    assert cost.write >= cost.write_unsynced > cost.receive > 0 and cost.read > 0 and cost.start > 0.5

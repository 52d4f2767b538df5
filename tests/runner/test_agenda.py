"""The order of what is left, and the time that it will take."""

from __future__ import annotations

import pytest
from attrs import evolve
from factories import cell

from ntkbench.runner.agenda import Agenda, Costs
from ntkbench.types import CellResult, Status


def group(label="fc", width=64, seeds=2, measurement="gradient"):
    return [
        cell(architecture=label, width=width, seed=seed, measurement=measurement, quantities=("gradient_norm",))
        for seed in range(seeds)
    ]


def took(cells, *seconds):
    return [CellResult(cell=c, status=Status.OK, seconds=s) for c, s in zip(cells, seconds, strict=True)]


def order(agenda):
    taken = []
    while agenda:
        taken.append(agenda.take())
    return [(cells[0].label or cells[0].architecture, cells[0].width) for cells in taken]


GROUPS = [group("fc", 64), group("fc", 512), group("cnn", 64), group("cnn", 512)]


def test_one_worker_keeps_the_plans_order_and_several_begin_with_the_costliest():
    assert order(Agenda(GROUPS)) == [("fc", 64), ("fc", 512), ("cnn", 64), ("cnn", 512)]
    assert {width for _, width in order(Agenda(GROUPS, workers=2))[:2]} == {512}


def test_what_finished_cells_took_decides():
    known = Costs([*took(group("cnn", 32), 60.0, 40.0), *took(group("fc", 32), 1.0, 0.1)])
    assert order(Agenda(GROUPS, known, workers=2)) == [("cnn", 512), ("cnn", 64), ("fc", 512), ("fc", 64)]


def test_what_is_learned_on_the_way_changes_the_order():
    agenda = Agenda([group("fc", 512), *GROUPS[::2], group("cnn", 256)], workers=2)
    first = agenda.take()
    assert first[0].width == 512
    for result in took(first, 0.2, 0.1):
        agenda.done(result)
    for result in took(group("cnn", 32), 60.0, 40.0):
        agenda.done(result)
    assert order(agenda) == [("cnn", 256), ("cnn", 64), ("fc", 64)]


def test_what_a_lost_worker_left_comes_next():
    agenda = Agenda(GROUPS, workers=1)
    cells = agenda.take()
    agenda.put_back(cells[1:])
    agenda.put_back([])
    assert agenda.take() == cells[1:]
    assert len(agenda) == 3


def test_the_first_cell_compiles_and_the_others_do_not():
    costs = Costs(took(group("fc", 64), 10.0, 1.0))
    assert costs.of(group("fc", 64, seeds=5)[2:]) == pytest.approx(3.0)
    unknown = costs.of(group("fc", 64, seeds=4, measurement="kernel"))
    assert 10.0 < unknown < 25.0, "one that compiles and three that do not"
    assert Costs([CellResult(cell=group()[0], status=Status.OOM)]).learned == 0, "it was not run"


@pytest.mark.parametrize("workers", [2, 3, 20])
def test_where_fewer_groups_wait_than_there_are_workers_long_ones_are_cut(workers):
    cells = group("fc", 64, seeds=900)
    agenda = Agenda([cells], Costs(took(cells[:2], 1.0, 1.0)), workers)
    taken = []
    while agenda:
        taken.append(agenda.take())
    assert [cell for part in taken for cell in part] == cells
    assert all(len(part) >= 30 for part in taken) and len(taken[0]) == pytest.approx(900 / workers, abs=1)
    assert agenda.seconds_left() == pytest.approx(900 / workers)
    assert len(taken) < 3 * workers + 9


def test_what_is_short_or_one_seeds_is_not_cut():
    short, one = group("fc", 64, seeds=50), group("cnn", 64, seeds=1)
    known = Costs([*took(short[:2], 1.0, 1.0), *took(one, 500.0)])
    agenda = Agenda([short, one], known, 9)
    assert {len(agenda.take()), len(agenda.take())} == {1, 50}
    two = [evolve(c, measurement=name) for c in group("fc", 64, seeds=2) for name in ("gradient", "random")]
    agenda = Agenda([two], Costs(took(two, 100.0, 100.0, 100.0, 100.0)), 4)
    assert [len(agenda.take()), len(agenda.take())] == [2, 2], "the cells of a seed share its descent"


@pytest.mark.parametrize("workers", [1, 2])
def test_as_many_groups_as_workers_stay_whole(workers):
    groups = [group("fc", 64, seeds=900), group("cnn", 64, seeds=900)]
    agenda = Agenda(groups, Costs(took(groups[0][:2], 1.0, 1.0)), workers)
    assert len(agenda.take()) == 900


def test_the_time_left_is_shared_by_the_workers_but_not_within_a_seed():
    groups = [group("fc", 64, seeds=9), group("fc", 512, seeds=9)]
    done = took(groups[0], 5.0, *[1.0] * 8) + took(groups[1], 20.0, *[10.0] * 8)
    costs = Costs(done)
    left = [[evolve(c, seed=c.seed + 9) for c in cells] for cells in groups]
    assert Agenda(left, costs, workers=1).seconds_left() == pytest.approx(99.0)
    assert Agenda(left, costs, workers=2).seconds_left() == pytest.approx(49.5)
    assert Agenda(left, costs, workers=20).seconds_left() == pytest.approx(10.0)
    assert Agenda(left).seconds_left() is None
    agenda = Agenda(left, costs)
    for result in took([*left[0], *left[1]], *[1.0] * 9, *[10.0] * 9):
        agenda.done(result)
    assert agenda.seconds_left() == 0.0

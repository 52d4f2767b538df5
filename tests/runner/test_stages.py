"""What a measurement reports reaches the progress display."""

from __future__ import annotations

from measuring import Extended, cells

from ntkbench.engine import cell_context
from ntkbench.registry.specs import Measurement
from ntkbench.runner.agenda import Agenda
from ntkbench.runner.executors.serial import Serial
from ntkbench.runner.progress import Progress
from ntkbench.types import Quantity


def measure(ctx):
    for epoch in (1, 2):
        ctx.report(f"epoch {epoch} of 2")
    return {"n": 1.0}


class Told(Progress):
    def __init__(self):
        super().__init__()
        self.said = []

    def now(self, what, stage=""):
        self.said.append((what.seed, stage))


def told():
    known = Extended(Measurement(name="own", target=measure, quantities=(Quantity("n", "n", summary="one"),)))
    progress = Told()
    found = Serial(known, "cpu").results(
        Agenda([cells("linear", 4, measure=["own"], seeds=(0, 1), known=known)]), progress
    )
    assert [result.values["n"].value for result in found] == [1, 1]
    return progress.said


def test_stages_belong_to_the_cell_that_is_measured(monkeypatch):
    monkeypatch.setattr(cell_context, "SECONDS_BETWEEN_STAGES", 0.0)
    both = ["", "epoch 1 of 2", "epoch 2 of 2"]
    assert told() == [(seed, stage) for seed in (0, 1) for stage in both]


def test_few_stages_are_passed_on(monkeypatch):
    monkeypatch.setattr(cell_context, "SECONDS_BETWEEN_STAGES", 1e6)
    assert told() == [(0, ""), (0, "epoch 1 of 2"), (1, ""), (1, "epoch 1 of 2")]

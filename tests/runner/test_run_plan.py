"""The runner's loop, with a worker that measures nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import attrs
import pytest
from factories import finished

from ntkbench.plan.options import RunOptions
from ntkbench.plan.plan import make_plan
from ntkbench.registry.current import registry as the_registry
from ntkbench.runner import run as runner
from ntkbench.runner.executors.executor import Executor, ExecutorLost
from ntkbench.runner.progress import Progress
from ntkbench.store.run_store import RunStore
from ntkbench.types import CellResult, Status, Value


class Worker(Executor):
    """Stands for the executor: answers by a function of the cell, and remembers what was asked."""

    def __init__(self):
        self.asked, self.status, self.at = [], lambda cell: Status.OK, {}

    def results(self, agenda, progress):
        while agenda:
            cells = agenda.take()
            assert len({cell.group for cell in cells}) == 1
            for cell in cells:
                self.asked.append(cell.key)
                self.at.get(len(self.asked), lambda: None)()
                status = self.status(cell)
                values = {key: Value(1.0) for key in cell.quantities} if status is Status.OK else {}
                yield CellResult(cell=cell, status=status, values=values, message="" if values else "why")


@pytest.fixture
def worker():
    return Worker()


@pytest.fixture
def plan():
    return make_plan(
        RunOptions(arch=["fc", "linear"], widths="4,8", seeds=2, measure=["gradient", "gd"]), the_registry()
    )


@pytest.fixture
def store(plan, tmp_path):
    options = attrs.evolve(plan.options, out=str(tmp_path / "run"))
    return runner.open_store(attrs.evolve(plan, options=options), the_registry())


def run(plan, store, worker, progress=None):
    return runner.run_plan(plan, store, worker, progress)


def test_every_cell_is_stored_once(worker, plan, store):
    assert run(plan, store, worker) == runner.Outcome(ok=16)
    assert worker.asked == [cell.key for cell in plan.cells]
    assert finished(store) == set(worker.asked)
    assert run(plan, store, worker).ok == 16
    assert len(worker.asked) == 16


def test_failed_cells_are_rows_and_are_tried_again(worker, plan, store):
    worker.status = lambda cell: Status.FAILED if cell.measurement == "gd" else Status.UNSUPPORTED
    outcome = run(plan, store, worker)
    assert (outcome.ok, outcome.failed, outcome.interrupted) == (8, 8, False)
    assert {result.status for result in store.read()} == {Status.FAILED, Status.UNSUPPORTED}
    worker.asked.clear()
    worker.status = lambda cell: Status.OK
    assert run(plan, store, worker) == runner.Outcome(ok=16)
    assert len(worker.asked) == 8


def test_retry_says_which_of_the_failed_are_tried_again(worker, plan, store):
    of = {"gd": Status.FAILED, "gradient": Status.OK}
    worker.status = lambda cell: Status.TIMEOUT if cell.width == 8 and cell.seed else of[cell.measurement]
    run(plan, store, worker)
    assert len(worker.asked) == 16
    for words, measured in (("none", 0), ("timeout", 4), ("failed", 6), ("failed,timeout", 10), ("unsupported", 0)):
        worker.asked.clear()
        chosen = attrs.evolve(plan, options=attrs.evolve(plan.options, retry=words))
        outcome = run(chosen, store, worker)
        assert (len(worker.asked), outcome.ok, outcome.failed) == (measured, 6, 10), words


def test_an_executor_that_is_lost_ends_the_run_with_a_sentence(worker, plan, store):
    def lost():
        raise ExecutorLost("The scheduler is gone.")

    worker.at = {6: lost}
    outcome = run(plan, store, worker)
    assert (outcome.ok, outcome.lost, outcome.incomplete) == (5, "The scheduler is gone.", True)
    assert run(plan, store, worker) == runner.Outcome(ok=16)


def test_force_measures_again(worker, plan, store):
    run(plan, store, worker)
    forced = attrs.evolve(plan, options=attrs.evolve(plan.options, force=True))
    run(forced, store, worker)
    assert len(worker.asked) == 32


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_is_finished(worker, plan, store, number):
    before = signal.getsignal(number)
    worker.at = {6: lambda: os.kill(os.getpid(), number)}
    outcome = run(plan, store, worker)
    assert (outcome.ok, outcome.interrupted) == (5, True)
    assert signal.getsignal(number) is before
    assert finished(store) == set(worker.asked[:5])
    assert run(plan, store, worker) == runner.Outcome(ok=16)


def test_a_swallowed_signal_still_stops_the_run(worker, plan, store):
    def swallowed():
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)

    worker.at = {3: swallowed}
    outcome = run(plan, store, worker)
    assert (outcome.ok, outcome.interrupted) == (3, True)


def test_an_unexpected_error_ends_the_display(worker, plan, store):
    class Told(Progress):
        stopped = False

        def stop(self):
            self.stopped = True

    worker.at = {2: lambda: 1 / 0}
    progress = Told()
    with pytest.raises(ZeroDivisionError):
        run(plan, store, worker, progress)
    assert progress.stopped
    assert len(finished(store)) == 1


def test_a_new_folder_is_named_by_time_and_plan(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = runner.new_folder(plan.cells)
    assert first.startswith("runs/2")
    RunStore(first).create_or_open({"schema_version": 1, "cells": []})
    assert runner.new_folder(plan.cells) != first


def test_saved_models_of_our_layers_are_known_to_a_new_process():
    code = "import keras, ntkbench.runner.build; assert keras.saving.get_registered_object('ntkbench>Dense')"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)

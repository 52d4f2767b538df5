"""A long training in a cell's workspace goes on after a kill, and its numbers are those of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fakes
import pytest

import ntkbench as nb
from ntkbench.registry import current
from ntkbench.training import load

STEPS = 600
CODE = f"""
import time
import numpy as np
from ntkbench import Quantity, hookimpl, training

def measure(ctx):
    y = np.sin(np.arange(len(ctx.y)))
    trainer = training.Trainer(ctx.network, ctx.x, y, learning_rate=0.05, momentum=0.9, batch_size=5)
    file = ctx.workspace / "latest"
    state = training.load(file) if file.exists() else trainer.start()
    began = state.step

    def keep(state):
        state.save(file)
        time.sleep(0.02)

    state = trainer.run(state, {STEPS}, at=range(0, {STEPS}, 10), hook=keep)
    return {{"long_loss": trainer.loss(state), "long_weights": float(np.sum(state.weights)), "long_began": began}}

@hookimpl
def ntkbench_register_measurements(register):
    names = ("long_loss", "long_weights", "long_began")
    register("long", measure, quantities=[Quantity(each, "q", summary="a number") for each in names], summary="numbers")
"""
COMMAND = ["run", "--arch", "fc", "--widths", "16", "--seeds", "2", "--measure", "long", "--probes", "8", "--quiet"]


def start(folder: Path, out: str, executor: str) -> subprocess.Popen[bytes]:
    root = str(Path(current.__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-m", "ntkbench", *COMMAND, "--out", out, "--executor", executor],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), root])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(folder: Path, out: str, executor: str) -> dict[tuple[int, str], float]:
    process = start(folder, out, executor)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors.decode()
    assert not (folder / out / "workspace").exists()
    return {
        (result.cell.seed, key): value.value
        for result in nb.load(folder / out).results
        for key, value in result.values.items()
    }


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize(("executor", "number"), [("processes", signal.SIGKILL), ("serial", signal.SIGINT)])
def test_stopped_in_the_middle_and_the_same_command_again(tmp_path, executor, number):
    fakes.install(tmp_path, "long-training", CODE)
    undisturbed = finish(tmp_path, "undisturbed", executor)
    process = start(tmp_path, "stopped", executor)

    def steps() -> list[int]:
        return [load(each).step for each in (tmp_path / "stopped").glob("workspace/*/latest")]

    deadline = time.monotonic() + 200
    while not any(step >= STEPS / 6 for step in steps()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert any(STEPS / 6 <= step < STEPS for step in steps())

    again = finish(tmp_path, "stopped", executor)

    began = {key: again.pop(key) for key in list(again) if key[1] == "long_began"}
    assert max(began.values()) >= STEPS / 6
    assert again == {key: value for key, value in undisturbed.items() if key[1] != "long_began"}

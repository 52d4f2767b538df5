"""Cells that hang, take all memory, kill their worker or try to end the run: their status, and all others are ok."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

import ntkbench as nb
from ntkbench.cli.main import main

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL, and files that are read while they are written")

# Each width has a fault that happens once: the next seed, and the next run, find that it has happened.
SOURCE = """
import os, signal, sys, time
from pathlib import Path

import keras
import numpy as np

from ntkbench import layers


def fault(width):
    mark = Path(__file__).parent / f"{width}.happened"
    if mark.exists():
        return
    mark.write_text(str(os.getpid()))
    if width == 5:
        time.sleep(1e6)
    elif width == 6:
        held = [np.ones(2**25) for _ in range(4 * 60)]  # 60 GiB
    elif width == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    elif width == 8:
        os._exit(0)
    elif width == 9:
        sys.exit("enough")
    elif width == 10:
        raise KeyboardInterrupt
    elif width == 11:
        raise ZeroDivisionError("no width")


def build(width, *, input_shape, seed):
    print("this is no table")
    fault(width)
    hidden = layers.Dense(width, activation="tanh", seed=seed)
    return keras.Sequential([keras.Input(input_shape), hidden, layers.Dense(width, seed=1), layers.Dense(1, seed=2)])
"""
EXPECTED = {
    5: ("timeout", "It was not finished after --timeout 30 s, and its worker process was ended."),
    6: ("oom", "more than --memory-limit 1.5 GiB, and was ended."),
    7: ("failed", "lost while it measured this cell; SIGKILL ended it"),
    8: ("failed", "lost while it measured this cell; its exit code was 0."),
    9: ("failed", "build tried to end the process (SystemExit: enough)"),
    10: ("failed", "lost while it measured this cell; it raised KeyboardInterrupt"),
    11: ("failed", "ZeroDivisionError: no width (in fault"),
}
WIDTHS = [4, *EXPECTED]
TOO_WIDE = 3000
RUN = ["run", "--arch", "net.py:build", "--probes", "2", "--measure", "gradient_norm", "--out", "run"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(SOURCE)
    return tmp_path


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "run" / "cells").iterdir()}


def test_every_fault_costs_its_cell_only(here, capfd):
    words = [*RUN, "--seeds", "2", "--json", "--widths", ",".join(map(str, [*WIDTHS, TOO_WIDE]))]
    assert main([*words, "--timeout", "30", "--memory-limit", "1.5", "--workers", "2"]) == 1
    out, err = capfd.readouterr()
    assert json.loads(out)["rows"], "what a user's file prints is not on standard output"
    assert "9 of 18 cells failed" in err and "1 × timeout: It was not finished" in err
    bad = {(r.cell.width, r.cell.seed): r for r in nb.load("run").results if str(r.status) != "ok"}
    assert set(bad) == {*((width, 0) for width in EXPECTED), (TOO_WIDE, 0), (TOO_WIDE, 1)}
    for width, (status, message) in EXPECTED.items():
        found = bad[width, 0]
        assert (str(found.status), message in found.message) == (status, True), found.message
    assert str(bad[TOO_WIDE, 1].status) == "oom"
    assert bad[TOO_WIDE, 1].message.startswith("Not measured: with 9,186,000 parameters about 1.55 GiB")
    assert 30 <= bad[5, 0].seconds < 40
    assert 1.5 < bad[6, 0].provenance["resident_gib"] < 8
    assert bad[11, 0].traceback.splitlines()[-1] == "ZeroDivisionError: no width"
    assert "net.py" in bad[11, 0].traceback

    before = stamps(here)
    assert main([*words, "--retry", "none"]) == 1
    assert stamps(here) == before
    assert main([*words, "--workers", "1"]) == 0
    assert {str(r.status) for r in nb.load("run").results} == {"ok"}
    after = stamps(here)
    assert after.keys() == before.keys() and sum(after[path] != before[path] for path in after) == 9


def test_no_worker_outlives_its_killed_parent(here):
    words = [sys.executable, "-m", "ntkbench", *RUN, "--widths", "4,5", "--seeds", "1", "--quiet"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    mark = here / "5.happened"
    deadline = time.monotonic() + 120
    while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    worker = psutil.Process(int(mark.read_text()))
    assert worker.ppid() == process.pid
    process.send_signal(signal.SIGKILL)
    process.wait()
    gone, _ = psutil.wait_procs([worker], timeout=20)
    assert gone, "the worker still sleeps"
    assert main(words[3:]) == 0
    assert {str(r.status) for r in nb.load("run").results} == {"ok"}

"""A run that is killed outright and started again ends like one that never was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ntkbench as nb

COMMAND = [sys.executable, "-m", "ntkbench", "run", "--arch", "fc", "--arch", "fc-bottleneck:k=1", "--widths", "8,16"]
COMMAND += ["--seeds", "2", "--probes", "3", "--quiet"]
COMMAND += ["--measure", "gradient", "--measure", "hessian", "--measure", "gd"]
CELLS = 2 * 2 * 2 * 3
IDENTITY = ["architecture", "params", "width", "seed", "dataset", "measurement", "quantity", "reduction", "cell"]


def _start(out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*COMMAND, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _finish(out: Path) -> nb.Run:
    process = _start(out)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors.decode()
    return nb.load(out)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_kill_and_the_same_command_again(tmp_path):
    undisturbed = _finish(tmp_path / "undisturbed")
    killed = tmp_path / "killed"
    process = _start(killed)
    deadline = time.monotonic() + 200
    while len(list(killed.glob("cells/*.json"))) < 5 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in killed.glob("cells/*.json")}
    assert 5 <= len(kept) < CELLS

    again = _finish(killed)

    assert len(list(killed.glob("cells/*"))) == CELLS
    assert all((killed / "cells" / name).stat().st_mtime_ns == stamp for name, stamp in kept.items())
    first, second = (run.frame().sort_values(IDENTITY).reset_index(drop=True) for run in (undisturbed, again))
    assert first[[*IDENTITY, "status"]].equals(second[[*IDENTITY, "status"]])
    # another process may order a sum differently: 1e-5 is the agreement that equal runs promise
    worst = ((first["value"] - second["value"]).abs() / first["value"].abs().clip(lower=1e-30)).max()
    assert worst <= 1e-5

"""Cells that hang, take all memory, kill their worker or try to end the run: their status, and all others are ok."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import faulty
import psutil
import pytest

import ntkbench as nb
from ntkbench.cli.main import main
from ntkbench.runner.executors import processes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL, and files that are read while they are written")

EXPECTED = {
    faulty.SLEEPS: ("timeout", "It did not finish within --timeout 20 s, and its worker process was killed."),
    faulty.HOGS: ("oom", "more than --memory-limit 1 GiB, and was killed."),
    faulty.KILLED: ("failed", "lost while it measured this cell; SIGKILL ended it"),
    faulty.LEAVES: ("failed", "lost while it measured this cell; its exit code was 0."),
    faulty.INTERRUPTS: ("failed", "lost while it measured this cell; it raised KeyboardInterrupt"),
    faulty.RAISES: ("failed", "lost while it measured this cell; it raised ZeroDivisionError: no width"),
}
WIDTHS = ",".join(map(str, (4, *faulty.FAULTS)))
RUN = ["run", "--arch", "fc", "--probes", "2", "--measure", "gradient_norm", "--out", "run", "--seeds", "3"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(faulty.FOLDER, str(tmp_path))
    return tmp_path


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "run" / "cells").glob("[!.]*")}


def statuses():
    return {(r.cell.width, r.cell.seed): r for r in nb.load("run").results if str(r.status) != "ok"}


def test_every_fault_costs_its_cell_only(here, capfd, monkeypatch):
    monkeypatch.setattr(processes, "serve", faulty.serve)
    words = [*RUN, "--widths", WIDTHS, "--json"]
    assert main([*words, "--timeout", "20", "--memory-limit", "1", "--workers", "2"]) == 1
    out, err = capfd.readouterr()
    assert json.loads(out)["rows"], "what a plugin prints in a worker is not on standard output"
    assert f"{len(EXPECTED)} of 24 cells failed" in err and "1 × timeout: It did not finish" in err
    bad = statuses()
    assert set(bad) == {(width, 0) for width in EXPECTED}
    for width, (status, message) in EXPECTED.items():
        found = bad[width, 0]
        assert (str(found.status), message in found.message) == (status, True), found.message
    assert 20 <= bad[faulty.SLEEPS, 0].seconds < 30
    assert 1 <= bad[faulty.HOGS, 0].provenance["resident_gib"] < 8  # stored to three digits

    before = stamps(here)
    assert main([*words, "--retry", "none"]) == 1
    assert stamps(here) == before
    assert main([*words, "--retry", "timeout,oom"]) == 1
    assert {str(result.status) for result in statuses().values()} == {"failed"}
    assert main([*words, "--workers", "1"]) == 0
    after = stamps(here)
    assert after.keys() == before.keys() and sum(after[path] != before[path] for path in after) == len(EXPECTED)


def test_a_machine_without_memory_loses_its_largest_worker(here, monkeypatch):
    from ntkbench.runner.executors import watchdog

    monkeypatch.setattr(processes, "serve", faulty.serve)
    monkeypatch.setattr(watchdog, "machine_memory_gib", lambda: 0.05)
    monkeypatch.setattr(watchdog, "available_memory_gib", lambda: 0.0 if (here / "105.happened").exists() else 1.0)
    main([*RUN, "--widths", str(faulty.SLEEPS), "--quiet", "--timeout", "60"])
    (result,) = statuses().values()
    assert str(result.status) == "oom"
    assert "The machine had 0 GiB of memory left; the worker process of this cell used the most" in result.message


def test_no_worker_outlives_its_killed_parent_and_the_run_goes_on(here):
    code = f"import faulty; from ntkbench.runner.executors import processes; processes.serve = faulty.serve; {CLI}"
    words = [*RUN, "--widths", f"4,{faulty.SLEEPS}", "--quiet", "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code, *words], env=environment, stdout=subprocess.DEVNULL)
    mark = here / f"{faulty.SLEEPS}.happened"
    deadline = time.monotonic() + 120
    while not (mark.exists() and mark.read_text() and len(stamps(here)) == 3) and time.monotonic() < deadline:
        time.sleep(0.05)
    worker = psutil.Process(int(mark.read_text()))
    assert worker.ppid() == process.pid
    process.send_signal(signal.SIGKILL)
    process.wait()
    gone, _ = psutil.wait_procs([worker], timeout=20)
    assert gone, "the worker still sleeps"
    before = stamps(here)
    assert len(before) == 3
    assert subprocess.run([sys.executable, "-c", code, *words], env=environment, capture_output=True).returncode == 0
    assert len(stamps(here)) == 6 and before.items() <= stamps(here).items()
    assert not statuses()


CLI = "import sys; from ntkbench.cli.main import main; sys.exit(main(sys.argv[1:])) if __name__ == '__main__' else 0"

SOURCE = """
import time

import tensorflow as tf


def build(width, *, input_shape, seed):
    print("this is no table")
    if width == 5:
        raise ZeroDivisionError("no width")
    if width == 6:
        time.sleep(1e6)
    if width == 7:
        raise KeyboardInterrupt
    w = tf.Variable(tf.ones([input_shape[0], 1]))
    spare = [tf.Variable(tf.zeros([2000, 5000]))] if width == 8 else []

    def model(x, training=False):
        return tf.cast(x, w.dtype) @ w

    model.trainable_variables = [w, *spare]
    return model
"""


@pytest.mark.slow
def test_with_tensorflow_too(here, capfd):
    (here / "net.py").write_text(SOURCE)
    words = ["run", "--arch", "net.py:build", "--widths", "4,5,6,7,8", "--seeds", "1", "--probes", "2"]
    words += ["--measure", "gradient_norm", "--out", "run", "--json", "--workers", "1"]
    assert main([*words, "--timeout", "30", "--memory-limit", "1.5"]) == 1
    assert json.loads(capfd.readouterr().out)["rows"]
    found = {r.cell.width: r for r in nb.load("run").results}
    assert [str(found[width].status) for width in (4, 5, 6, 7, 8)] == ["ok", "failed", "timeout", "failed", "oom"]
    assert found[5].traceback.splitlines()[-1] == "ZeroDivisionError: no width" and "net.py" in found[5].traceback
    assert "it raised KeyboardInterrupt" in found[7].message
    assert found[8].message.startswith("Not measured: 10,000,061 parameters are predicted to need about 1.6")
    assert found[8].n_parameters == 10_000_061


HOSTILE = """
import os
import signal
import sys
import time

import keras
from ntkbench import layers


def fine(width, *, input_shape, seed):
    hidden = layers.Dense(width, activation="tanh", seed=seed)
    return keras.Sequential([keras.Input(input_shape), hidden, layers.Dense(1, seed=seed + 1)])


def sleeps(width):
    time.sleep(1e6)


def spins(width):
    while True:
        pass


def eats(width):
    held = []
    while True:
        held.append(bytearray(10**8))


def kills(width):
    os.kill(os.getpid(), signal.SIGKILL)


def exits(width):
    os._exit(3)


def interrupts(width):
    raise KeyboardInterrupt


def quits(width):
    sys.exit("bye")


def stubborn(width):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.system("sleep 1000")
"""
TRIED = "hostile.py:{} was tried once before the run, at width 4. "
LOST = {
    "sleeps": ("timeout", "It did not finish within --timeout 10 s, and its worker process was killed."),
    "spins": ("timeout", "It did not finish within --timeout 10 s"),
    "stubborn": ("timeout", "It did not finish within --timeout 10 s"),
    "eats": ("oom", "more than --memory-limit 2 GiB, and was killed."),
    "kills": ("failed", "SIGKILL ended it"),
    "exits": ("failed", "its exit code was 3."),
    "interrupts": ("failed", "it raised KeyboardInterrupt"),
}
UNDER_LIMITS = ["--timeout", "10", "--memory-limit", "2", "--probes", "2", "--seeds", "2", "--widths", "4,8"]


@pytest.fixture
def hostile(here):
    (here / "hostile.py").write_text(HOSTILE)
    return here


@pytest.mark.parametrize("function", ["sleeps", *(pytest.param(f, marks=pytest.mark.slow) for f in ("eats", *LOST))])
def test_a_model_that_costs_its_worker_costs_its_own_cells_only(hostile, capfd, function):
    words = ["run", "--arch", f"hostile.py:{function}", "--arch", "hostile.py:fine", "--arch", "linear", "--out", "run"]
    limits = UNDER_LIMITS[2:] if function == "eats" else UNDER_LIMITS  # a busy machine gives memory slowly
    assert main([*words, *limits, "--measure", "gradient_norm", "--quiet"]) == 1
    found = nb.load("run").results
    status, message = LOST[function]
    assert {(str(r.status), r.seconds) for r in found if r.cell.label.endswith(function)} == {(status, 0.0)}
    assert {r.cell.label for r in found if str(r.status) == "ok"} == {"hostile.py:fine", "linear"}
    (reported,) = {r.message for r in found if r.message}
    assert reported.startswith(TRIED.format(function)) and message in reported
    assert reported in capfd.readouterr().err
    assert not [each for each in psutil.Process().children(recursive=True) if "sleep" in each.name()]


def test_a_model_that_cannot_be_built_refuses_the_run_by_name(hostile, capfd):
    assert main(["run", "--arch", "linear", "--arch", "hostile.py:quits", *UNDER_LIMITS, "--out", "run"]) == 2
    assert "Error: hostile.py:quits: quits tried to end the process (SystemExit: bye)" in capfd.readouterr().err
    assert not (hostile / "run").exists()


@pytest.mark.parametrize("function", ["sleeps", pytest.param("exits", marks=pytest.mark.slow)])
def test_a_dry_run_obeys_the_limits(hostile, capfd, function):
    words = ["run", "--arch", f"hostile.py:{function}", "--arch", "linear", "--dry-run", "--json", *UNDER_LIMITS]
    assert main(words) == 0
    out, err = capfd.readouterr()
    assert {each["architecture"]: each["parameters"] for each in json.loads(out)} == {
        f"hostile.py:{function}": [],
        "linear": [4, 8],
    }
    assert f"hostile.py:{function} cannot be predicted: at width " in err and LOST[function][1] in err


@pytest.mark.parametrize(
    ("function", "reason"),
    [("exits", "its exit code was 3."), pytest.param("interrupts", "KeyboardInterrupt", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("command", [["doctor"], ["plugin", "check"]])
def test_a_file_that_ends_its_process_is_a_finding(hostile, capfd, command, function, reason):
    assert main([*command, f"hostile.py:{function}", "--json"]) == 1
    found = json.loads(capfd.readouterr().out)
    reported = found["problems"][-1] if command == ["doctor"] else found[-1]["message"]
    assert f"hostile.py:{function}" in (reported if command == ["doctor"] else found[-1]["subject"])
    assert reason in reported


@pytest.mark.parametrize("command", [["doctor"], ["plugin", "check"]])
def test_a_file_that_hangs_is_a_finding(hostile, capfd, command):
    began = time.monotonic()
    assert main([*command, "hostile.py:stubborn", "--json", "--timeout", "2"]) == 1
    found = json.loads(capfd.readouterr().out)
    message = found["problems"][-1] if command == ["doctor"] else found[-1]["message"]
    assert "It did not finish within --timeout 2 s, and its process was killed." in message
    assert time.monotonic() - began < 60, "most of it the start of TensorFlow"
    assert not [each for each in psutil.Process().children(recursive=True) if "sleep" in each.name()]


@pytest.mark.parametrize("command", [["doctor"], ["plugin", "check"]])
def test_a_time_limit_is_positive(hostile, capfd, command):
    assert main([*command, "hostile.py:fine", "--timeout", "0"]) == 2
    assert "--timeout is 0; it must be a positive number of seconds" in capfd.readouterr().err

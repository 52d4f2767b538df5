"""A Dask cluster: the same results as without one; faults of cells, lost workers, a lost scheduler."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import faulty
import psutil
import pytest

import ntkbench as nb
from ntkbench.cli.main import main
from ntkbench.runner.executors import processes

dask = pytest.importorskip("dask")
pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL")

RUN = ["run", "--arch", "fc", "--probes", "2", "--measure", "gradient_norm", "--out", "run", "--seeds", "4"]
IDENTITY = ["architecture", "width", "seed", "measurement", "quantity", "reduction", "cell"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(faulty.FOLDER, str(tmp_path))
    monkeypatch.setattr(processes, "serve", faulty.serve)
    with dask.config.set({"distributed.worker.preload": ["faulty"]}):
        yield tmp_path


@pytest.fixture
def cluster(here):
    """Start a scheduler and two workers, each a process of its own; return them and the scheduler's address."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = []

    def start(*words):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen([sys.executable, "-m", *words], env=environment, cwd=here, **quiet))
        return started[-1]

    contact = here / "scheduler.json"
    scheduler = start("distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", contact)
    until(contact.exists)
    words = ["--no-nanny", "--nthreads", "1", "--preload", "faulty", "--no-dashboard", "--local-directory", here / "d"]
    words += ["--resources", "MEMORY=1e9"]
    workers = [start("distributed.cli.dask_worker", "--scheduler-file", contact, *map(str, words)) for _ in range(2)]
    import json

    yield scheduler, workers, json.loads(contact.read_text())["address"]
    for process in started:
        process.kill()
        process.wait()


def until(happened, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def cells(folder, name="run"):
    return {path.name for path in (folder / name / "cells").glob("*")}


def begin(*words):
    """Start the command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "ntkbench", *map(str, words)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def test_a_local_cluster_gives_what_processes_give_and_faults_cost_their_cell(here, capfd):
    bad = (faulty.SLEEPS, faulty.KILLED, faulty.INTERRUPTS)
    words = [*RUN, "--widths", ",".join(map(str, (4, 8, 16, *bad)))]
    code = main([*words, "--executor", "dask", "--workers", "2", "--timeout", "15"])
    err = capfd.readouterr().err
    assert code == 1, err
    assert "3 of 24 cells failed" in err and "Traceback" not in err and "distributed" not in err
    found = {(r.cell.width, r.cell.seed): str(r.status) for r in nb.load("run").results}
    assert found.pop((faulty.SLEEPS, 0)) == "timeout"
    assert [found.pop((width, 0)) for width in bad[1:]] == ["failed", "failed"]
    assert len(found) == 21 and set(found.values()) == {"ok"}
    assert main([*words, "--executor", "dask", "--workers", "2", "--quiet"]) == 0
    assert main([*words, "--out", "other", "--workers", "2", "--quiet"]) == 0
    one, two = (nb.load(name).frame().set_index(IDENTITY).sort_index() for name in ("run", "other"))
    assert len(one) == 24 and one["value"].equals(two["value"])
    assert not [p for p in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]


def test_a_lost_worker_costs_nothing_and_a_lost_scheduler_only_time(here, cluster):
    scheduler, workers, address = cluster
    words = [*RUN, "--widths", f"4,8,16,32,{faulty.SLOW}", "--seeds", "12", "--quiet"]
    run = begin(*words, "--executor", f"dask:{address}")
    until(lambda: (here / "run").exists() and len(cells(here)) >= 50)  # the slow ones are under way
    lost = max(workers, key=lambda process: sum(p.cpu_times().user for p in psutil.Process(process.pid).children()))
    children = psutil.Process(lost.pid).children(recursive=True)
    lost.send_signal(signal.SIGKILL)
    assert run.wait(120) == 0, run.stderr.read()
    assert len(cells(here)) == 60
    assert {str(r.status) for r in nb.load("run").results} == {"ok"}
    assert not psutil.wait_procs(children, timeout=20)[1], "worker processes end with their Dask worker"

    words[words.index("run", 1)] = "second"
    run = begin(*words, "--executor", f"dask:{address}")
    until(lambda: (here / "second").exists() and len(cells(here, "second")) >= 3)
    scheduler.send_signal(signal.SIGKILL)
    assert run.wait(60) == 1
    said = run.stderr.read()
    assert f"The Dask scheduler at {address} is gone." in said and "finished cells are kept" in said
    assert "Traceback" not in said
    assert 3 <= len(cells(here, "second")) < 60
    assert main([*words, "--workers", "2"]) == 0
    assert len(cells(here, "second")) == 60


@pytest.mark.slow
def test_the_groups_of_a_late_worker_go_to_others(here, cluster, monkeypatch, capsys):
    from ntkbench.runner.executors import dask as executor

    _, workers, address = cluster
    monkeypatch.setattr(executor, "LATE_SECONDS", 2.0)
    stopped = []

    def stop_one():
        until(lambda: (here / "run").exists() and len(cells(here)) >= 20)
        late = max(workers, key=lambda process: len(psutil.Process(process.pid).children()))
        for process in (psutil.Process(late.pid), *psutil.Process(late.pid).children(recursive=True)):
            process.suspend()
            stopped.append(process)

    stopping = threading.Thread(target=stop_one)
    stopping.start()
    began = time.monotonic()
    words = [*RUN, "--widths", f"4,8,16,32,{faulty.SLOW}", "--seeds", "12", "--quiet", "--timeout", "10"]
    code = main([*words, "--executor", f"dask:{address}"])
    seconds = time.monotonic() - began
    stopping.join()
    monkeypatch.setattr(executor, "ANSWER_SECONDS", 2.0)
    assert main([*words, "--out", "second", "--executor", f"dask:{address}"]) == 2
    assert "not all of its workers responded within 2 s" in capsys.readouterr().err
    for process in stopped:
        process.resume()
    assert len(stopped) > 1 and code == 0 and seconds > 10
    assert len(cells(here)) == 60 and {str(r.status) for r in nb.load("run").results} == {"ok"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["dask:"], "needs an address"),
        (["dask:tcp://127.0.0.1:9"], "The Dask scheduler at tcp://127.0.0.1:9 could not be used: OSError"),
        (["dask:tcp://127.0.0.1:9", "--workers", "2"], "has its own number of workers; omit --workers"),
        (["serial:here"], "Unknown executor 'serial:here'"),
    ],
)
def test_wrong_words(here, capsys, monkeypatch, words, sentence):
    from ntkbench.runner.executors import dask as executor

    monkeypatch.setattr(executor, "CONNECT_SECONDS", 1.0)
    assert main([*RUN, "--executor", *words]) == 2
    assert sentence in capsys.readouterr().err
    assert not (here / "run").exists()

"""Worker processes: the same numbers as without them, and a worker that dies costs the cell it was at."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

import ntkbench as nb
from ntkbench.cli.main import main
from ntkbench.gpu import Gpu
from ntkbench.plan.options import RunOptions
from ntkbench.plan.plan import make_plan
from ntkbench.registry.current import registry
from ntkbench.runner.agenda import Agenda
from ntkbench.runner.executors import choose, processes
from ntkbench.runner.executors.child import BLAS_THREADS, Setting, blas_threads
from ntkbench.runner.executors.choose import workers_for
from ntkbench.runner.executors.processes import Processes
from ntkbench.runner.progress import Progress
from ntkbench.types import Status

SOURCE = """
import os
import keras
from ntkbench import layers


def build(width, *, input_shape, seed):
    if width == 6 and seed % 2 == 0:
        os._exit(7)
    hidden = layers.Dense(width, activation="tanh", seed=seed)
    return keras.Sequential([keras.Input(input_shape), hidden, layers.Dense(1, seed=seed + 1)])
"""
IDENTITY = ["architecture", "width", "seed", "measurement", "quantity", "reduction", "cell"]


def plan(*arch, **options):
    return make_plan(RunOptions(arch=arch, **options), registry())


def test_workers_give_what_one_process_gives_and_may_die(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(SOURCE)
    command = ["run", "--arch", "mine.py:build", "--widths", "4,5,6", "--seeds", "3", "--probes", "3"]
    command += ["--measure", "gradient", "--measure", "kernel"]
    code = main([*command, "--workers", "2", "--out", "two"])
    errors = capfd.readouterr().err
    two = nb.load("two").frame().set_index(IDENTITY)
    assert code == 1
    lost = two[two["status"] != "ok"]
    assert set(lost.index.get_level_values("width")) == {6}
    assert 0 < len(lost) < len(two.xs(6, level="width"))
    assert set(lost["message"]) == {"The worker process was lost while it measured this cell; its exit code was 7."}
    assert "lost while it measured" in errors
    assert "Traceback" not in errors

    rest = [word if word != "4,5,6" else "4,5" for word in command]
    assert main([*rest, "--executor", "serial", "--out", "one"]) == 0
    one = nb.load("one").frame().set_index(IDENTITY)
    assert two["value"].reindex(one.index).to_numpy() == pytest.approx(one["value"].to_numpy(), rel=1e-4)


@pytest.mark.parametrize("device", ["auto", "cpu", "gpu"])
def test_workers_start_at_once_as_many_as_there_is_work_for(device, monkeypatch):
    """None waits until another one is ready, which takes as long as importing TensorFlow."""
    monkeypatch.setattr(Processes, "_start", lambda self: self.crew.append(SimpleNamespace(cells=[])))
    executor = Processes(3, Setting(device, {}, frozenset(), 1))
    for waiting, workers in ((2, 2), (9, 3), (0, 3)):
        executor._start_some(waiting)
        assert len(executor.crew) == workers


@pytest.mark.parametrize(("most", "workers"), [(0.005, 3), (1000.0, 1)])
def test_a_worker_that_keeps_much_memory_is_replaced_before_the_next_group(most, workers, monkeypatch):
    monkeypatch.setattr(processes, "KEPT_GIB", most)
    started = []

    class Counted(Processes):
        def _start(self):
            super()._start()
            started.append(self.crew[-1].process.pid)

    agenda = Agenda(plan("linear", widths="4,5,6", seeds=2, measure="gradient").groups())
    with Counted(1, Setting("cpu", {}, frozenset(), 1)) as executor:
        results = list(executor.results(agenda, Progress()))
    assert [result.status for result in results] == [Status.OK] * 6
    assert len(started) == workers


def test_a_device_that_is_not_there_is_a_sentence(monkeypatch):
    agenda = Agenda(plan("linear", widths="4", seeds=1).groups())
    refused = pytest.raises(nb.NtkbenchError, match="'gpu:7' is not available")
    with Processes(2, Setting("gpu:7", {}, frozenset(), 1)) as executor, refused:
        list(executor.results(agenda, Progress()))
    assert executor.crew == []


def test_how_many_workers(monkeypatch):
    monkeypatch.setattr(choose, "processors", lambda: 4)
    many = plan("fc", "linear", widths="4,8,16", seeds=1)
    assert workers_for(many, "processes", None) == 4
    assert workers_for(many, "processes", 100) == 6, "as many as there are groups"
    assert workers_for(many, "processes", 3) == 3
    assert workers_for(many, "serial", None) == 1
    assert workers_for(plan("fc", widths="4", seeds=9), "processes", None) == 1
    long = plan("fc", widths="1024", seeds=900, measure="ball")
    assert workers_for(long, "processes", 3) == 3, "a group that is long is cut"
    assert workers_for(plan("fc", widths="16,4096", seeds=1), "processes", None) == 1, "wide networks fill a machine"
    assert workers_for(plan("fc", widths="4,8", seeds=1, device="tpu"), "processes", None) == 1


@pytest.mark.parametrize(("gib", "count"), [(80.0, 4), (6.0, 3), (1.0, 1)])
def test_workers_share_a_gpu_whose_memory_suffices(gib, count, monkeypatch):
    monkeypatch.setattr(choose, "processors", lambda: 4)
    monkeypatch.setattr(choose, "gpu_of", lambda device: None if device == "cpu" else Gpu("GPU-1", "A card", gib))
    for device in ("gpu", "auto"):
        many = plan("fc", "linear", widths="4,8,16", seeds=1, device=device)
        assert workers_for(many, "processes", None) == count
        assert workers_for(many, "processes", 6) == 6, "who asks for more gets more"
    assert workers_for(plan("fc", "linear", widths="4,8,16", seeds=1, device="cpu"), "processes", None) == 4
    assert workers_for(plan("fc", widths="16,4096", seeds=1, device="gpu"), "processes", None) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--workers", "0"], "at least 1"),
        (["--workers", "two"], "expected an integer"),
        (["--workers", "2", "--executor", "serial"], "serial has one worker"),
        (["--workers", "2", "--device", "tpu"], "by one worker only"),
        (["--executor", "seriel"], "Did you mean 'serial'"),
        (["--executor", "serial", "--timeout", "5"], "cannot enforce --timeout"),
        (["--executor", "serial", "--memory-limit", "5"], "cannot enforce --memory-limit"),
        (["--timeout", "0"], "--timeout is 0; it must be a positive number of seconds"),
        (["--timeout", "soon"], "'soon' is not a valid float"),
        (["--memory-limit", "-1"], "--memory-limit is -1; it must be a positive number of GiB"),
        (["--memory-limit", "0.5"], "a worker needs about 0.8"),
        (["--retry", "timeuot"], "Did you mean 'timeout'"),
        (["--retry", "ok"], "use --force to measure them again"),
    ],
)
def test_wrong_words(words, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--arch", "fc", *words]) == 2
    errors = capsys.readouterr().err
    assert sentence in errors
    assert list(tmp_path.iterdir()) == []


def test_workers_start_with_their_number_of_blas_threads(monkeypatch):
    for name in BLAS_THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")  # the user's own
    with blas_threads(1):
        code = "import os; print(*(os.environ[name] for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS')))"
        started = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert started.stdout.split() == ["7", "1"]
    assert [os.environ.get(name) for name in BLAS_THREADS] == ["7", None, None]

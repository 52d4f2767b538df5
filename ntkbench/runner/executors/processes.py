"""The executor of worker processes: several groups at a time, each in a process with its share of the processors.

Small networks spend their time in Python, tracing what TensorFlow then computes in a moment, and one process cannot
use a second processor for that. A worker that dies costs the cell it was at; the parent alone writes results.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from attrs import define, field, frozen

from ...errors import NtkbenchError
from ...plan.plan import Plan
from ...registry.manager import block, blocked, registry
from ...registry.specs import Architecture
from ...types import Cell, CellResult, Status
from ..progress import Progress

MOST = 8  # workers by default: each takes a GiB or more
GIB_EACH = 4.0  # of the machine's memory, for one more worker by default
WIDE = 2048  # networks wider than this keep all processors busy by themselves, and memory too
BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
STOP_SECONDS = 5.0
IDLE_PASSES = (
    "layout_optimizer", "remapping", "loop_optimization", "scoped_allocator_optimization", "pin_to_host_optimization",
    "auto_mixed_precision", "implementation_selector", "debug_stripper",
)  # fmt: skip
SELDOM = (50_000, 20, 100)  # thresholds of Python's garbage collector in a worker


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_for(plan: Plan, executor: str, asked: int | None) -> int:
    """Return how many workers a plan gets: as many as were `asked` for, but no more than it has groups.

    Without a number one for each processor, fewer where memory or wide networks ask for it. Raises NtkbenchError for
    several workers of the serial executor, or on one accelerator.
    """
    from ...plan.cost import machine_memory_gib

    if executor == "serial" and (asked or 1) > 1:
        raise NtkbenchError(f"--executor serial has one worker, and --workers asks for {asked}; leave one of them out.")
    accelerated = plan.options.device not in ("auto", "cpu")
    if accelerated and (asked or 1) > 1:
        raise NtkbenchError(f"--device {plan.options.device} is not shared, and --workers asks for {asked}; use one.")
    if executor == "serial" or accelerated:
        return 1
    wide = max(cell.width for cell in plan.cells) > WIDE
    suited = 1 if wide else min(MOST, processors(), int(machine_memory_gib() / GIB_EACH))
    return max(1, min(asked or suited, len(plan.groups())))


@frozen
class Setting:
    """What every worker is told once. threads: of each worker, where it computes on processors."""

    device: str
    architectures: Mapping[str, Architecture]
    blocked: frozenset[str]
    threads: int


@define(eq=False)
class Worker:
    """One process: the group it is at, and how many of its cells are done."""

    process: Any
    connection: Connection
    cells: Sequence[Cell] = ()
    done: int = 0
    ready: bool = field(default=False)


class Workers:
    """Up to `count` processes that measure groups of cells; a context manager, which ends them.

    device: as the user wrote it. A second worker is started only where the first one computes on processors: an
    accelerator is not shared.
    """

    def __init__(self, count: int, device: str, architectures: Mapping[str, Architecture]):
        self.count = count
        self.setting = Setting(device, dict(architectures), blocked(), max(1, processors() // count))
        self.workers: list[Worker] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        """End all workers."""
        for worker in self.workers:
            worker.process.terminate()
            worker.connection.close()
        for worker in self.workers:
            worker.process.join(STOP_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
        self.workers.clear()

    def results(self, groups: Iterable[Sequence[Cell]], progress: Progress) -> Iterator[CellResult]:
        """Yield the result of every cell as it is there, telling `progress` which cells are being measured.

        Raises NtkbenchError when no worker can be started.
        """
        waiting = deque(groups)
        while waiting or any(worker.cells for worker in self.workers):
            self._start_some(len(waiting))
            for worker in self.workers:
                if worker.ready and not worker.cells and waiting:
                    self._give(worker, waiting.popleft(), progress)
            for connection in wait([worker.connection for worker in self.workers]):
                worker = next(w for w in self.workers if w.connection is connection)
                kind, value = self._receive(worker)
                if kind == "ready":
                    worker.ready = True
                    if not value.startswith("cpu"):
                        self.count = 1
                elif kind == "result":
                    worker.done += 1
                    self._next(worker, progress)
                    yield value
                else:
                    yield from self._lost(worker, value, waiting)

    def _start_some(self, waiting: int) -> None:
        """Start as many workers as there is work for; where the first one computes decides on the others."""
        busy = sum(bool(worker.cells) for worker in self.workers)
        wanted = min(self.count, waiting + busy)
        known = self.setting.device == "cpu" or any(worker.ready for worker in self.workers)
        while len(self.workers) < (wanted if known else min(1, wanted)):
            self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.setting), daemon=True)
        process.start()
        theirs.close()
        self.workers.append(Worker(process, ours))

    @staticmethod
    def _receive(worker: Worker) -> tuple[str, Any]:
        try:
            return worker.connection.recv()
        except (EOFError, OSError):
            return "dead", ""

    def _give(self, worker: Worker, cells: Sequence[Cell], progress: Progress) -> None:
        worker.cells, worker.done = cells, 0
        with contextlib.suppress(OSError):  # it has died: the next message from it says so
            worker.connection.send(cells)
        progress.now(cells[0])

    @staticmethod
    def _next(worker: Worker, progress: Progress) -> None:
        if worker.done == len(worker.cells):
            worker.cells = ()
        else:
            progress.now(worker.cells[worker.done])

    def _lost(self, worker: Worker, reason: str, waiting: deque[Sequence[Cell]]) -> Iterator[CellResult]:
        """Yield the failure of the cell that a dead worker was at; the cells after it wait for another worker."""
        self.workers.remove(worker)
        worker.connection.close()
        worker.process.join(STOP_SECONDS)
        if not worker.cells:
            raise NtkbenchError(reason or f"A worker process could not start; {_ending(worker.process)}.")
        ending = f"The worker process was lost while it measured this cell; {_ending(worker.process)}."
        cell, *rest = worker.cells[worker.done :]
        if rest:
            waiting.appendleft(rest)
        yield CellResult(cell=cell, status=Status.FAILED, message=ending)


def _ending(process: Any) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        return f"{signal.Signals(-code).name} ended it, which the system does where memory is short"
    return f"its exit code was {code}"


def serve(connection: Connection, setting: Setting) -> None:
    """Measure the groups that come through the connection, in a process of its own, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of the terminal; the parent answers
    for name in BLAS_THREADS:
        os.environ.setdefault(name, str(setting.threads))
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent has gone
        try:
            device = _prepared(setting)
        except NtkbenchError as error:
            connection.send(("refused", str(error)))
            return
        from ..worker import GroupWorker

        known = registry().with_architectures(setting.architectures)
        # Tracing makes many objects that stay; collecting garbage all the while takes a tenth of its time.
        gc.freeze()
        gc.set_threshold(*SELDOM)
        connection.send(("ready", device))
        while True:
            for result in GroupWorker(connection.recv(), known, device).results():
                connection.send(("result", result))
            gc.collect()  # a group's graphs


def _prepared(setting: Setting) -> str:
    from ..device import prepare

    block(setting.blocked)
    device = prepare(setting.device, hushed=True)
    if device.startswith("cpu"):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(setting.threads)
        tf.config.threading.set_inter_op_parallelism_threads(setting.threads)
        # Of the passes over a graph, these do nothing for small networks on processors but take their time.
        tf.config.optimizer.set_experimental_options(dict.fromkeys(IDLE_PASSES, False))
    return device

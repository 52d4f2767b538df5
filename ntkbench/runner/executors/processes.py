"""The executor that measures groups of cells in parallel worker processes, each with its share of the CPUs.

Small networks spend most of their time tracing in Python, for which one process can use one CPU only. If a worker dies,
only the cell that it was measuring fails. Only the parent process writes results.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import psutil
from attrs import evolve

from ...errors import NtkbenchError
from ...plan.cost import machine_memory_gib
from ...types import Cell, CellResult, Status
from ..agenda import Agenda
from ..progress import Progress
from .child import Setting, blas_threads, safe_path, serve
from .executor import Executor, ExecutorLost
from .watchdog import Watchdog, Worker

MAX_FAILED_STARTS = 3  # in a row
STOP_SECONDS = 5.0
KEPT_GIB = 2.0  # memory that a worker may keep from one group to the next
KEPT_SHARE = 0.25  # of its share of the memory, or of the memory limit


def processors() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Processes(Executor):
    """Measures groups of cells in worker processes, each cell within the limits.

    Workers share a GPU, but only one process can use a TPU.

    Args:
        workers: Maximum number of workers.
        setting: Settings of every worker.
    """

    def __init__(self, workers: int, setting: Setting):
        self.workers, self.setting = workers, setting
        self.crew: list[Worker] = []
        self._watchdog: Watchdog | None = None
        self._failed_starts = 0
        self._abandoned = False

    def abandon(self) -> None:
        """Kill all workers. Call it from a thread other than that of `results`, which then raises ExecutorLost."""
        self._abandoned = True
        for worker in list(self.crew):
            worker.end()
        if self._watchdog is not None:
            self._watchdog.close()

    def close(self) -> None:
        """End all workers."""
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None
        started = [child for worker in self.crew for child in worker.children()]
        for worker in self.crew:
            worker.process.terminate()
            worker.connection.close()
        deadline = time.monotonic() + STOP_SECONDS
        for worker in self.crew:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            worker.end()
            worker.process.join(STOP_SECONDS)
        for child in started:  # a process that a model started outlives the worker that was its parent
            with contextlib.suppress(psutil.Error):
                child.kill()
        self.crew.clear()

    def results(self, agenda: Agenda, progress: Progress) -> Iterator[CellResult]:
        """Yield the result of every cell as it finishes, and report to `progress` which cells are being measured.

        Raises:
            NtkbenchError: A worker cannot start because of an error that it reports.
            ExecutorLost: Workers repeatedly die before they are ready, or `abandon` was called.
        """
        self._watchdog = self._watchdog or Watchdog(lambda: list(self.crew), self.setting.limits)
        while agenda or any(worker.cells for worker in self.crew):
            if self._abandoned:
                raise ExecutorLost("The run has ended.")
            if agenda:
                self._replace_large()
            self._start_some(len(agenda))
            for worker in self.crew:
                if worker.ready and not worker.cells and agenda:
                    self._give(worker, agenda.take(), agenda.workspaces, progress)
            for connection in wait([worker.connection for worker in self.crew]):
                worker = next(w for w in self.crew if w.connection is connection)
                kind, value = self._receive(worker)
                if kind == "ready":
                    worker.began(value)
                    self._failed_starts = 0
                elif kind == "stage":
                    if worker.at is not None:
                        progress.now(worker.cells[worker.at.number], value)
                elif kind == "result":
                    result = self._own(value, worker)
                    if cell := worker.next():
                        progress.now(cell)
                    yield result
                else:
                    yield from self._lost(worker, value, agenda)

    def _replace_large(self) -> None:
        """End the workers between two groups that keep much memory, so that new ones replace them.

        TensorFlow never frees some of what it builds for a model. It would count against the limit of later cells.
        """
        gib = self.setting.limits.gib or machine_memory_gib() / self.workers
        for worker in list(self.crew):
            if worker.ready and not worker.cells and worker.kept() > min(KEPT_GIB, KEPT_SHARE * gib):
                self.crew.remove(worker)
                self._end(worker)

    @staticmethod
    def _end(worker: Worker) -> None:
        worker.end()
        worker.connection.close()
        worker.process.join(STOP_SECONDS)

    def _start_some(self, waiting: int) -> None:
        """Start as many workers as there is work for."""
        busy = sum(bool(worker.cells) for worker in self.crew)
        while len(self.crew) < min(self.workers, waiting + busy):
            self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process: Any = context.Process(target=serve, args=(theirs, self.setting), daemon=True)
        with safe_path(), blas_threads(self.setting.threads):
            process.start()
        theirs.close()
        self.crew.append(Worker(process, ours, psutil.Process(process.pid)))

    @staticmethod
    def _receive(worker: Worker) -> tuple[str, Any]:
        try:
            return worker.connection.recv()
        except Exception:  # the connection is closed, or the message is incomplete because the worker died
            return "dead", ""

    @staticmethod
    def _own(result: CellResult, worker: Worker) -> CellResult:
        """Return a worker's result with the original cell object and the largest resident set that was observed."""
        assert worker.at is not None
        seen = {"resident_gib": round(worker.peak, 3)} if worker.peak else {}
        cell = worker.cells[worker.at.number]  # its key is already computed
        return evolve(result, cell=cell, provenance={**result.provenance, **seen})

    @staticmethod
    def _give(worker: Worker, cells: Sequence[Cell], workspaces: Path | None, progress: Progress) -> None:
        worker.take(cells)
        with contextlib.suppress(OSError):  # the worker has died; `_receive` will report it
            worker.connection.send((cells, workspaces))
        progress.now(cells[0])

    def _lost(self, worker: Worker, reason: str, agenda: Agenda) -> Iterator[CellResult]:
        """Yield the failure of the cell that a dead worker was measuring, and put the cells after it back."""
        self.crew.remove(worker)
        if self._abandoned:
            worker.end()
            return
        self._end(worker)
        if worker.at is None:
            if not worker.ready:
                self._not_started(reason, ending(worker.process))
            return
        at, verdict = worker.at, worker.verdict
        cells = worker.cells[at.number :]
        if verdict is not None and verdict.at is not at:
            agenda.put_back(cells)  # the worker was killed for an earlier cell, whose result had already been sent
            return
        agenda.put_back(cells[1:])
        why = f"it raised {reason}" if reason else ending(worker.process)
        yield CellResult(
            cell=cells[0],
            status=Status.FAILED if verdict is None else verdict.status,
            message=f"The worker process was lost while it measured this cell; {why.rstrip('.')}."
            if verdict is None
            else verdict.message,
            seconds=time.monotonic() - at.began,
            n_probes=cells[0].settings.get("n_probes"),
            device=worker.device,
            provenance={"resident_gib": round(worker.peak, 3)} if worker.peak else {},
        )

    def _not_started(self, reason: str, ending: str) -> None:
        """Raise if a worker that died before it was ready reported an error, or if too many starts failed."""
        self._failed_starts += 1
        if reason:
            raise NtkbenchError(reason)
        if self._failed_starts >= MAX_FAILED_STARTS:
            raise ExecutorLost(
                f"Starting a worker process failed {MAX_FAILED_STARTS} times in a row; {ending}. "
                "Use --executor serial to measure without worker processes."
            )


def ending(process: Any) -> str:
    """Return how a worker process ended, as a clause."""
    code = process.exitcode
    if code is None:
        return "it closed its connection"
    if code < 0:
        name = signal.Signals(-code).name
        return f"{name} ended it{', which the system sends when memory is short' if name == 'SIGKILL' else ''}"
    return f"its exit code was {code}"

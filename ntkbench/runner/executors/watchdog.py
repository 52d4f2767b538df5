"""Watchdog over worker processes: kill a worker whose cell exceeds a limit."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import psutil
from attrs import define, field, frozen

from ...plan.cost import GIB, available_memory_gib, machine_memory_gib
from ...types import Cell, Status
from ..limits import Limits

SECONDS_BETWEEN_CHECKS = 0.2  # a process allocates at most about half a GiB in this time
SHARE_LEFT = 0.03  # the largest worker is killed when less than this share of the machine's memory is left


@frozen
class At:
    """The cell that a worker is measuring: its number in the group, and its start time by time.monotonic()."""

    number: int
    began: float


@frozen
class Verdict:
    """Why the watchdog killed a worker, and at which cell."""

    at: At
    status: Status
    message: str


@define(eq=False)
class Worker:
    """A worker process, its current group and its current cell.

    The watchdog reads `at` and writes `peak` (the largest resident set seen during this cell, in GiB) and `verdict`.
    The executor owns all other fields; `unused` is the resident set before the first group.
    """

    process: Any
    connection: Connection
    usage: psutil.Process
    cells: Sequence[Cell] = ()
    at: At | None = None
    ready: bool = False
    device: str = ""
    peak: float = field(default=0.0)
    verdict: Verdict | None = None
    unused: float = 0.0

    def began(self, device: str) -> None:
        """Note that the process is ready, on a device, and how much memory it holds before its first group."""
        self.ready, self.device, self.unused = True, device, self.resident()

    def resident(self) -> float:
        """Return the resident set in GiB; 0 if the process has exited."""
        with contextlib.suppress(psutil.Error):
            return self.usage.memory_info().rss / GIB
        return 0.0

    def kept(self) -> float:
        """Return what the process holds beyond what it held before its first group, in GiB."""
        return self.resident() - self.unused

    def take(self, cells: Sequence[Cell]) -> None:
        """Start a group."""
        self.cells, self.peak, self.at = cells, 0.0, At(0, time.monotonic())

    def next(self) -> Cell | None:
        """Advance to the next cell and return it, or None at the end of the group."""
        assert self.at is not None
        number = self.at.number + 1
        self.peak = 0.0
        if number < len(self.cells):
            self.at = At(number, time.monotonic())
            return self.cells[number]
        self.cells, self.at = (), None
        return None

    def children(self) -> list[Any]:
        """Return the processes that the process has started; none if it has already exited."""
        with contextlib.suppress(psutil.Error):
            return self.usage.children(recursive=True)
        return []

    def end(self) -> None:
        """Kill the process and its children.

        The process goes first: a model that waits for a child would otherwise go on and send what it makes of its end.
        """
        started = self.children()
        for process in (self.process, *started):
            with contextlib.suppress(psutil.Error, OSError, ValueError):  # it has already exited
                process.kill()


class Watchdog:
    """A thread that checks all workers several times a second.

    When the machine is almost out of memory, it kills the worker that uses the most, even without a memory limit,
    provided that this is more than half of an even share of the memory.

    Args:
        workers: Returns the current workers.
        limits: Limits of each cell.
    """

    def __init__(self, workers: Callable[[], Sequence[Worker]], limits: Limits):
        self._workers, self._limits = workers, limits
        self._machine = machine_memory_gib()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="ntkbench-watchdog")
        self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_CHECKS):
            busy = [(worker, at) for worker in self._workers() if (at := worker.at) and not worker.verdict]
            for worker, at in busy:
                self._check(worker, at)
            if busy and (left := available_memory_gib()) < SHARE_LEFT * self._machine:
                self._free_memory(busy, left)

    def _check(self, worker: Worker, at: At) -> None:
        try:
            worker.peak = max(worker.peak, worker.resident())
            waits = worker.connection.poll()  # its result has arrived, so this cell is finished
        except (psutil.Error, OSError, ValueError):
            return  # it has already exited
        seconds, gib = self._limits.seconds, self._limits.gib
        if gib is not None and worker.peak > gib:
            self._end(
                worker, at, Status.OOM,
                f"Its worker process used {worker.peak:.3g} GiB of memory, more than --memory-limit {gib:g} GiB, and "
                "was killed.",
            )  # fmt: skip
        elif seconds is not None and not waits and time.monotonic() - at.began > seconds:
            self._end(
                worker, at, Status.TIMEOUT,
                f"It did not finish within --timeout {seconds:g} s, and its worker process was killed.",
            )  # fmt: skip

    def _free_memory(self, busy: Sequence[tuple[Worker, At]], left: float) -> None:
        worker, at = max(busy, key=lambda each: each[0].peak)
        if worker.peak > self._machine / (2 * len(busy)):
            self._end(
                worker, at, Status.OOM,
                f"The machine had {left:.2g} GiB of memory left; the worker process of this cell used the most, "
                f"{worker.peak:.3g} GiB, and was killed.",
            )  # fmt: skip

    @staticmethod
    def _end(worker: Worker, at: At, status: Status, message: str) -> None:
        worker.verdict = Verdict(at, status, message)
        worker.end()

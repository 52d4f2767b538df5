"""The watch over worker processes: one whose cell is over a limit is ended at once, whatever it is doing."""

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

SECONDS_BETWEEN_LOOKS = 0.2  # in which a process takes half a GiB at most
SHARE_LEFT = 0.03  # of the machine's memory: with less than this left, the largest worker is ended


@frozen
class At:
    """The cell that a worker is at: its number in the group, and when it began by time.monotonic()."""

    number: int
    began: float


@frozen
class Verdict:
    """Why the watch ended a worker, and at which cell."""

    at: At
    status: Status
    message: str


@define(eq=False)
class Worker:
    """One process: the group it is at, and which of its cells.

    The watch reads `at` and writes `peak` (the largest resident set seen during this cell, in GiB) and `verdict`;
    everything else is the executor's.
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

    def take(self, cells: Sequence[Cell]) -> None:
        """Begin a group."""
        self.cells, self.peak, self.at = cells, 0.0, At(0, time.monotonic())

    def next(self) -> Cell | None:
        """Go to the next cell and return it, None at the end of the group."""
        assert self.at is not None
        number = self.at.number + 1
        self.peak = 0.0
        if number < len(self.cells):
            self.at = At(number, time.monotonic())
            return self.cells[number]
        self.cells, self.at = (), None
        return None

    def end(self) -> None:
        """Kill the process, and those that it has started."""
        started: list[Any] = []
        with contextlib.suppress(psutil.Error):
            started = self.usage.children(recursive=True)
        for process in (*started, self.process):
            with contextlib.suppress(psutil.Error, OSError, ValueError):  # it has ended
                process.kill()


class Watch:
    """A thread that looks at all workers several times a second.

    workers: returns the present ones.   limits: of each cell. Where the machine's memory is nearly used up, the
    worker that holds most is ended, with or without a limit, if that is more than half of an even share.
    """

    def __init__(self, workers: Callable[[], Sequence[Worker]], limits: Limits):
        self._workers, self._limits = workers, limits
        self._machine = machine_memory_gib()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="ntkbench-watch")
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_LOOKS):
            busy = [(worker, at) for worker in self._workers() if (at := worker.at) and not worker.verdict]
            for worker, at in busy:
                self._look(worker, at)
            if busy and (left := available_memory_gib()) < SHARE_LEFT * self._machine:
                self._make_room(busy, left)

    def _look(self, worker: Worker, at: At) -> None:
        try:
            worker.peak = max(worker.peak, worker.usage.memory_info().rss / GIB)
            waits = worker.connection.poll()  # its result is there: it is past this cell
        except (psutil.Error, OSError, ValueError):
            return  # it has ended
        seconds, gib = self._limits.seconds, self._limits.gib
        if gib is not None and worker.peak > gib:
            self._end(
                worker, at, Status.OOM,
                f"Its worker process held {worker.peak:.3g} GiB of memory, more than --memory-limit {gib:g} GiB, and "
                "was ended.",
            )  # fmt: skip
        elif seconds is not None and not waits and time.monotonic() - at.began > seconds:
            self._end(
                worker, at, Status.TIMEOUT,
                f"It was not finished after --timeout {seconds:g} s, and its worker process was ended.",
            )  # fmt: skip

    def _make_room(self, busy: Sequence[tuple[Worker, At]], left: float) -> None:
        worker, at = max(busy, key=lambda each: each[0].peak)
        if worker.peak > self._machine / (2 * len(busy)):
            self._end(
                worker, at, Status.OOM,
                f"The machine had {left:.2g} GiB of memory left, and the worker process of this cell held most, "
                f"{worker.peak:.3g} GiB; it was ended.",
            )  # fmt: skip

    @staticmethod
    def _end(worker: Worker, at: At, status: Status, message: str) -> None:
        worker.verdict = Verdict(at, status, message)
        worker.end()

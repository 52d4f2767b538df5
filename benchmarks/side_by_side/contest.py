"""Run competitors in turns (A B C A B C …) on one case, and keep every single time."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from .case import Case
from .environments import Environment
from .process import GaveUpError, Limits, Process

FEWEST = 3  # minimum number of runs before a competitor may skip further rounds
ALONE_LIMIT = 5  # factor on the time limit for a competitor that runs alone
TURN_SECONDS, TURN_RUNS = 0.1, 10  # a turn of a fast competitor consists of several runs, each timed separately


@dataclass(frozen=True)
class Competitor:
    """A competitor.

    Attributes:
        name: Name in the results.
        script: Script in `competitors/`.
        route: Route of the script.
        environment: Virtual environment in which it runs; None for ours.
    """

    name: str
    script: str
    route: str
    environment: Environment | None = None


@dataclass(frozen=True)
class Pace:
    """Number of turns and limits.

    Attributes:
        rounds: Number of turns of every competitor.
        budget: Total seconds of a competitor in a case after which it takes no more turns.
        limits: Limits of one run.
    """

    rounds: int
    budget: float
    limits: Limits


@dataclass
class Entry:
    """The result of one competitor in one case."""

    competitor: Competitor
    status: str = "ok"
    message: str = ""
    first_seconds: float | None = None
    seconds: list[float] = field(default_factory=list)
    work: float = 1.0
    detail: dict[str, Any] = field(default_factory=dict)
    value: np.ndarray | None = None
    idle_cpu: list[float] = field(default_factory=list)

    @property
    def running(self) -> bool:
        return self.status == "ok"

    @property
    def median(self) -> float | None:
        return statistics.median(self.seconds) if self.running and self.seconds else None

    @property
    def per_work(self) -> float | None:
        """Median seconds for one unit of work."""
        return None if self.median is None else self.median / self.work

    def plain(self, reference: np.ndarray | None) -> dict[str, Any]:
        """Return the entry as plain JSON; `difference` is relative to the reference value."""
        return {
            "name": self.competitor.name,
            "status": self.status,
            "message": self.message,
            "first_seconds": self.first_seconds,
            "seconds": self.seconds,
            "median": self.median,
            "work": self.work,
            "detail": self.detail,
            "difference": difference(self.value, reference),
            "idle_cpu_share": statistics.median(self.idle_cpu) if self.idle_cpu else None,
        }


class Arena:
    """The processes of all competitors, which stay alive between cases."""

    def __init__(self, pace: Pace):
        self.pace = pace
        self.versions: dict[str, dict[str, str]] = {}
        self._scratch = tempfile.TemporaryDirectory(prefix="ntkbench-benchmark-")
        self.folder = Path(self._scratch.name)
        self._processes: dict[Competitor, Process] = {}

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_all()
        self._scratch.cleanup()

    def contest(self, case: Case, competitors: list[Competitor]) -> list[Entry]:
        """Run the competitors in turns on a case."""
        log(f"{case.name}: {case.parameters:,} weights, N = {case.n}, {case.outputs} outputs")
        folder = case.write(self.folder / case.name)
        entries = [Entry(c) for c in competitors]
        for step in (self._start, self._load, self._first):
            for entry in entries:
                self._guarded(entry, step, folder)
        for _ in range(self.pace.rounds):
            for entry in entries:
                over = len(entry.seconds) >= FEWEST and sum(entry.seconds) > self.pace.budget
                if entry.running and not over:
                    self._guarded(entry, self._turn)
        for entry in entries:
            self._guarded(entry, self._value)
            shown = f"{1e3 * entry.median:.3g} ms" if entry.median is not None else entry.message
            log(f"  {entry.competitor.name}: {entry.status}, {shown}")
        remove(folder)
        return entries

    def alone(self, case: Case, competitor: Competitor, runs: int) -> tuple[Entry, dict[str, float]]:
        """Run one competitor alone in a fresh process, limited by the machine's memory.

        Returns:
            The entry, and its resident memory in GiB: "before" the first run, with packages imported and the model
            built, and at its "peak".
        """
        log(f"{case.name}: {case.parameters:,} weights, N = {case.n}, in a fresh process")
        self._stop_all()
        folder = case.write(self.folder / case.name)
        entry, memory = Entry(competitor), {"before": 0.0, "peak": 0.0}
        limits = Limits(ALONE_LIMIT * self.pace.limits.seconds, psutil.virtual_memory().total / 2**30)

        def measured(entry: Entry) -> None:
            process = self._process(competitor)
            self.versions[competitor.script] = process.ask({"load": str(folder)}, limits)["versions"]
            for i in range(runs):
                reply = process.ask({"run": True, "memory": True}, limits)
                self._note(entry, reply, first=i == 0)
                memory["before"] = memory["before"] or reply["memory_before"] / 2**30
                memory["peak"] = max(memory["peak"], max(reply["memory_peak"] or 0, process.peak) / 2**30)

        self._guarded(entry, measured)
        self._stop_all()
        remove(folder)
        log(f"  {competitor.name}: {entry.status} {entry.message}, peak {memory['peak']:.2f} GiB")
        return entry, memory

    def _stop_all(self) -> None:
        for process in self._processes.values():
            process.stop()
        self._processes.clear()

    def _process(self, competitor: Competitor) -> Process:
        if competitor not in self._processes:
            python = competitor.environment.python if competitor.environment else None
            log = self.folder / f"{competitor.script}-{competitor.route}.log"
            self._processes[competitor] = Process(competitor.script, competitor.route, python, log)
        return self._processes[competitor]

    def _guarded(self, entry: Entry, step: Any, *args: Any) -> None:
        if not entry.running:
            return
        environment = entry.competitor.environment
        if environment is not None and environment.python is None:
            entry.status, entry.message = "absent", environment.reason
            return
        try:
            step(entry, *args)
        except GaveUpError as error:
            entry.status, entry.message = "gave up", str(error)
            # The process is stopped to free its memory for the others; the next case starts a new one.
            if entry.competitor in self._processes:
                self._processes.pop(entry.competitor).stop()

    def _start(self, entry: Entry, folder: Path) -> None:
        self._process(entry.competitor)

    def _load(self, entry: Entry, folder: Path) -> None:
        reply = self._process(entry.competitor).ask({"load": str(folder)}, self.pace.limits)
        self.versions[entry.competitor.script] = reply["versions"]

    def _first(self, entry: Entry, folder: Path) -> None:
        self._note(entry, self._run(entry), first=True)

    def _turn(self, entry: Entry) -> None:
        start = time.perf_counter()
        for i in range(TURN_RUNS):
            self._note(entry, self._run(entry), first=False, idled=i == 0)
            if time.perf_counter() - start > TURN_SECONDS:
                return

    def _run(self, entry: Entry) -> dict[str, Any]:
        return self._process(entry.competitor).ask({"run": True}, self.pace.limits)

    def _note(self, entry: Entry, reply: dict[str, Any], *, first: bool, idled: bool = False) -> None:
        if first:
            entry.first_seconds = reply["seconds"]
        else:
            entry.seconds.append(reply["seconds"])
        if idled and reply["idle_seconds"] > TURN_SECONDS:
            entry.idle_cpu.append(reply["idle_cpu_seconds"] / reply["idle_seconds"])
        entry.work, entry.detail = reply["work"], reply["detail"]

    def _value(self, entry: Entry) -> None:
        path = self.folder / "value.npy"
        if self._process(entry.competitor).ask({"value": str(path)}, self.pace.limits)["written"]:
            entry.value = np.load(path)
            path.unlink()


def difference(value: np.ndarray | None, reference: np.ndarray | None) -> float | None:
    """Return ‖value − reference‖ / ‖reference‖ over the entries that both have."""
    if value is None or reference is None:
        return None
    if value.ndim == 1:
        value, reference = value[: len(reference)], reference[: len(value)]
    return float(np.linalg.norm(np.float64(value) - reference) / np.linalg.norm(np.float64(reference)))


def remove(folder: Path) -> None:
    """Remove the files of a case."""
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def log(text: str) -> None:
    """Print progress to standard error."""
    print(text, file=sys.stderr, flush=True)

"""Disturb a run with seeded faults until a given number have happened, then let it finish."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from .command import environment

IN_CELLS = ("sleeps", "hogs", "leaves", "interrupts", "raises", "slow")
PROCESSES = ("worker killed", "command killed", "disk full")
OF_DASK = ("Dask worker killed", "scheduler killed")
WEIGHTS = {"worker killed": 4, "command killed": 3, "disk full": 2, "Dask worker killed": 2, "scheduler killed": 2}
ENDING = ("command killed", "disk full", "scheduler killed")
LIMITS = ["--timeout", "3", "--memory-limit", "1.5"]
WAIT_SECONDS = 120.0
MOST_DONE = 0.9  # maximum share of finished cells while faults are pending
FILE_BYTES = 64  # file size limit that simulates a full disk


class SoakError(Exception):
    """Raised if a run does not survive a fault."""


@dataclass
class Soak:
    """A run that is disturbed by faults.

    Attributes:
        folder: Folder of all files.
        seed: Seed of the faults.
        faults: Number of faults.
        cells: Number of cells, seeds × widths.
        tensorflow: Whether workers import TensorFlow.
        happened: Number of faults that have happened, by kind.
        commands: Number of commands that were started.
    """

    folder: Path
    seed: int
    faults: int
    cells: int
    tensorflow: bool
    happened: Counter[str] = field(default_factory=Counter)
    commands: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.orders = self.folder / "orders"
        self.orders.mkdir(parents=True)
        self.variables = environment(self.folder, "ntkbench_orders", NTKBENCH_ORDERS=str(self.orders))
        self.numbers = itertools.count()
        self.waiting = self.drawn()
        self.command: subprocess.Popen[str] | None = None
        self.executor = ""
        self.cluster: list[subprocess.Popen[bytes]] = []  # the scheduler, then its workers
        self.address, self.contact = "", self.folder
        self.before: set[tuple[str, int]] = set()
        self.seen: dict[int, psutil.Process] = {}

    def drawn(self) -> list[str]:
        """Draw the faults, in the order in which they are tried."""
        kinds = [*IN_CELLS, *(kind for kind, weight in WEIGHTS.items() for _ in range(weight))]
        repeated = [kinds[index % len(kinds)] for index in range(self.faults)]
        self.random.shuffle(repeated)
        return repeated

    def words(self, name: str, executor: str) -> list[str]:
        """Return the command line of a run."""
        widths, seeds = 20, max(self.cells // 20, 1)
        where = [executor] if executor.startswith("dask:") else [executor, "--workers", "2"]
        start = ["-m", "ntkbench"] if self.tensorflow else [str(Path(__file__).parent / "ntkbench_orders.py")]
        return [
            sys.executable, *start, "run", "--arch", "ordered", "--measure", "ordered", "--dataset", "sphere",
            "--probes", "2", "--widths", ",".join(str(4 + i) for i in range(widths)), "--seeds", str(seeds),
            "--executor", *where, *LIMITS, "--quiet", "--out", str(self.folder / name),
        ]  # fmt: skip

    def disturbed(self) -> None:
        """Run with all faults, then without faults until every cell is ok."""
        spacing = self.cells / (self.faults + 1)
        heard, before = time.monotonic(), (-1, -1)
        try:
            while self.waiting:
                if (now := (self.happened.total(), self.stored())) != before:
                    heard, before = time.monotonic(), now
                elif time.monotonic() - heard > WAIT_SECONDS:
                    raise SoakError(f"Nothing has happened for {WAIT_SECONDS:g} s, after {now[0]} faults.")
                if self.command is None or self.command.poll() is not None:
                    self.begin()
                due = spacing * sum(self.happened.values())
                if self.stored() < min(due, MOST_DONE * self.cells) and self.running():
                    time.sleep(0.02)
                    continue
                fault = self.next_fault()
                if fault is None or not self.inject(fault):
                    self.end(kill=True)
        finally:
            self.end(kill=True)
            self.end_cluster()
        for order in self.orders.glob("*.order"):
            order.unlink()
        for _ in range(3):
            self.commands += 1
            done = subprocess.run(
                self.words("disturbed", "processes"), check=False, env=self.variables, capture_output=True, text=True
            )
            if done.returncode == 0:
                return
        raise SoakError(f"The last command exited with {done.returncode}: {done.stderr[-1000:]}")

    def undisturbed(self) -> None:
        """Run without faults, for comparison."""
        done = subprocess.run(
            self.words("undisturbed", "processes"), check=False, env=self.variables, capture_output=True, text=True
        )
        if done.returncode:
            raise SoakError(f"The undisturbed run exited with {done.returncode}: {done.stderr[-1000:]}")

    # Processes

    def begin(self) -> None:
        """Start the command again, with an executor that can have the next faults."""
        self.lose_files()
        of_dask = sum(fault in OF_DASK for fault in self.waiting)
        dask = of_dask > 0 and (self.random.random() < 0.4 or of_dask == len(self.waiting))
        self.executor = f"dask:{self.scheduler()}" if dask else "processes"
        with (self.folder / "errors.txt").open("a") as errors:
            self.command = subprocess.Popen(
                self.words("disturbed", self.executor), env=self.variables, stdout=subprocess.DEVNULL, stderr=errors,
                text=True,
            )  # fmt: skip
        self.commands += 1
        self.before = self.stamps()

    def lose_files(self) -> None:
        """Delete a tenth of the cells of a nearly finished run, so that pending faults still have work to disturb."""
        files = sorted((self.folder / "disturbed" / "cells").glob("*.json"))
        if len(files) >= MOST_DONE * self.cells:
            for file in self.random.sample(files, len(files) // 10):
                file.unlink()

    def scheduler(self) -> str:
        """Return the address of the Dask scheduler; restart it with two workers if a process is gone."""
        if len(self.cluster) == 3 and all(process.poll() is None for process in self.cluster):
            return self.address
        self.end_cluster()
        contact = self.folder / f"scheduler-{next(self.numbers)}.json"
        self.dask("scheduler", "--port", "0", "--scheduler-file", contact)
        self.until(contact.exists, "no Dask scheduler came up")
        self.contact = contact
        for _ in range(2):
            self.dask_worker()
        self.address = json.loads(contact.read_text())["address"]
        return self.address

    def dask_worker(self) -> None:
        """Start a worker of the cluster."""
        words = ["--scheduler-file", self.contact, "--nthreads", "1", "--no-nanny"]
        preload = [] if self.tensorflow else ["--preload", "ntkbench_orders"]
        self.dask("worker", *words, "--local-directory", self.folder / "dask", *preload)

    def dask(self, what: str, *words: Any) -> None:
        """Start a process of the cluster."""
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--no-dashboard", *map(str, words)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.cluster.append(subprocess.Popen(command, env=self.variables, cwd=self.folder, **quiet))

    def end_cluster(self) -> None:
        """Kill the remaining processes of the cluster."""
        for process in self.cluster:
            self.remember(process.pid)
            process.kill()
            process.wait()
        self.cluster.clear()

    def end(self, kill: bool = False) -> None:
        """Wait until the command has ended, or kill it."""
        if self.command is None:
            return
        self.remember(self.command.pid)
        if kill:
            self.command.kill()
        try:
            self.command.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise SoakError("The command did not end.") from None
        self.command = None

    def running(self) -> bool:
        """Return whether the command is still running."""
        return self.command is not None and self.command.poll() is None

    def until(self, happened: Any, otherwise: str) -> None:
        """Wait until `happened()` is true; raise SoakError after WAIT_SECONDS."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not happened():
            if time.monotonic() > deadline:
                raise SoakError(f"{otherwise}; {self.where()}")
            time.sleep(0.01)

    def where(self) -> str:
        """Return a description of the executor, its processes and, without TensorFlow, the command's stack traces."""
        lines = [f"executor {self.executor}", f"{self.happened.total()} faults, {self.stored()} cells"]
        if self.command is not None and self.running():
            if not self.tensorflow:
                self.command.send_signal(signal.SIGUSR1)
                time.sleep(1.0)
            roots = [self.command.pid, *(process.pid for process in self.cluster)]
            lines += [line_of(child)[-80:] for root in roots for child in children(root)]
            lines.append((self.folder / "errors.txt").read_text()[-3000:])
        return "\n".join(lines)

    def stored(self) -> int:
        """Return the number of stored cells."""
        return sum(1 for _ in (self.folder / "disturbed" / "cells").glob("*.json"))

    def stamps(self) -> set[tuple[str, int]]:
        """Return the cell files with their modification times, to detect progress."""
        found = set()
        for path in (self.folder / "disturbed" / "cells").glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                found.add((path.name, path.stat().st_mtime_ns))
        return found

    # Faults

    def next_fault(self) -> str | None:
        """Take the first pending fault that the present executor can have; None if there is none."""
        dask = self.executor.startswith("dask")
        for index, fault in enumerate(self.waiting):
            if dask or fault not in OF_DASK:
                return self.waiting.pop(index)
        return None

    def inject(self, fault: str) -> bool:
        """Trigger a fault; put it back if it did not happen. Return whether it happened or the command still runs."""
        self.until(lambda: self.stamps() != self.before or not self.running(), "no cell was measured")
        did = self.running() and self.happen(fault)
        if did:
            self.happened[fault] += 1
            print(f"{sum(self.happened.values())}: {fault}", file=sys.stderr, flush=True)
        else:
            self.waiting.append(fault)
        self.before = self.stamps()
        if did and fault in ENDING:
            self.end()
        return did or self.running()

    def happen(self, fault: str) -> bool:
        """Trigger a fault and return whether it happened."""
        assert self.command is not None
        if fault in IN_CELLS:
            order = self.orders / f"{next(self.numbers):05}-{fault}.order"
            order.touch()
            self.until(lambda: not order.exists() or not self.running(), f"no cell took the order {fault}")
            if order.exists():
                order.unlink()
                return False
            return True
        if fault == "command killed":
            self.remember(self.command.pid)
            self.command.kill()
            return True
        if fault == "disk full":
            with contextlib.suppress(psutil.Error):
                _, hard = psutil.Process(self.command.pid).rlimit(resource.RLIMIT_FSIZE)
                psutil.Process(self.command.pid).rlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, hard))
                return True
            return False
        if fault == "scheduler killed":
            self.cluster[0].kill()
            return True
        if fault == "Dask worker killed":
            lost = self.cluster.pop(1 + self.random.randrange(2))
            self.remember(lost.pid)
            lost.kill()
            lost.wait()
            self.dask_worker()  # a batch system would restart it, too
            return True
        return self.kill_a_worker()

    def kill_a_worker(self) -> bool:
        """Kill one of the worker processes."""
        assert self.command is not None
        roots = [self.command.pid] if self.executor == "processes" else [process.pid for process in self.cluster[1:]]
        workers = [child for root in roots for child in children(root) if "spawn_main" in line_of(child)]
        if not workers:
            return False
        with contextlib.suppress(psutil.Error):
            self.random.choice(sorted(workers, key=lambda process: process.pid)).send_signal(signal.SIGKILL)
            return True
        return False

    def remember(self, pid: int) -> None:
        """Record the child processes of this one, which must end with it."""
        self.seen.update({child.pid: child for child in children(pid)})

    # Checks

    def check(self) -> bool:
        """Return whether the disturbed run equals the undisturbed one, cell by cell and file by file."""
        import ntkbench as nb

        _, alive = psutil.wait_procs(list(self.seen.values()), timeout=30)
        if alive:
            raise SoakError(f"{len(alive)} processes of commands that have ended are still running.")
        one, two = (self.folder / name for name in ("undisturbed", "disturbed"))
        files = [{str(path.relative_to(run)) for path in run.rglob("*")} for run in (one, two)]
        if files[0] != files[1]:
            raise SoakError(f"These files are in one of the two runs only: {sorted(files[0] ^ files[1])[:5]}.")
        rows = [
            [(r["cell"], r["quantity"], r["value"], r["status"]) for r in sorted(nb.load(run).rows(), key=by_cell)]
            for run in (one, two)
        ]
        if {row[-1] for row in rows[1]} != {"ok"} or len({row[0] for row in rows[1]}) != self.cells:
            raise SoakError("Some cells are missing or not ok.")
        return rows[0] == rows[1]


def by_cell(row: Any) -> tuple[str, str]:
    """Return the sort key of a row."""
    return row["cell"], row["quantity"]


def children(pid: int) -> list[psutil.Process]:
    """Return all child processes, recursively."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def line_of(process: psutil.Process) -> str:
    """Return the command line of a process, "" if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""

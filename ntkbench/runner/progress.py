"""Live progress on standard error: what runs now, cells done, failures, time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from ..types import Cell, CellResult, Status

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_PREDICTIONS = 2.0
SecondsLeft = Callable[[], float | None]


class Progress:
    """Says nothing; also what the others have in common: counting.

    Call `start`, then `now` before a cell and `done` after it, and `stop` in the end, whatever happened.
    """

    def __init__(self) -> None:
        self.total = self.finished = self.failed = 0
        self.began = time.monotonic()
        self._left: SecondsLeft | None = None
        self._predicted: float | None = None
        self._predicted_at = float("-inf")

    def start(self, total: int, finished: int, unit: str = "cells", left: SecondsLeft | None = None) -> None:
        """Begin a run of `total` cells, or other units, of which `finished` are already there.

        left: predicts the time left; without it the pace so far does.
        """
        self.total, self.finished, self.failed, self.began = total, finished, 0, time.monotonic()
        self._already, self.unit = finished, unit
        self._left, self._predicted_at, self._predicted = left, float("-inf"), None

    def now(self, what: Cell | str) -> None:
        """Say which cell, or what else, is being measured."""

    def done(self, result: CellResult | None = None) -> None:
        """Count a cell, or what else was measured."""
        self.finished += 1
        self.failed += result is not None and result.status not in (Status.OK, Status.UNSUPPORTED)

    def stop(self) -> None:
        """End the display."""

    def seconds_left(self) -> float | None:
        """Return the time left, None while nothing is known."""
        now = time.monotonic()
        if self._left is None:
            measured = self.finished - self._already
            return (now - self.began) / measured * (self.total - self.finished) if measured else None
        if now - self._predicted_at >= SECONDS_BETWEEN_PREDICTIONS:
            self._predicted_at, self._predicted = now, self._left()
        return None if self._predicted is None else max(self._predicted - (now - self._predicted_at), 0.0)


class PlainProgress(Progress):
    """A line every ten seconds, for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream, self._last = stream, float("-inf")

    def now(self, what: Cell | str) -> None:
        """Print the line when it is due."""
        if time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            print(f"{self._counts()}  now: {describe(what)}", file=self.stream, flush=True)

    def stop(self) -> None:
        """Print where the run ended."""
        print(self._counts(), file=self.stream, flush=True)

    def _counts(self) -> str:
        left = self.seconds_left()
        parts = [f"{self.finished}/{self.total} {self.unit}", f"{clock(time.monotonic() - self.began)} elapsed"]
        if self.failed:
            parts.insert(1, f"{self.failed} failed")
        if left is not None and self.finished < self.total:
            parts.append(f"about {clock(left)} left")
        return ", ".join(parts)


class LiveProgress(Progress):
    """One line that moves, on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, Progress as Bar, SpinnerColumn, TextColumn, TimeElapsedColumn

        # markup=False: names come from outside.
        self._bar: Any = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[counts]}", markup=False),
            TimeElapsedColumn(),
            console=Console(file=stream),
            transient=True,
        )
        self._task: Any = None

    def start(self, total: int, finished: int, unit: str = "cells", left: SecondsLeft | None = None) -> None:
        """Show the line."""
        super().start(total, finished, unit, left)
        self._task = self._bar.add_task("", total=total, completed=finished, counts=self._counts())
        self._bar.start()

    def now(self, what: Cell | str) -> None:
        """Name the cell on the line."""
        self._bar.update(self._task, description=describe(what), completed=self.finished, counts=self._counts())

    def done(self, result: CellResult | None = None) -> None:
        """Move the line on."""
        super().done(result)
        self._bar.update(self._task, completed=self.finished, counts=self._counts())

    def stop(self) -> None:
        """Take the line away."""
        self._bar.stop()

    def _counts(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        left = self.seconds_left()
        remaining = "" if left is None else f", about {clock(left)} left"
        return f"{self.finished}/{self.total}{failed}{remaining}"


def progress_on(stream: TextIO | None = None, *, quiet: bool = False) -> Progress:
    """Return the progress that suits the stream (standard error without one)."""
    stream = sys.stderr if stream is None else stream
    if quiet:
        return Progress()
    return LiveProgress(stream) if stream.isatty() else PlainProgress(stream)


def describe(cell: Cell | str) -> str:
    """Return what a cell is, in a few words; words stay."""
    if isinstance(cell, str):
        return cell
    return f"{cell.label or cell.architecture}, width {cell.width}, seed {cell.seed}, {cell.measurement}"


def clock(seconds: float) -> str:
    """Return a duration as 0:05, 12:30 or 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"

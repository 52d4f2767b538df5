"""Show progress on standard error: the current cell, finished cells, failures and time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from .. import numbers
from ..types import Cell, CellResult, Status

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_PREDICTIONS = 2.0
SecondsLeft = Callable[[], float | None]


class Progress:
    """Base class that counts cells and displays nothing.

    Call `start` once, `now` before a cell, `done` after it, and `stop` at the end, also after an error.
    """

    def __init__(self) -> None:
        self.total = self.finished = self.failed = 0
        self.began = time.monotonic()
        self._left: SecondsLeft | None = None
        self._predicted: float | None = None
        self._predicted_at = float("-inf")

    def start(self, total: int, finished: int, unit: str = "cells", left: SecondsLeft | None = None) -> None:
        """Start the display of a run.

        Args:
            total: Number of cells, or of other units.
            finished: Number of them that are already finished.
            unit: Name of the unit, in the plural.
            left: Returns the predicted seconds left; by default they follow from the pace so far.
        """
        self.total, self.finished, self.failed, self.began = total, finished, 0, time.monotonic()
        self._already, self.unit = finished, unit
        self._left, self._predicted_at, self._predicted = left, float("-inf"), None

    def now(self, what: Cell | str, stage: str = "") -> None:
        """Show the cell, or the text, as being measured, and the stage that its measurement reports."""

    def done(self, result: CellResult | None = None) -> None:
        """Count a finished cell, or another unit."""
        self.finished += 1
        self.failed += result is not None and result.status not in (Status.OK, Status.UNSUPPORTED)

    def stop(self) -> None:
        """End the display."""

    def seconds_left(self) -> float | None:
        """Return the seconds left, None while unknown."""
        now = time.monotonic()
        if self._left is None:
            measured = self.finished - self._already
            return (now - self.began) / measured * (self.total - self.finished) if measured else None
        if now - self._predicted_at >= SECONDS_BETWEEN_PREDICTIONS:
            self._predicted_at, self._predicted = now, self._left()
        return None if self._predicted is None else max(self._predicted - (now - self._predicted_at), 0.0)


class PlainProgress(Progress):
    """Prints a line at most every ten seconds, for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream, self._last = stream, float("-inf")

    def now(self, what: Cell | str, stage: str = "") -> None:
        """Print a line if the last one is ten seconds old."""
        if time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            print(f"{self._counts()}  now: {describe(what, stage)}", file=self.stream, flush=True)

    def stop(self) -> None:
        """Print the final counts."""
        print(self._counts(), file=self.stream, flush=True)

    def _counts(self) -> str:
        left = self.seconds_left()
        parts = [f"{self.finished}/{self.total} {self.unit}", f"{numbers.clock(time.monotonic() - self.began)} elapsed"]
        if self.failed:
            parts.insert(1, f"{self.failed} failed")
        if left is not None and self.finished < self.total:
            parts.append(f"about {numbers.clock(left)} left")
        return ", ".join(parts)


class LiveProgress(Progress):
    """Updates a single line on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, Progress as Bar, SpinnerColumn, TextColumn, TimeElapsedColumn

        # markup=False: names from users and plugins may contain brackets.
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

    def now(self, what: Cell | str, stage: str = "") -> None:
        """Show the cell and its stage on the line."""
        self._bar.update(self._task, description=describe(what, stage), completed=self.finished, counts=self._counts())

    def done(self, result: CellResult | None = None) -> None:
        """Count a finished cell and update the line."""
        super().done(result)
        self._bar.update(self._task, completed=self.finished, counts=self._counts())

    def stop(self) -> None:
        """Remove the line."""
        self._bar.stop()

    def _counts(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        left = self.seconds_left()
        remaining = "" if left is None else f", about {numbers.clock(left)} left"
        return f"{self.finished}/{self.total}{failed}{remaining}"


def progress_on(stream: TextIO | None = None, *, quiet: bool = False) -> Progress:
    """Return the progress display for a stream: a live line on a terminal, printed lines otherwise.

    Args:
        stream: Output stream, standard error by default.
        quiet: Whether to display nothing.
    """
    stream = sys.stderr if stream is None else stream
    if quiet:
        return Progress()
    return LiveProgress(stream) if stream.isatty() else PlainProgress(stream)


def describe(cell: Cell | str, stage: str = "") -> str:
    """Return a short description of a cell and of the stage of its measurement; text is returned as it is."""
    if isinstance(cell, str):
        return cell
    words = f"{cell.label or cell.architecture}, width {cell.width}, seed {cell.seed}, {cell.measurement}"
    return f"{words}: {stage}" if stage else words

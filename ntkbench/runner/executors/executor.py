"""Base class of the executors, which measure groups of cells and yield each result as it becomes available."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from ...errors import NtkbenchError
from ...types import CellResult
from ..agenda import Agenda
from ..progress import Progress


class ExecutorLost(NtkbenchError):
    """Raised when an executor cannot continue, for example because its cluster is gone. Finished cells are kept."""


class Executor(ABC):
    """Measures groups of cells. As a context manager, it stops everything that it has started on exit.

    Attributes:
        workers: Number of groups that it measures at the same time, as far as known.
    """

    workers: int = 1

    @abstractmethod
    def results(self, agenda: Agenda, progress: Progress) -> Iterator[CellResult]:
        """Yield the result of every cell of the agenda once, and report the cells being measured to `progress`.

        Args:
            agenda: The groups to measure; groups are taken from it and may be put back.
            progress: Display of the run.

        Raises:
            NtkbenchError: The executor could not be started.
            ExecutorLost: The executor cannot continue.
        """

    def close(self) -> None:  # noqa: B027 - an executor that starts nothing has nothing to stop
        """Stop everything that was started. The executor cannot be used afterwards."""

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

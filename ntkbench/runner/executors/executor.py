"""What an executor is: something that gets groups of cells measured and yields each result as it is there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from ...errors import NtkbenchError
from ...types import CellResult
from ..agenda import Agenda
from ..progress import Progress


class ExecutorLost(NtkbenchError):
    """What does the measuring is gone for good; the cells that are finished are kept."""


class Executor(ABC):
    """A context manager, which ends what it has started.

    workers: how many groups it measures at a time, as far as it knows.
    """

    workers: int = 1

    @abstractmethod
    def results(self, agenda: Agenda, progress: Progress) -> Iterator[CellResult]:
        """Yield the result of every cell of the agenda once, telling `progress` which cells are being measured.

        Raises NtkbenchError when nothing can be started, ExecutorLost when it cannot go on.
        """

    def close(self) -> None:  # noqa: B027 - what has started nothing has nothing to end
        """End everything that was started; nothing may be asked of it afterwards."""

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

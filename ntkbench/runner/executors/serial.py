"""Serial executor: measure the groups one after the other in this process, without limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...plan.user_modules import leave
from ...registry.code import Code
from ...registry.manager import Registry
from ...types import Cell, CellResult
from ..agenda import Agenda
from ..code_watch import CodeWatch
from ..progress import Progress
from .executor import Executor


class Serial(Executor):
    """Measures in this process.

    Args:
        registry: The registered architectures, measurements and datasets.
        device: Name of the device, as returned by `prepare`.
        code: The planned code; see `Plan.code`. None if changes of it are not looked for.
    """

    def __init__(self, registry: Registry, device: str, code: Mapping[str, Code] | None = None):
        self.registry, self.device, self.watch = registry, device, CodeWatch(code)

    def results(self, agenda: Agenda, progress: Progress) -> Iterator[CellResult]:
        """Yield the result of every cell of every group, and report each next cell to `progress`."""
        from ..worker import GroupWorker

        try:
            while agenda:
                cells = agenda.take()
                left = list(cells)

                def say(stage: str, left: list[Cell] = left) -> None:
                    progress.now(left[0], stage)

                progress.now(left[0])
                worker = GroupWorker(
                    cells, self.registry, self.device, workspaces=agenda.workspaces, say=say, watch=self.watch
                )
                for result in worker.results():
                    yield result
                    left.pop(0)
                    if left:
                        progress.now(left[0])
        finally:
            leave()

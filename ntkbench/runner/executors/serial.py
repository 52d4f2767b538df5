"""The serial executor: one group after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...registry.manager import Registry
from ...types import Cell, CellResult
from ..progress import Progress


def run_groups(
    groups: Iterable[Sequence[Cell]], registry: Registry, device: str, progress: Progress
) -> Iterator[CellResult]:
    """Yield the result of every cell of every group, telling `progress` which cell is next."""
    from ..worker import GroupWorker

    for cells in groups:
        progress.now(cells[0])
        for number, result in enumerate(GroupWorker(cells, registry, device).results(), start=1):
            yield result
            if number < len(cells):
                progress.now(cells[number])

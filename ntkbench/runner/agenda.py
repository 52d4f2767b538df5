"""Schedule the groups of cells that are still to be measured, and predict the time left."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from ..plan.cost import COMPILE_SECONDS, quantity_seconds, rough_parameters
from ..types import Cell, CellResult

Level = tuple[object, ...]
UNIT_SECONDS = 30.0
"""Minimum duration of a part of a group: every part recompiles the group's functions."""


class Costs:
    """Predicted durations of cells, from a rough cost model that is scaled by the durations of finished cells.

    The first cell of a group and measurement includes compilation and is predicted separately. The scale comes from
    cells of the same architecture, measurement and width if there are any, otherwise from the same architecture and
    measurement, then from the same measurement, then from all cells.

    Args:
        results: Cells that are already finished.
    """

    def __init__(self, results: Iterable[CellResult] = ()):
        self.learned = 0
        self._sums: dict[Level, list[float]] = {}
        self._begun: set[tuple[object, ...]] = set()
        for result in results:
            self.learn(result)

    def learn(self, result: CellResult) -> None:
        """Update the scales with the duration of a finished cell."""
        if result.seconds <= 0:  # it was not measured
            return
        cell, place = result.cell, _place(result.cell)
        first = place not in self._begun
        self._begun.add(place)
        self.learned += 1
        for level in _levels(cell, first):
            sums = self._sums.setdefault(level, [0.0, 0.0])
            sums[0] += result.seconds
            sums[1] += _rough(cell, first)

    def of(self, cells: Iterable[Cell]) -> float:
        """Return the predicted seconds of these cells, run one after the other."""
        total, begun = 0.0, set()
        for cell in cells:
            place = _place(cell)
            first = place not in self._begun and place not in begun
            begun.add(place)
            sums = next((self._sums[level] for level in _levels(cell, first) if level in self._sums), [1.0, 1.0])
            total += _rough(cell, first) * sums[0] / sums[1]
        return total


def _place(cell: Cell) -> tuple[object, ...]:
    return cell.label or cell.architecture, cell.measurement, cell.width


def _levels(cell: Cell, first: bool) -> Iterator[Level]:
    """Yield the keys under which durations are averaged, the most specific first."""
    label, measurement, width = _place(cell)
    yield first, label, measurement, width
    yield first, label, measurement
    yield first, measurement
    yield (first,)


def _rough(cell: Cell, first: bool) -> float:
    return quantity_seconds(cell.quantities, rough_parameters(cell)) + (COMPILE_SECONDS / 2 if first else 0.0)


class Agenda:
    """Queue of the groups that wait for a worker.

    With several workers the most expensive group comes first, so that no long group starts at the end. When fewer
    groups wait than there are workers, long groups are split between seeds.

    Args:
        groups: The cells of each group.
        costs: Predicted durations; by default learned from the cells as they finish.
        workers: Number of groups that are measured at the same time.
    """

    def __init__(self, groups: Iterable[Sequence[Cell]], costs: Costs | None = None, workers: int = 1):
        self.costs = costs or Costs()
        self.workers = workers
        self._waiting = [tuple(cells) for cells in groups][::-1]
        self._left = {cell.key: cell for cells in self._waiting for cell in cells}
        self._sorted_at = -1

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> tuple[Cell, ...]:
        """Remove and return the next group to measure, or a part of one."""
        # Sort again only when the number of finished cells has doubled: cheap for thousands of groups.
        if self.workers > 1 and self.costs.learned >= 2 * self._sorted_at:
            self._sorted_at = max(self.costs.learned, 1)
            self._waiting.sort(key=self.costs.of)
        parts = math.ceil(self.workers / len(self._waiting))
        cells, rest = self._cut(self._waiting.pop(), parts)
        self.put_back(rest)
        return cells

    def _cut(self, cells: tuple[Cell, ...], parts: int) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
        """Return the first of `parts` parts of a group, and the rest, empty when splitting is not worthwhile."""
        if parts == 1:
            return cells, ()
        seeds = [list(of_seed) for _, of_seed in groupby(cells, key=lambda cell: cell.seed)]
        total, first = self.costs.of(cells), self.costs.of(seeds[0])
        another = (total - first) / max(len(seeds) - 1, 1)
        goal = max(total / parts, UNIT_SECONDS)
        number = 1 if first >= goal else 1 + math.ceil((goal - first) / another) if another else len(seeds)
        if (len(seeds) - number) * another < UNIT_SECONDS:
            return cells, ()
        place = sum(map(len, seeds[:number]))
        return cells[:place], cells[place:]

    def put_back(self, cells: Sequence[Cell]) -> None:
        """Put cells at the front of the queue: the rest of a group, or the unfinished cells of a lost worker."""
        if cells:
            self._waiting.append(tuple(cells))

    def done(self, result: CellResult) -> None:
        """Record a finished cell."""
        self._left.pop(result.cell.key, None)
        self.costs.learn(result)

    def seconds_left(self) -> float | None:
        """Return the predicted seconds until all groups are measured, None before the first cell has finished.

        The remaining work is shared evenly among the workers, except that the cells of one seed of a group stay
        together.
        """
        if not self.costs.learned:
            return None
        groups: dict[str, list[Cell]] = {}
        for cell in self._left.values():
            groups.setdefault(cell.group, []).append(cell)
        total = sum(map(self.costs.of, groups.values()))
        of_one_seed = ([cell for cell in cells if cell.seed == cells[0].seed] for cells in groups.values())
        return max([total / self.workers, *map(self.costs.of, of_one_seed)])

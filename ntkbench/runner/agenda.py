"""What is still to be measured: in which order, and how long it will take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from ..plan.cost import COMPILE_SECONDS, quantity_seconds
from ..types import Cell, CellResult

Level = tuple[object, ...]
UNIT_SECONDS = 30.0  # a part of a group takes so long at least, for it compiles what another part compiles too


class Costs:
    """Predicted seconds of cells: rough ones at first, scaled by what finished cells took.

    The first cell of a group and measurement compiles and is apart from the others. What a cell takes is told by its
    like at the same width, or else by its architecture and measurement at other widths, by its measurement, by any.
    """

    def __init__(self, results: Iterable[CellResult] = ()):
        self.learned = 0
        self._sums: dict[Level, list[float]] = {}
        self._begun: set[tuple[object, ...]] = set()
        for result in results:
            self.learn(result)

    def learn(self, result: CellResult) -> None:
        """Take note of what a cell took."""
        if result.seconds <= 0:  # it was not run
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
        """Return the seconds that these cells will take, one after the other."""
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
    """Yield where a cell's seconds are remembered, the nearest first."""
    label, measurement, width = _place(cell)
    yield first, label, measurement, width
    yield first, label, measurement
    yield first, measurement
    yield (first,)


def _rough(cell: Cell, first: bool) -> float:
    # About as many weights as two hidden layers have.
    return quantity_seconds(cell.quantities, cell.width**2) + (COMPILE_SECONDS / 2 if first else 0.0)


class Agenda:
    """The groups that wait for a worker, and the seconds until all is done.

    groups: cells of one group each.   workers: at most so many groups are measured at a time; with several the
    costliest group is the first, so that no long one is begun at the end. Where fewer groups wait than there are
    workers, long ones are cut between seeds.
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
        """Return the group, or the part of one, that is to be measured next; it waits no more."""
        # Sorting again whenever twice as much is known keeps it cheap for thousands of groups.
        if self.workers > 1 and self.costs.learned >= 2 * self._sorted_at:
            self._sorted_at = max(self.costs.learned, 1)
            self._waiting.sort(key=self.costs.of)
        parts = math.ceil(self.workers / len(self._waiting))
        cells, rest = self._cut(self._waiting.pop(), parts)
        self.put_back(rest)
        return cells

    def _cut(self, cells: tuple[Cell, ...], parts: int) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
        """Return the first of so many parts of a group, and the rest of it: nothing where it is not worth a cut."""
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
        """Let cells wait again, before all others: the rest of a group, or what a lost worker had taken."""
        if cells:
            self._waiting.append(tuple(cells))

    def done(self, result: CellResult) -> None:
        """Take note of a cell that is finished."""
        self._left.pop(result.cell.key, None)
        self.costs.learn(result)

    def seconds_left(self) -> float | None:
        """Return the seconds until all groups are measured, None before anything is known.

        The workers share what is left evenly, but not the cells of one seed of a group.
        """
        if not self.costs.learned:
            return None
        groups: dict[str, list[Cell]] = {}
        for cell in self._left.values():
            groups.setdefault(cell.group, []).append(cell)
        total = sum(map(self.costs.of, groups.values()))
        of_one_seed = ([cell for cell in cells if cell.seed == cells[0].seed] for cells in groups.values())
        return max([total / self.workers, *map(self.costs.of, of_one_seed)])

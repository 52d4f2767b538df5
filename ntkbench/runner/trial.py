"""Trying a user's own models before a run, where and under the limits under which the run measures them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from attrs import evolve

from ..errors import NtkbenchError, RunStopped
from ..plan.cost import small_widths
from ..plan.plan import Plan
from ..types import Cell, CellResult, Status
from .agenda import Agenda
from .executors.executor import Executor, ExecutorLost
from .progress import Progress

TRIAL = "trial"
"""The measurement of a cell whose model is only built and called on its probes.

Its result is OK with the number of parameters; UNSUPPORTED with a sentence for what the user can fix; anything else
where the model cost the worker its process.
"""


def lost_in_trial(plan: Plan, executor: Executor) -> dict[str, CellResult]:
    """Build each of the user's own models once, at its first cell, and call it on its probes.

    Returns:
        By label, the result of each architecture that cost its worker: over a limit, killed or exited.

    Raises:
        NtkbenchError: For a model that cannot be built, called on its data, or gives outputs that are not finite.
        RunStopped: When no worker can be started.
    """
    lost: dict[str, CellResult] = {}
    for result in _tried(executor, [cells[:1] for cells in _own_cells(plan).values()]):
        if result.status is Status.UNSUPPORTED:
            name = result.cell.architecture
            raise NtkbenchError(result.message if name in result.message else f"{name}: {result.message}")
        if result.status is not Status.OK:
            cell = result.cell
            message = f"{cell.label} was tried once before the run, at width {cell.width}. {result.message}"
            lost[cell.label] = evolve(result, message=message, seconds=0.0)
    return lost


def own_sizes(
    plan: Plan, executor: Executor, say: Callable[[str], None] = lambda reason: None
) -> dict[str, dict[int, int]]:
    """Return, by label, the parameter counts of the user's own models at `small_widths`, {} where one was not built.

    say: is told why it was not.
    """
    groups = [
        [evolve(cells[0], width=width)]
        for cells in _own_cells(plan).values()
        for width in small_widths(sorted({cell.width for cell in cells}))
    ]
    sizes: dict[str, dict[int, int]] = {group[0].label: {} for group in groups}
    failed: dict[str, str] = {}
    for result in _tried(executor, groups):
        label = result.cell.label
        if result.status is Status.OK and result.n_parameters is not None:
            sizes[label][result.cell.width] = result.n_parameters
        elif label not in failed:
            failed[label] = f"{label} cannot be predicted: at width {result.cell.width}, {result.message}"
    for label, reason in failed.items():
        sizes[label] = {}
        say(reason)
    return sizes


def _own_cells(plan: Plan) -> dict[str, list[Cell]]:
    """Return, by label, the cells of the architectures that no plugin registered."""
    own = plan.own_architectures()
    cells: dict[str, list[Cell]] = {}
    for cell in plan.cells:
        if cell.architecture in own:
            cells.setdefault(cell.label, []).append(cell)
    return cells


def _tried(executor: Executor, groups: Iterable[Sequence[Cell]]) -> Iterator[CellResult]:
    tries = [[evolve(cell, measurement=TRIAL, quantities=()) for cell in group] for group in groups]
    if not tries:
        return
    try:
        yield from executor.results(Agenda(tries), Progress())
    except ExecutorLost as error:
        raise RunStopped(str(error)) from error

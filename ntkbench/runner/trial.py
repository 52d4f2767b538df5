"""Try a user's own models before a run, with the executor and the limits of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from attrs import evolve

from ..errors import NtkbenchError, RunStopped
from ..plan.cost import SMALL_WIDTHS, finite_widths, small_widths
from ..plan.plan import Plan
from ..plan.preset import modest_width
from ..types import Cell, CellResult, Status
from .agenda import Agenda
from .executors.executor import Executor, ExecutorLost
from .progress import Progress

TRIAL = "trial"
"""The measurement of a cell whose model is only built and called on its probes.

Its status is OK, with the number of parameters, or UNSUPPORTED, with a problem that the user can fix. Any other status
means that the model ended the worker process.
"""


def lost_in_trial(plan: Plan, executor: Executor) -> dict[str, CellResult]:
    """Build each of the user's own models once, at its first cell, and call it on its probes.

    Returns:
        By label, the result of each architecture that ended its worker: it exceeded a limit, crashed or exited.

    Raises:
        NtkbenchError: A model cannot be built, cannot be called on its data, or has outputs that are not finite.
        RunStopped: No worker can be started.
    """
    lost: dict[str, CellResult] = {}
    own = plan.own_architectures()
    firsts = [cells[0] for cells in _own_cells(plan).values()]
    # The limit is read off a model of a modest width.
    firsts = [evolve(c, width=modest_width(own[c.architecture].widths)) if c.infinite else c for c in firsts]
    for result in _tried(executor, [[cell] for cell in firsts]):
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
    """Return the parameter counts of the user's own models at `small_widths`, by label and width.

    The counts are empty for a model that could not be built; `say` is then called with the reason.
    """
    groups = [
        [evolve(cells[0], width=width)]
        for cells in _own_cells(plan).values()
        for width in small_widths(finite_widths(cells) or SMALL_WIDTHS)
    ]
    sizes: dict[str, dict[int, int]] = {group[0].label: {} for group in groups}
    failed: dict[str, str] = {}
    for result in _tried(executor, groups):
        label = result.cell.label
        if result.status is Status.OK and result.n_parameters is not None:
            sizes[label][int(result.cell.width)] = result.n_parameters
        elif label not in failed:
            failed[label] = f"The cost of {label} cannot be predicted: at width {result.cell.width}, {result.message}"
    for label, reason in failed.items():
        sizes[label] = {}
        say(reason)
    return sizes


def _own_cells(plan: Plan) -> dict[str, list[Cell]]:
    """Return the cells of the user's own architectures, by label."""
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

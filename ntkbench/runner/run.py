"""Run a plan: measure the missing cells, and store each result at once."""

from __future__ import annotations

import datetime
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from attrs import asdict, evolve, frozen

from ..plan.cost import CHECKED_WIDTH, estimate, finite_widths, refuse_what_cannot_fit
from ..plan.plan import Plan
from ..registry.manager import Registry
from ..store.manifest import new_manifest
from ..store.run_store import RunStore
from ..types import Cell, CellResult, Status, digest
from .agenda import Agenda, Costs
from .executors.executor import Executor, ExecutorLost
from .progress import Progress
from .trial import lost_in_trial, own_sizes
from .writer import Writer

DONE = (Status.OK, Status.UNSUPPORTED)


@frozen(kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
        ok: Number of planned cells that are ok or unsupported, including earlier ones.
        failures: Results of the other finished cells, including earlier ones that were not retried.
        interrupted: Whether the run was interrupted, so that cells are missing.
        lost: The reason if the run had to stop early, so that cells are missing; otherwise "".
    """

    ok: int
    failures: tuple[CellResult, ...] = ()
    interrupted: bool = False
    lost: str = ""

    @property
    def failed(self) -> int:
        """The number of cells that failed."""
        return len(self.failures)

    @property
    def incomplete(self) -> bool:
        """Whether cells are missing."""
        return self.interrupted or bool(self.lost)


def run_plan(
    plan: Plan,
    store: RunStore,
    executor: Executor,
    progress: Progress | None = None,
    lost: Mapping[str, CellResult] | None = None,
) -> Outcome:
    """Measure the cells of a plan that are missing in `store`, or whose status is to be retried; all with `force`.

    Each result is stored as soon as it is available. Ctrl-C, SIGTERM and a lost executor end the run early; finished
    cells are kept.

    Args:
        plan: The plan.
        store: Store of the run.
        executor: Measures the cells.
        progress: Display of the run.
        lost: By label, the result of architectures that ended their worker when they were tried before the run; all
            their cells get this result.

    Returns:
        How the run ended.
    """
    progress = progress or Progress()
    planned = {cell.key for cell in plan.cells}
    there = {} if plan.options.force else {r.cell.key: r for r in store.take_stock() if r.cell.key in planned}
    kept = {key: result for key, result in there.items() if result.status not in plan.options.retry}
    failures = [result for result in kept.values() if result.status not in DONE]
    ok, stopped, ended = len(kept) - len(failures), False, ""
    lost = lost or {}
    groups = plan.groups(without=kept)
    hopeless = [evolve(lost[cell.label], cell=cell) for group in groups for cell in group if cell.label in lost]
    groups = [group for group in groups if group[0].label not in lost]
    agenda = Agenda(groups, Costs(there.values() if groups else ()), executor.workers)
    progress.start(len(plan.cells), len(kept), left=agenda.seconds_left)
    try:
        with Writer(store.write) as writer, _stop_signals() as asked:
            for result in chain(hopeless, executor.results(agenda, progress)):
                writer.put(result)
                agenda.done(result)
                progress.done(result)
                if result.status in DONE:
                    ok += 1
                else:
                    failures.append(result)
                if asked.is_set():
                    # A library may have caught the KeyboardInterrupt.
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        stopped = True
    except ExecutorLost as error:
        ended = str(error)
    finally:
        progress.stop()
    return Outcome(ok=ok, failures=tuple(failures), interrupted=stopped, lost=ended)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Raise KeyboardInterrupt on SIGINT and SIGTERM, and yield an event that they set; main thread only."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def stop(*_: Any) -> None:
        asked.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def open_store(plan: Plan, registry: Registry, command: Sequence[str] = ()) -> RunStore:
    """Return the store of a run in `options.out` or in a new folder under runs/, and write its manifest.

    Args:
        plan: The plan.
        registry: The registered entries.
        command: Command line of the run, recorded in the manifest.
    """
    store = RunStore(plan.options.out or new_folder(plan.cells))
    registry = registry.with_architectures(plan.own_architectures())
    manifest = new_manifest(
        plan.cells,
        architectures=registry.architectures,
        measurements=registry.measurements,
        command=command,
        options=plan.options.to_json(),
        settings=asdict(plan.settings),
        code={name: code.files for name, code in plan.code.items()},
    )
    store.create_or_open(manifest)
    return store


def new_folder(cells: Sequence[Cell]) -> str:
    """Return the path of a new folder: runs/<UTC time>-<hash of the planned cells>."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"{now}-{digest([cell.key for cell in cells], 6)}"
    folder, number = Path("runs", name), 1
    while folder.exists():
        folder, number = Path("runs", f"{name}-{number + 1}"), number + 1
    return str(folder)


def is_wide(plan: Plan) -> bool:
    """Return whether `check` predicts the memory of a plan, for which it builds small models in this process."""
    return max(finite_widths(plan.cells), default=0) > CHECKED_WIDTH


def check(plan: Plan, executor: Executor) -> dict[str, CellResult]:
    """Check before a run that the user's own models work and that wide models fit into memory.

    Args:
        plan: The plan.
        executor: Tries the models.

    Returns:
        By label, the result of each of the user's own models that ended its worker when it was tried.

    Raises:
        NtkbenchError: The predicted memory of a width exceeds the available memory, or a user's own model cannot be
            built, cannot be called on its data, or has outputs that are not finite.
    """
    lost = lost_in_trial(plan, executor)
    if is_wide(plan):
        refuse_what_cannot_fit(estimate(plan, sizes=own_sizes(plan, executor)))
    return lost

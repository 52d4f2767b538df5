"""Running a plan: what is missing is measured, each result stored at once."""

from __future__ import annotations

import datetime
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

from ..plan.options import RunOptions
from ..plan.plan import Plan, make_plan
from ..registry.manager import Registry, registry as the_registry
from ..store.manifest import new_manifest
from ..store.run_store import RunStore
from ..types import Cell, CellResult, Status, digest
from .device import prepare
from .executors.processes import Workers
from .executors.serial import run_groups
from .progress import Progress

if TYPE_CHECKING:
    from ..store.run import Run

DONE = (Status.OK, Status.UNSUPPORTED)


@frozen(kw_only=True)
class Outcome:
    """How a run ended. ok: cells of the plan that are ok or unsupported, earlier ones included.

    failures: the results of the others.   interrupted: it was asked to stop, so some cells are still missing.
    """

    ok: int
    failures: tuple[CellResult, ...] = ()
    interrupted: bool = False

    @property
    def failed(self) -> int:
        """The number of cells that failed."""
        return len(self.failures)


def run_plan(
    plan: Plan,
    store: RunStore,
    registry: Registry,
    progress: Progress | None = None,
    *,
    device: str = "cpu",
    workers: Workers | None = None,
) -> Outcome:
    """Measure the cells of the plan that `store` does not hold as ok or unsupported (all with `force`).

    workers: the processes that do it; without them this one does, on `device`.
    Each result is stored as soon as it is there. Ctrl-C and SIGTERM stop the run: what is finished is kept, and the
    outcome says that it was interrupted.
    """
    progress = progress or Progress()
    there = store.finished_keys()
    finished = set() if plan.options.force else there & {cell.key for cell in plan.cells}
    groups = [cells for group in plan.groups() if (cells := [cell for cell in group if cell.key not in finished])]
    ok, failures, stopped = len(finished), [], False
    progress.start(len(plan.cells), len(finished))
    try:
        with _stop_signals() as asked:
            if workers is None:
                registry = registry.with_architectures(plan.own_architectures())
                results = run_groups(groups, registry, device, progress)
            else:
                results = workers.results(groups, progress)
            for result in results:
                store.write(result)
                progress.done(result)
                if result.status in DONE:
                    ok += 1
                else:
                    failures.append(result)
                if asked.is_set():
                    # A library may have swallowed the KeyboardInterrupt.
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        stopped = True
    finally:
        progress.stop()
    return Outcome(ok=ok, failures=tuple(failures), interrupted=stopped)


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into KeyboardInterrupt, and remember that they came; only the main thread may."""
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
    """Return the store of a run, its manifest written: in `options.out`, or in a new folder under runs/."""
    store = RunStore(plan.options.out or new_folder(plan.cells))
    registry = registry.with_architectures(plan.own_architectures())
    manifest = new_manifest(
        plan.cells,
        architectures=registry.architectures,
        measurements=registry.measurements,
        command=command,
        options=plan.options.to_json(),
        settings=asdict(plan.settings),
    )
    store.create_or_open(manifest)
    return store


def new_folder(cells: Sequence[Cell]) -> str:
    """Return a folder that is not there yet: runs/<UTC time>-<hash of the planned cells>."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"{now}-{digest([cell.key for cell in cells], 6)}"
    folder, number = Path("runs", name), 1
    while folder.exists():
        folder, number = Path("runs", f"{name}-{number + 1}"), number + 1
    return str(folder)


def run(
    arch: str | Iterable[str] = "all",
    *,
    widths: str | Iterable[int] | None = None,
    seeds: int | None = None,
    measure: str | Iterable[str] | None = None,
    dataset: str = "digits",
    out: str | Path | None = None,
    preset: str = "quick",
    precision: str = "float32",
    device: str = "auto",
    probes: int | None = None,
    reinit: bool = False,
    force: bool = False,
) -> Run:
    """Measure architectures over widths and seeds, store every cell, and return the run.

    The arguments are the options of `ntkbench run` (see `ntkbench.plan.options.RunOptions`); a size that is None is
    the preset's. Nothing is printed; failed cells are rows of the result. A run in a folder that already holds
    cells does what is missing. Raises NtkbenchError for what cannot be run, and KeyboardInterrupt on Ctrl-C, with
    everything finished kept.
    """
    from ..store.run import load

    options = RunOptions(
        arch=arch,
        widths=widths,
        seeds=seeds,
        measure=measure,
        dataset=dataset,
        out=out,
        preset=preset,
        precision=precision,
        device=device,
        probes=probes,
        reinit=reinit,
        force=force,
    )
    registry = the_registry()
    plan = make_plan(options, registry)
    name = prepare(options.device)
    check(plan, registry, name)
    store = open_store(plan, registry)
    if run_plan(plan, store, registry, device=name).interrupted:
        raise KeyboardInterrupt
    return load(store.path)


def needs_check(plan: Plan) -> bool:
    """Return whether `check` has something to look at, for which it needs TensorFlow."""
    from ..plan.cost import CHECKED_WIDTH

    return bool(plan.own_architectures()) or max(cell.width for cell in plan.cells) > CHECKED_WIDTH


def check(plan: Plan, registry: Registry, device: str) -> None:
    """Raise NtkbenchError for what is better said before anything runs.

    That is a width whose predicted memory exceeds the machine's, and a user's own model that cannot be built,
    called on its data, or gives outputs that are not finite.
    """
    if not needs_check(plan):
        return
    from ..plan.cost import CHECKED_WIDTH, estimate, refuse_what_cannot_fit
    from .worker import preflight

    if max(cell.width for cell in plan.cells) > CHECKED_WIDTH:
        refuse_what_cannot_fit(estimate(plan))
    own = plan.own_architectures()
    registry = registry.with_architectures(own)
    for group in plan.groups():
        if own.pop(group[0].architecture, None) is not None:
            preflight(group, registry, device)

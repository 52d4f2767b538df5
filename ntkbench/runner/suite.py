"""Run a suite: measure what its claims need, then judge each claim."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from statistics import fmean
from typing import Any

from attrs import evolve, frozen

from ..analysis.claims import Judged, Point, judge, judge_all, judge_points
from ..errors import MissingData, NtkbenchError, Unsupported
from ..plan.options import RETRIED
from ..plan.suite import Claim, Suite, plans
from ..registry.manager import Registry
from ..store.manifest import new_manifest
from ..store.panels import encode
from ..store.run_store import RunStore
from ..types import Status
from .executors.executor import Executor
from .progress import Progress
from .run import Outcome, check, new_folder, open_store, run_plan

CHECK_SEEDS = 3


@frozen
class SuiteOutcome:
    """How a suite ended.

    Attributes:
        path: Folder of the run.
        outcomes: How each of its plans ended.
        judged: Its judged claims; empty if cells are missing.
    """

    path: Path
    outcomes: tuple[Outcome, ...]
    judged: tuple[Judged, ...]

    @property
    def interrupted(self) -> bool:
        """Whether it was interrupted."""
        return any(outcome.interrupted for outcome in self.outcomes)

    @property
    def lost(self) -> str:
        """The reason if a plan had to stop early; otherwise ""."""
        return next((outcome.lost for outcome in self.outcomes if outcome.lost), "")

    @property
    def bad(self) -> bool:
        """Whether a cell or a gating claim failed."""
        failed = any(each.gates and each.finding == "fails" for each in self.judged)
        return failed or any(outcome.failed for outcome in self.outcomes)


def run_suite(
    suite: Suite,
    registry: Registry,
    executor: Executor,
    *,
    retry: tuple[Status, ...] = RETRIED,
    out: str | None = None,
    command: Sequence[str] = (),
    progress: Callable[[], Progress] = Progress,
    say: Callable[[str], None] = lambda sentence: None,
) -> SuiteOutcome:
    """Measure what the claims of a suite need, store it in one folder, and judge the claims.

    If the folder already holds cells, only the missing ones are measured.

    Args:
        suite: The suite.
        registry: The registered entries.
        executor: Measures the cells.
        retry: Statuses of cells to measure again, as in `RunOptions`.
        out: Folder of the run; default: a new one under runs/.
        command: Command line of the run, recorded in the manifest.
        progress: Returns a new display for each plan.
        say: Called with a sentence for each change in the folder since it was last written.

    Returns:
        How the suite ended.
    """
    planned = plans(suite, registry, out=out)
    lost = [check(plan, executor) for plan, _ in planned]
    outcomes: list[Outcome] = []
    keys: dict[str, set[str]] = {}
    for (first, claims), lost_of_plan in zip(planned, lost, strict=True):
        plan = evolve(first, options=evolve(first.options, out=out, retry=retry))
        for claim in claims:
            keys.setdefault(claim.id, set()).update(cell.key for cell in plan.cells)
        with closing(open_store(plan, registry, command)) as store:
            out = str(store.path)
            for note in store.notes:
                say(note)
            outcomes.append(run_plan(plan, store, executor, progress(), lost_of_plan))
        if outcomes[-1].incomplete:
            return SuiteOutcome(Path(out), tuple(outcomes), ())
    results = list(RunStore(out).read()) if out is not None else []
    try:
        checked = _check_all([claim for claim in suite.claims if claim.check], progress())
        panels = (
            load_function(suite.curves, f"The curves {suite.curves!r} of {suite.name!r}")() if suite.curves else None
        )
    except KeyboardInterrupt:
        return SuiteOutcome(Path(out or "."), (*outcomes, Outcome(ok=0, interrupted=True)), ())
    judged = tuple(
        checked[claim.id]
        if claim.check
        else judge(claim, (each for each in results if each.cell.key in keys[claim.id]))
        for claim in suite.claims
    )
    if panels is not None:
        out = out or new_folder(())
        with closing(RunStore(out)) as store:
            if not store.is_run():
                store.create_or_open(new_manifest((), architectures={}, measurements={}, command=command))
            store.note("curves", encode(panels))
    return SuiteOutcome(Path(out or "."), tuple(outcomes), judged)


def _check_all(claims: Sequence[Claim], progress: Progress) -> dict[str, Judged]:
    """Judge the claims that are checked by a function, and show which check is running."""
    found = {}
    progress.start(len(claims), 0, "checks")
    try:
        for claim in claims:
            progress.now(claim.id)
            found[claim.id] = _checked(claim)
            progress.done()
    finally:
        progress.stop()
    return found


def _checked(claim: Claim) -> Judged:
    """Judge a claim by calling its check function; one that does not apply or has no data leaves it undecided."""
    function = load_function(claim.check, f"The check {claim.check!r} of claim {claim.id!r}")
    try:
        return _called(claim, function)
    except (Unsupported, MissingData) as error:
        return Judged(claim, "undecided", note=str(error))


def _called(claim: Claim, function: Callable[..., Any]) -> Judged:
    every = claim.law == "check"
    points: list[Point] = []
    for seed in range(CHECK_SEEDS if every else claim.seeds):
        found = function(seed)
        if isinstance(found, Mapping):
            points += [(x, seed, float(value)) for x, value in found.items()]
        elif every:
            points += [(0, seed, float(value)) for value in found]
        else:
            points.append((0, seed, fmean(map(float, found))))
    values = [value for *_, value in points]
    if not all(map(math.isfinite, values)):
        return Judged(claim, "fails", n=len(values), note="a value is not finite")
    return judge_all(claim, values) if every else judge_points(claim, points)


def load_function(target: str, what: str) -> Callable[..., Any]:
    """Return the function "module:function"; raise NtkbenchError that begins with `what` if it cannot be loaded."""
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise NtkbenchError(f"{what} cannot be loaded: {error}.") from None

"""Running a suite: what its claims need is measured, then each claim is judged."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import evolve, frozen

from ..analysis.claims import Judged, judge, judge_all
from ..errors import NtkbenchError
from ..plan.plan import Plan
from ..plan.suite import Claim, Suite, plans
from ..registry.manager import Registry
from ..store.run_store import RunStore
from .executors.processes import Workers
from .progress import Progress
from .run import Outcome, check, open_store, run_plan

CHECK_SEEDS = 3


@frozen
class SuiteOutcome:
    """How a suite ended: where its cells are, how its plans ended, what became of its claims (none if interrupted)."""

    path: Path
    outcomes: tuple[Outcome, ...]
    judged: tuple[Judged, ...]

    @property
    def interrupted(self) -> bool:
        """Whether it was asked to stop."""
        return any(outcome.interrupted for outcome in self.outcomes)

    @property
    def bad(self) -> bool:
        """Whether a cell failed, or a claim that gates."""
        failed = any(each.gates and each.finding == "fails" for each in self.judged)
        return failed or any(outcome.failed for outcome in self.outcomes)


def run_suite(
    suite: Suite,
    registry: Registry,
    *,
    device: str,
    out: str | None = None,
    command: Sequence[str] = (),
    progress: Callable[[], Progress] = Progress,
    workers: Workers | None = None,
) -> SuiteOutcome:
    """Measure what the claims need, into one folder, and judge them. A folder that holds cells is completed.

    workers: the processes that measure; without them this one does, on `device`.
    """
    planned = plans(suite, registry, out=out)
    for plan, _ in planned:
        check(plan, registry, device)
    outcomes: list[Outcome] = []
    keys: dict[str, set[str]] = {}
    for plan, claims in planned:
        plan = _in_folder(plan, out)
        store = open_store(plan, registry, command)
        out = str(store.path)
        for claim in claims:
            keys.setdefault(claim.id, set()).update(cell.key for cell in plan.cells)
        outcomes.append(run_plan(plan, store, registry, progress(), device=device, workers=workers))
        if outcomes[-1].interrupted:
            return SuiteOutcome(Path(out), tuple(outcomes), ())
    results = list(RunStore(out).read()) if out is not None else []
    judged = tuple(
        _checked(claim)
        if claim.law == "check"
        else judge(claim, (each for each in results if each.cell.key in keys[claim.id]))
        for claim in suite.claims
    )
    return SuiteOutcome(Path(out or "."), tuple(outcomes), judged)


def _in_folder(plan: Plan, out: str | None) -> Plan:
    return evolve(plan, options=evolve(plan.options, out=out))


def _checked(claim: Claim) -> Judged:
    """Judge a claim by the function it names."""
    module, _, name = claim.check.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise NtkbenchError(f"The check {claim.check!r} of claim {claim.id!r} cannot be loaded: {error}.") from None
    values = [float(value) for seed in range(CHECK_SEEDS) for value in function(seed)]
    if not all(map(math.isfinite, values)):
        return Judged(claim, "fails", n=len(values), note="a value is not finite")
    return judge_all(claim, values)

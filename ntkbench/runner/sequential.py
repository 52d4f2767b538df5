"""Add seeds and widths only where a verdict or a ranking is still open, by a fixed rule that the manifest records."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Sequence
from typing import Any

from attrs import evolve, frozen

from ..analysis.groups import comparable
from ..analysis.paired import CLOSE, open_pairs
from ..analysis.verdicts import Verdict, verdicts
from ..plan.arch_spec import ArchitectureRequest
from ..plan.plan import Plan, make_plan
from ..registry.manager import Registry
from ..store.manifest import catalogue, theory
from ..store.run_store import RunStore
from ..store.stored_run import StoredRun
from ..types import HEADLINES
from .executors.executor import Executor
from .progress import Progress
from .run import Outcome, check, open_store, run_plan

LOOKS = 6
LEVEL = 1 - 0.05 / LOOKS
"""Confidence level of each look, so that all looks together err with probability at most 5 % (Bonferroni)."""
MOST_SEEDS = 40
MORE_WIDTHS = 2
LIKELY = 0.5
"""Minimum share of simulations in which a design must decide; designs below it are not run."""
RULE = (
    f"A verdict is decided when it is linear or non-linear at {100 * LEVEL:.1f} % confidence (5 % error over {LOOKS} "
    "looks). For a verdict that is falling or open, the design that is likely to decide it is found by simulations "
    "based on the measured values, and approached step by step: each look adds at least two seeds and at most doubles "
    f"their number, up to {MOST_SEEDS}, and adds a doubled width if the design needs one, at most {MORE_WIDTHS} times. "
    f"Nothing is added if no design decides in {LIKELY:.0%} of its simulations. The ranking of two architectures with "
    "the same verdict is decided when their exponents differ at that confidence (Holm's correction over pairs), or "
    f"are known to differ by less than {CLOSE}; otherwise both get more seeds in the same way. The procedure ends when "
    f"everything is decided, after {LOOKS} looks, or when the budget is spent; a look that has started is finished."
)


@frozen
class Addition:
    """The new number of seeds and the new widths of one series."""

    label: str
    seeds: int
    widths: tuple[int, ...]


def run_until_decided(
    plan: Plan,
    store: RunStore,
    registry: Registry,
    executor: Executor,
    *,
    budget: float,
    command: list[str],
    progress: Callable[[], Progress] = Progress,
) -> list[Outcome]:
    """Measure the cells that `RULE` adds to a finished plan. Only the quantities that verdicts need are measured.

    The rule, the looks and the verdict on each architecture are recorded in the manifest under "stopping".

    Args:
        plan: The plan, whose cells are in `store`.
        store: Store of the run.
        registry: The registered entries.
        executor: Measures the cells.
        budget: Time in seconds after which no further look starts.
        command: Command line of the run, recorded in the manifest.
        progress: Returns a new display for each plan.

    Returns:
        How each added plan ended.
    """
    began = time.monotonic()
    requests = {request.label: request for request in plan.requests if request.kind != "keras"}
    looks: list[dict[str, Any]] = []
    outcomes: list[Outcome] = []
    widths_at_first: dict[str, int] = {}
    while True:
        found = _at_level(store)
        additions: list[Addition] = []
        for each in found:
            label = each.series.label
            widths_at_first.setdefault(label, len(each.series.widths))
            if label in requests and not each.decided:
                additions += _addition(each, widths_at_first[label])
        additions += _for_ranks(found, requests.keys() - {addition.label for addition in additions})
        spent = time.monotonic() - began
        looks.append({"seconds": round(spent, 1), "added": {a.label: [a.seeds, list(a.widths)] for a in additions}})
        ended = (
            "everything is decided, or nothing more may be added"
            if not additions
            else "the number of looks is used up"
            if len(looks) >= LOOKS
            else "the budget is spent"
            if spent >= budget
            else ""
        )
        verdicts_now = {each.series.label: each.name for each in found}
        store.note(
            "stopping", {"rule": RULE, "budget": budget, "looks": looks, "ended": ended, "verdicts": verdicts_now}
        )
        if ended:
            return outcomes
        for addition in additions:
            more = _plan_of(plan, requests[addition.label], addition, found, registry, str(store.path))
            lost = check(more, executor)
            open_store(more, registry, command).close()  # adds the new cells to the manifest of `store`
            outcomes.append(run_plan(more, store, executor, progress(), lost))
            if outcomes[-1].incomplete:
                return outcomes


def _at_level(store: RunStore) -> list[Verdict]:
    """Return the verdicts at the rule's confidence level; for several radii, those at the first one."""
    run = StoredRun(store.path, store)
    found = verdicts(run.results, catalogue(run.manifest), theory(run.manifest), LEVEL)
    return list({each.series.label: each for each in reversed(found)}.values())[::-1]


def _addition(of: Verdict, widths_at_first: int) -> list[Addition]:
    seeds, widths, advice = len(of.series.seeds), tuple(of.series.widths), of.advice
    if advice is None or advice.power < LIKELY:
        return []
    more_seeds = min(max(advice.more_seeds, 2), seeds) if advice.more_seeds else 0
    wanted = min(seeds + max(more_seeds, 2), MOST_SEEDS) if more_seeds else seeds
    if advice.more_widths and len(widths) < widths_at_first + MORE_WIDTHS:
        widths = (*widths, 2 * widths[-1])
    return [Addition(of.series.label, wanted, widths)] if (wanted, widths) != (seeds, tuple(of.series.widths)) else []


def _for_ranks(found: Sequence[Verdict], labels: Container[str]) -> list[Addition]:
    """Return more seeds for those of `labels` whose ranking within their verdict is open."""
    wanted: dict[str, Addition] = {}
    groups = comparable(found).values()
    for first, second, more in (pair for laws in groups for pair in open_pairs(laws, 1 - LEVEL)):
        for of in (first.series, second.series):
            seeds = len(of.seeds)
            enough = min(seeds + max(min(more, seeds), 2), MOST_SEEDS)
            if of.label in labels and enough > max(seeds, wanted[of.label].seeds if of.label in wanted else 0):
                wanted[of.label] = Addition(of.label, enough, tuple(of.widths))
    return list(wanted.values())


def _plan_of(
    plan: Plan,
    request: ArchitectureRequest,
    addition: Addition,
    found: list[Verdict],
    registry: Registry,
    out: str,
) -> Plan:
    """Return the plan of an addition: new seeds and widths only, and only the quantities that verdicts need."""
    judged = next(each for each in found if each.series.label == addition.label)
    options = evolve(
        plan.options,
        arch=(_spec(request),),
        widths=addition.widths,
        seeds=addition.seeds,
        measure=tuple(key for key in HEADLINES if key in judged.series.by_key),
        out=out,
        force=False,
    )
    more = make_plan(options, registry)
    there = {(result.cell.width, result.cell.seed) for result in judged.series.results}
    return evolve(more, cells=tuple(cell for cell in more.cells if (cell.width, cell.seed) not in there))


def _spec(request: ArchitectureRequest) -> str:
    if request.registered:
        return request.label
    written = request.label.partition(request.name)[2]
    return f"{request.path}:{request.function}{written}" if request.function else f"{request.path}{written}"

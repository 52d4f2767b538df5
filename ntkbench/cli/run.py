"""`ntkbench run`: measure architectures over widths and seeds, and print the standard table."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import numbers
from ..errors import NtkbenchError, RunStopped, did_you_mean
from ..report.escape import visible
from ..streams import answer, answer_json, answering
from .options import Named, no_plugin, warn_of_plugins

if TYPE_CHECKING:
    from ..plan.cost import Estimate
    from ..plan.plan import Plan
    from ..plan.suite import Suite
    from ..registry.manager import Registry
    from ..report.table import Table
    from ..runner.executors.choose import Choice
    from ..runner.run import Outcome
    from ..runner.suite import SuiteOutcome
    from ..store.run_store import RunStore
    from ..types import Status

REASONS_SHOWN = 10


@click.command("run", context_settings={"allow_extra_args": True})
@click.option(
    "--arch",
    multiple=True,
    metavar="SPEC",
    default=("all",),
    help="Architecture: all, NAME, NAME:key=value,..., family:NAME, priority:A, FILE.py:FUNCTION[:key=value,...] or "
    "MODEL.keras (repeatable). "
    "NAME may also be a registered kernel, which exists at infinite width only.",
)
@click.option(
    "--widths",
    metavar="LIST",
    help="Comma-separated widths, such as 64,128,256; inf for the limit of infinite width [default: the preset's].",
)
@click.option("--seeds", metavar="COUNT", help="Number of seeds [default: the preset's].")
@click.option(
    "--measure",
    multiple=True,
    metavar="NAME",
    help="Measurement, one of its quantities or curves, NAME:curves for all its curves, or all (repeatable) "
    "[default: the preset's].",
)
@click.option(
    "--dataset",
    multiple=True,
    default=("digits",),
    metavar="NAME",
    help="Dataset: NAME, NAME:key=value,... or a group of datasets (repeatable) [default: digits].",
)
@click.option(
    "--preset",
    default="quick",
    type=Named(["quick", "zoo", "standard", "board", "full"]),
    help="Size of the run, from minutes (quick) to days (full); zoo compares many architectures.",
)
@click.option(
    "--suite",
    metavar="NAME|FILE.toml",
    help="Suite of claims to measure and judge; the suite sets all sizes (see `ntkbench list suites`).",
)
@click.option(
    "--until-decided",
    is_flag=True,
    help="After the planned cells, add seeds and widths where a verdict or a ranking is still open, by a fixed rule "
    "that is recorded in the manifest.",
)
@click.option(
    "--budget",
    type=float,
    default=30.0,
    show_default=True,
    metavar="MINUTES",
    help="Time limit in minutes for --until-decided; no new round starts after it.",
)
@click.option(
    "--probes", metavar="COUNT", help="Number of inputs at which everything is measured [default: the preset's]."
)
@click.option(
    "--radius",
    multiple=True,
    metavar="R",
    help="Radius of the ball around the initial weights (repeatable) [default: 1].",
)
@click.option(
    "--precision",
    default="float32",
    type=Named(["float32", "float64"]),
    help="Floating-point precision of all computations.",
)
@click.option("--device", default="auto", metavar="NAME", help="Device: auto, cpu, gpu[:i] or tpu[:NAME].")
@click.option(
    "--executor",
    default="processes",
    metavar="NAME",
    help="Executor: processes (local worker processes), serial (this process), dask (a local Dask cluster) or "
    "dask:tcp://HOST:PORT (an existing Dask cluster).",
)
@click.option("--workers", metavar="COUNT", help="Number of worker processes [default: one per CPU, at most 8].")
@click.option(
    "--timeout",
    type=float,
    metavar="SECONDS",
    help="Time limit in seconds for one cell, including compilation; a cell that exceeds it ends as timeout. It also "
    "limits the first load of a plugin's dataset.",
)
@click.option(
    "--memory-limit",
    type=float,
    metavar="GIB",
    help="Memory limit in GiB for the worker of one cell; a cell that exceeds it, or is predicted to, ends as oom.",
)
@click.option(
    "--retry",
    metavar="STATUSES",
    help="Statuses of cells to measure again when a run resumes, such as failed,timeout, or none [default: all except "
    "ok and unsupported].",
)
@click.option("--reinit", is_flag=True, help="Redraw the weights of a MODEL.keras for each seed.")
@click.option(
    "--units",
    type=Named(["init", "none"]),
    help="Units of the weights of Keras models: init, the initial standard deviation of every variable; none, the "
    "model's own [default: as the architecture declares, mostly none].",
)
@click.option(
    "--redraw",
    type=Named(["fan-in", "none"]),
    help="Draw the weights of Keras models for each seed: fan-in, with standard deviation 1/√fan-in whatever their "
    "initializers; none, keep them [default: as the architecture declares, mostly none].",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(),
    help="Folder of the run; if it already holds cells, only the missing ones are measured [default: a new folder "
    "under runs/].",
)
@click.option("--dry-run", is_flag=True, help="Print the plan with predicted time and memory, then exit.")
@click.option("--force", is_flag=True, help="Measure again the cells that the folder already holds.")
@click.option(
    "--format",
    "format_",
    default="simple",
    metavar="NAME",
    help="Table format of tabulate: simple, github, grid, html, latex, tsv, ...",
)
@click.option("--quiet", is_flag=True, help="Show no progress on standard error.")
@click.option("--json", "as_json", is_flag=True, help="Print only the table, as JSON, to standard output.")
@no_plugin
@click.pass_obj
@answering
def command(
    given: Sequence[str],
    dry_run: bool,
    format_: str,
    quiet: bool,
    as_json: bool,
    out: str | None,
    suite: str | None,
    until_decided: bool,
    budget: float,
    executor: str,
    workers: str | None,
    timeout: float | None,
    memory_limit: float | None,
    **words: Any,
) -> int:
    """Measure how linear networks are in their parameters, over widths and seeds.

    Every cell is stored in the run's folder, and the standard table is printed. Exits with 0 when all cells are ok or
    unsupported, with 1 when some are not, with 2 when the command is invalid, and with 130 when it is interrupted.
    """
    from ..plan.options import RunOptions, parse_retry, parse_workers
    from ..plan.plan import make_plan
    from ..registry.current import registry as the_registry
    from ..report.table import FORMATS
    from ..runner.executors.choose import choose
    from ..runner.first_load import first_load
    from ..runner.limits import Limits

    if extra := click.get_current_context().args:
        raise click.UsageError(f"Unexpected argument {extra[0]!r}. Name architectures with --arch, such as --arch fc.")
    if format_ not in FORMATS:
        raise click.UsageError(f"Unknown table format {format_!r}. {did_you_mean(format_, FORMATS)}")
    if not 0 <= budget < math.inf:
        raise click.UsageError(f"--budget is {budget:g}; it must be a number of minutes, such as --budget 30.")
    limits = Limits(timeout, memory_limit)
    chosen = partial(choose, executor, workers=parse_workers(workers), limits=limits)
    if suite is not None:
        retry = parse_retry(words["retry"])
        return _run_suite(suite, given, dry_run, format_, quiet, as_json, out, words["device"], retry, chosen)
    words["measure"] = words["measure"] or None
    options = RunOptions(**words, out=out)
    registry = the_registry()
    warn_of_plugins(registry)
    plan = make_plan(options, registry, first_load(registry, limits))
    for note in plan.notes:
        _say(note)
    _require_place(out)
    choice = chosen([plan], options.device)
    if dry_run:
        return _dry_run(plan, as_json, chosen)

    minutes = budget if until_decided else None
    return _run(plan, choice, registry, given, format_, quiet, as_json, minutes)


def _run(
    plan: Plan,
    choice: Choice,
    registry: Registry,
    given: Sequence[str],
    format_: str,
    quiet: bool,
    as_json: bool,
    budget: float | None,
) -> int:
    """Measure a plan, and print its table. budget: minutes for --until-decided, None without it."""
    from ..api import Run
    from ..runner.device import prepare
    from ..runner.progress import progress_on
    from ..runner.run import check, is_wide, open_store, run_plan
    from ..runner.sequential import run_until_decided

    options = plan.options
    device = prepare(options.device, quiet=True) if choice.here or is_wide(plan) else options.device
    store: RunStore | None = None
    outcome: Outcome | None = None
    more: list[Outcome] = []
    again = False
    try:
        with ExitStack() as ending:
            measuring = ending.enter_context(choice.executor(registry, device))
            lost = check(plan, measuring)
            store = ending.enter_context(closing(open_store(plan, registry, command=["ntkbench", *given])))
            for note in store.notes:
                _say(note)
            outcome = run_plan(plan, store, measuring, progress_on(quiet=quiet), lost)
            if budget is not None and not outcome.incomplete:
                more = run_until_decided(
                    plan,
                    store,
                    registry,
                    measuring,
                    budget=60 * budget,
                    command=["ntkbench", *given],
                    progress=lambda: progress_on(quiet=quiet),
                )
    except KeyboardInterrupt:  # outside `run_plan`: Ctrl-C once more, while the workers end, for example
        if store is None:
            raise
        again = True
    if again or outcome is None or outcome.interrupted or any(each.interrupted for each in more):
        _say_how_to_resume(outcome, len(plan.cells), [*given, *([] if options.out else ["--out", str(store.path)])])
        click.echo(str(store.path), err=True)
        return 130
    bad = any(each.failed or each.lost for each in (outcome, *more))
    _show(lambda: Run(store.path, store).table(), format_, as_json, store.path)
    for each in (outcome, *more):
        _say_failures(each, len(plan.cells) if each is outcome else each.ok + each.failed)
    click.echo(str(store.path), err=True)
    return 1 if bad else 0


_SUITE_OPTIONS = (
    "--suite",
    "--out",
    "--device",
    "--executor",
    "--workers",
    "--timeout",
    "--memory-limit",
    "--retry",
    "--format",
    "--quiet",
    "--json",
    "--no-plugin",
    "--dry-run",
)


def _run_suite(
    name: str,
    given: Sequence[str],
    dry_run: bool,
    format_: str,
    quiet: bool,
    as_json: bool,
    out: str | None,
    device: str,
    retry: tuple[Status, ...],
    chosen: Callable[[Sequence[Plan], str], Choice],
) -> int:
    from ..plan.suite import load_suite, plans
    from ..registry.current import registry as the_registry
    from ..runner.device import prepare
    from ..runner.progress import progress_on
    from ..runner.suite import run_suite

    for word in given:
        option = word.partition("=")[0]
        if option.startswith("--") and option not in _SUITE_OPTIONS:
            raise click.UsageError(
                f"{option} cannot be combined with --suite; the suite itself defines what is run and at which sizes."
            )
    registry = the_registry()
    warn_of_plugins(registry)
    suite = load_suite(name, registry)
    planned = [plan for plan, _ in plans(suite, registry, out=out)]
    for note in dict.fromkeys(note for plan in planned for note in plan.notes):
        _say(note)
    _require_place(out)
    choice = chosen(planned, device)
    if dry_run and suite.options is not None:
        return _dry_run(planned[0], as_json, chosen)
    if dry_run:
        cells = {cell.key for plan in planned for cell in plan.cells}
        if as_json:
            answer_json({"suite": suite.name, "claims": len(suite.claims), "cells": len(cells)})
        else:
            answer(f"{suite.name}: {len(suite.claims)} claims, {len(cells)} cells.")
        return 0
    ready = prepare(device, quiet=True)
    found: SuiteOutcome | None = None
    again = False
    try:
        with choice.executor(registry, ready) as executor:
            found = run_suite(
                suite,
                registry,
                executor,
                retry=retry,
                out=out,
                command=["ntkbench", *given],
                progress=lambda: progress_on(quiet=quiet),
                say=_say,
            )
    except KeyboardInterrupt:  # outside `run_plan`: Ctrl-C once more, while the workers end, for example
        if found is None:
            raise
        again = True
    if found.lost:
        click.echo(visible(found.lost), err=True)
        click.echo(f"Finished cells are kept. To resume, rerun the command with --out {found.path}.", err=True)
        return 1
    if again or found.interrupted:
        click.echo(
            f"Interrupted; finished cells are kept. To resume, rerun the command with --out {found.path}.", err=True
        )
        return 130
    _show(lambda: _suite_table(suite, found), format_, as_json, found.path)
    for outcome in found.outcomes:
        _say_failures(outcome, outcome.ok + outcome.failed)
    click.echo(str(found.path), err=True)
    return 1 if found.bad else 0


def _suite_table(suite: Suite, found: SuiteOutcome) -> Table:
    """Return the table of a finished suite: its judged claims, its methods over datasets, or the standard table."""
    from ..api import load
    from ..report.claims import claims_table
    from ..report.method_table import with_order

    if suite.claims:
        return claims_table(suite.name, found.judged)
    run = load(found.path)
    if not suite.compare:
        return run.table()
    return with_order(run.method_table(suite.compare), suite.order, suite.source)


def _require_place(out: str | None) -> None:
    """Raise NtkbenchError if the folder cannot hold a run; a new folder below runs/ can."""
    from ..store.run_store import RunStore

    if out:
        RunStore(out).require_place()


def _say(note: str) -> None:
    click.echo(visible(note), err=True)


def _show(make: Callable[[], Table], format_: str, as_json: bool, path: Path) -> None:
    """Print the table of a finished run. Failing to write to standard output does not make the run fail."""
    try:
        table = make()
        if as_json:
            answer_json(table.to_json())
        else:
            answer(table.text(format_).rstrip("\n"))
    except BrokenPipeError:
        pass  # the reader, such as `head`, has closed the pipe
    except RunStopped as error:
        click.echo(f"{error} The results are kept in {path}.", err=True)
    except KeyboardInterrupt:
        click.echo(
            "Interrupted before the table was printed; all results are kept. "
            f"To print it, rerun the command with --out {path}.",
            err=True,
        )
        raise click.exceptions.Exit(130) from None


def _dry_run(plan: Plan, as_json: bool, chosen: Callable[[Sequence[Plan], str], Choice]) -> int:
    from ..plan.cost import device_memory_gib, estimate, refuse_what_cannot_fit
    from ..registry.current import registry
    from ..runner.device import prepare
    from ..runner.run import is_wide
    from ..runner.trial import own_sizes

    memory = device_memory_gib(plan.options.device)  # read first: prepare("cpu") hides the GPUs from this process
    choice, device = chosen([plan], "cpu"), prepare("cpu", quiet=True)
    sizes: dict[tuple[str, str], dict[int, int]] = {}
    if plan.own_architectures():
        with choice.executor(registry(), device) as building:
            sizes = own_sizes(plan, building, _say)
    estimates = estimate(plan, memory, sizes)
    if as_json:
        answer_json([each.to_json() for each in estimates])
    else:
        answer("\n".join(_estimate_lines(estimates, plan)))
        gib, where = memory
        answer(f"{where[0].upper()}{where[1:]} has {gib:.3g} GiB of memory.")
    try:
        refuse_what_cannot_fit(estimates)
    except NtkbenchError as error:
        if is_wide(plan):
            raise
        _say(f"{error} The run is not refused; its cells may end as oom.")
    return 0


def _estimate_lines(estimates: Sequence[Estimate], plan: Any) -> list[str]:
    """Return the predicted costs as aligned lines, at most 100 columns wide."""
    from ..types import written_width
    from .columns import aligned

    several = len({each.dataset for each in estimates}) > 1
    rows = [("architecture", *["dataset"] * several, "widths", "cells", "parameters", "memory", "time")]
    for each in estimates:
        predicted = "none" if each.widths == (math.inf,) else "not predicted"
        largest = f"{each.parameters[-1]:,}" if each.parameters else predicted
        memory = f"{each.memory_gib[-1]:,.1f} GiB" if each.memory_gib else ""
        seconds = "" if each.seconds is None else numbers.clock(each.seconds)
        name = (each.label, *[each.dataset] * several)
        widths = ",".join(map(str, map(written_width, each.widths)))
        rows.append((*name, widths, str(each.cells), largest, memory, seconds))
    total = sum(each.seconds or 0 for each in estimates)
    return [
        *aligned(rows, right=tuple(range(2 + several, 6 + several)), limits=dict.fromkeys(range(2 + several), 30)),
        "",
        f"{len(plan.cells)} cells, about {numbers.clock(total)} (a rough prediction for two cores).",
        "Parameters and memory are those of the largest finite width.",
    ]


def _say_failures(outcome: Outcome, total: int) -> None:
    if outcome.lost:
        missing = total - outcome.ok - outcome.failed
        click.echo(
            f"{visible(outcome.lost)} {missing} of {total} cells are missing; finished cells are kept.", err=True
        )
        click.echo("To resume, rerun the command with --out set to the folder below.", err=True)
    if not outcome.failures:
        return
    click.echo(f"{outcome.failed} of {total} cells failed:", err=True)
    reasons = Counter((result.status.value, result.message) for result in outcome.failures)
    for (status, message), count in reasons.most_common(REASONS_SHOWN):
        click.echo(f"  {count} × {status}: {visible(message)}", err=True)
    if len(reasons) > REASONS_SHOWN:
        click.echo(
            f"  and {len(reasons) - REASONS_SHOWN} other reasons; `ntkbench export` lists all of them.", err=True
        )
    click.echo(
        "To retry them, rerun the command with --out set to the folder below; --retry selects their statuses.", err=True
    )


def _say_how_to_resume(outcome: Outcome | None, total: int, arguments: Sequence[str]) -> None:
    """Print the command that resumes an interrupted run. outcome: None if it is not known how many cells finished."""
    if outcome is None:
        click.echo("Interrupted; finished cells are kept. To resume:", err=True)
    else:
        done = outcome.ok + outcome.failed
        click.echo(f"Interrupted with {done} of {total} cells finished; they are kept. To resume:", err=True)
    click.echo(f"  {shlex.join(['ntkbench', *arguments])}", err=True)

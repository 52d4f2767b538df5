"""Simulate 100,000 cells on 1,000 workers from measured times; write the tables of docs/scale.md.

python benchmarks/scale.py cells RUN    extract cell times from a stored standard run -> results/scale/cells.csv
python benchmarks/scale.py costs        measure the cost of storing and reading a cell -> results/scale/costs.json
python benchmarks/scale.py simulate     simulate -> results/scale/simulated.json, docs/scale.md, docs/scale.png
"""

from __future__ import annotations

import csv
import heapq
import json
import os
import pickle
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results/scale"
DOC, PICTURE = ROOT / "docs/scale.md", ROOT / "docs/scale.png"
DISPATCH = 1e-3  # seconds of Dask's scheduler per task: its documentation says 0.2 to 1 ms
CELLS = 100_000
WORKERS = (1, 3, 10, 30, 100, 300, 1000, 3000)
DRAWS = 5  # number of random orders to average over
GUESS = 0.5  # standard deviation of the logarithm of the error of predicted costs


# -- measured times ---------------------------------------------------------------------------------------------------


@frozen
class Measured:
    """Seconds of one (architecture, width) by measurement: for the first seed, which compiles, and for later seeds."""

    first: dict[str, float]
    later: dict[str, float]


@frozen
class Costs:
    """Costs of the framework, in seconds per cell.

    Attributes:
        write: Time to store a cell on the client, with fsync.
        write_unsynced: Time to store a cell without fsync.
        receive: Time to unpickle a cell on the client.
        read: Time to read a cell from the run's folder.
        start: Time until a worker process has imported TensorFlow (once per worker).
    """

    write: float
    write_unsynced: float
    receive: float
    read: float
    start: float


def cells(run: str) -> None:
    """Extract the cell times of a finished standard run to results/scale/cells.csv."""
    from ntkbench.api import load

    seconds: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    for result in load(run).results:
        seconds[result.cell.label, result.cell.width, result.cell.measurement].append(result.seconds)
    with open(RESULTS / "cells.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["architecture", "width", "measurement", "first_seconds", "later_seconds"])
        for names, found in seconds.items():
            writer.writerow([*names, f"{found[0]:.4g}", f"{statistics.fmean(found[1:]):.4g}"])


def measured() -> list[Measured]:
    """Read the file written by `cells`, one entry for each architecture and width."""
    groups: dict[tuple[str, str], Measured] = {}
    with open(RESULTS / "cells.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            group = groups.setdefault((row["architecture"], row["width"]), Measured({}, {}))
            group.first[row["measurement"]] = float(row["first_seconds"])
            group.later[row["measurement"]] = float(row["later_seconds"])
    return list(groups.values())


def costs(count: int = 2000) -> Costs:
    """Measure the costs of the framework on this machine and its disk.

    Writes with and without fsync alternate, a tenth of the cells at a time; the median of these turns counts.
    """
    sys.path.insert(0, str(ROOT / "tests/kit"))
    from factories import cell, manifest, result

    from ntkbench.store.run_store import RunStore

    results = [result(cell(seed=seed, measurement="hessian")) for seed in range(count)]
    tenths = [results[start::10] for start in range(10)]

    def each(act: Callable[[], Any], number: int = count) -> float:
        began = time.perf_counter()
        act()
        return (time.perf_counter() - began) / number

    def write(store: RunStore, some: Sequence[Any]) -> None:
        for one in some:
            store.write(one)

    fsync, turns = os.fsync, {"synced": [], "unsynced": []}
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        stores = {name: RunStore(Path(folder, name)) for name in turns}
        for store in stores.values():
            store.create_or_open(manifest(results))
        for some in tenths:
            for name, store in stores.items():
                os.fsync = fsync if name == "synced" else lambda descriptor: None
                try:
                    turns[name].append(each(partial(write, store, some), len(some)))
                finally:
                    os.fsync = fsync
        # A new store each time, because a store that has written the cells does not read them again.
        read = min(each(lambda: list(RunStore(Path(folder, "synced")).read())) for _ in range(3))
    messages = [pickle.dumps(one) for one in results]
    receive = min(each(lambda: [pickle.loads(one) for one in messages]) for _ in range(3))
    words = [sys.executable, "-c", "import ntkbench.runner.worker"]
    start = min(each(lambda: subprocess.run(words, check=True, capture_output=True), 1) for _ in range(2))
    synced, unsynced = map(statistics.median, turns.values())
    return Costs(synced, unsynced, receive, read, start)


# -- the simulation ---------------------------------------------------------------------------------------------------


@frozen
class Unit:
    """A unit of work: the cells that a worker takes at once.

    Attributes:
        seconds: Time without compilation.
        compiles: Functions to compile, and the seconds that each takes once per worker.
        cells: Number of cells.
    """

    seconds: float
    compiles: tuple[tuple[Any, float], ...]
    cells: int

    @property
    def cold(self) -> float:
        """Seconds on a worker that has compiled nothing yet."""
        return self.seconds + sum(seconds for _, seconds in self.compiles)


def units(groups: Sequence[Measured], seeds: int, at_once: int | float | None) -> list[Unit]:
    """Split a sweep into units.

    Args:
        groups: Measured times of the groups.
        seeds: Number of seeds.
        at_once: Size of a unit: a number of seeds (int), the seconds that its seeds take (float), or one cell (None).
    """
    found = []
    for number, group in enumerate(groups):
        extra = {m: max(group.first[m] - group.later[m], 0.0) for m in group.later}
        seconds = sum(group.later.values())
        if at_once is None:
            found += [Unit(group.later[m], (((number, m), extra[m]),), 1) for _ in range(seeds) for m in group.later]
            continue
        size = at_once if isinstance(at_once, int) else max(1, int(at_once / seconds))
        for start in range(0, seeds, size):
            taken = min(size, seeds - start)
            found.append(Unit(taken * seconds, ((number, sum(extra.values())),), taken * len(group.later)))
    return found


@frozen
class Outcome:
    """Result of a simulated run.

    Attributes:
        measured: Seconds until all cells are measured.
        stored: Seconds until all cells are stored.
        busy: Share of the workers' time, from their start until all cells are measured, spent measuring or compiling.
        compiling: Share of the busy time spent compiling.
        scheduler: Seconds of scheduler time.
        writer: Seconds of writing by the client.
        lag: Longest time between measuring and storing a cell.
    """

    measured: float
    stored: float
    busy: float
    compiling: float
    scheduler: float
    writer: float
    lag: float


def simulate(queue: Iterable[Unit], workers: int, *, start: float, dispatch: float, write: float) -> Outcome:
    """Simulate workers that take units from a queue, a scheduler that assigns them, and a client that stores results.

    All workers start at the same time. A worker compiles each function once. The client receives the cells of a unit
    when the unit is done, and stores them one after the other.
    """
    free = [(start, number) for number in range(workers)]
    known: list[set[Any]] = [set() for _ in range(workers)]
    scheduler = measuring = compiling = 0.0
    done: list[tuple[float, int]] = []
    for unit in queue:
        at, number = heapq.heappop(free)
        scheduler = max(scheduler, at) + dispatch
        new = sum(seconds for what, seconds in unit.compiles if what not in known[number])
        known[number].update(what for what, _ in unit.compiles)
        at = scheduler + new + unit.seconds
        measuring, compiling = measuring + unit.seconds, compiling + new
        done.append((at, unit.cells))
        heapq.heappush(free, (at, number))
    end = max(at for at, _ in done)
    stored = lag = 0.0
    for at, count in sorted(done):
        stored = max(stored, at) + count * write
        lag = max(lag, stored - at)
    total = sum(count for _, count in done)
    return Outcome(
        measured=end,
        stored=stored,
        busy=(measuring + compiling) / ((end - start) * workers),
        compiling=compiling / (measuring + compiling),
        scheduler=len(done) * dispatch,
        writer=total * write,
        lag=lag,
    )


def ordered(of: Sequence[Unit], order: str, draw: random.Random) -> list[Unit]:
    """Return the units in an order: "longest first", "longest first by a guess", "random" or "planned"."""
    if order == "planned":
        return list(of)
    if order == "random":
        return draw.sample(list(of), len(of))
    error = GUESS if "guess" in order else 0.0
    guessed = [(-unit.cold * draw.lognormvariate(0, error), place) for place, unit in enumerate(of)]
    return [of[place] for _, place in sorted(guessed)]


SWEEPS = {"many seeds": (1, None), "many architectures": (None, 5)}  # copies of the groups, seeds; None: as needed
CUTS: dict[str, int | float | None] = {
    "whole groups": 10**9,
    "20 seeds": 20,
    "5 seeds": 5,
    "seeds for 30 s": 30.0,
    "1 seed": 1,
    "single cells": None,
}
CUT = "seeds for 30 s"  # unit size of the runs with other numbers of workers
ORDERS = ("longest first", "longest first by a guess", "random", "planned")


def sweep(groups: Sequence[Measured], name: str) -> tuple[list[Measured], int]:
    """Return the groups and the number of seeds of a sweep with about CELLS cells."""
    each = sum(len(group.later) for group in groups)
    copies, seeds = SWEEPS[name]
    copies = copies or round(CELLS / (each * (seeds or 1)))
    seeds = seeds or round(CELLS / (each * copies))
    return [group for _ in range(copies) for group in groups], seeds


def runs(groups: Sequence[Measured], cost: Costs, workers: Sequence[int] = WORKERS) -> Iterator[dict[str, Any]]:
    """Yield every simulated run as plain JSON."""

    def run(
        name: str, cut: str, order: str, count: int, longer: float = 1.0, write: float = cost.write
    ) -> dict[str, Any]:
        chosen, seeds = sweep(groups, name)
        of = units(chosen, seeds, CUTS[cut])
        if longer != 1:
            of = [Unit(longer * unit.seconds, unit.compiles, unit.cells) for unit in of]
        outcomes = []
        for number in range(DRAWS if order in ("random", "longest first by a guess") else 1):
            queue = ordered(of, order, random.Random(number))
            outcomes.append(simulate(queue, count, start=cost.start, dispatch=DISPATCH, write=write + cost.receive))
        mean = {key: statistics.fmean(asdict(each)[key] for each in outcomes) for key in asdict(outcomes[0])}
        return {
            "sweep": name, "cut": cut, "order": order, "workers": count, "longer": longer,
            "synced": write == cost.write, "units": len(of), "cells": sum(unit.cells for unit in of),
            "work": sum(unit.seconds for unit in of), **mean,
        }  # fmt: skip

    most = 1000 if 1000 in workers else max(workers)
    for name in SWEEPS:
        for cut in CUTS:
            for order in ORDERS:
                yield run(name, cut, order, most)
        for count in workers:
            yield run(name, CUT, "longest first", count)
            yield run(name, CUT, "longest first", count, write=cost.write_unsynced)
            yield run(name, CUT, "longest first", count, longer=10)


# -- the document -----------------------------------------------------------------------------------------------------


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table of rows; the first one is the header."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---|" + "---:|" * (len(rows[0]) - 1), *lines[1:]])


def tables(found: dict[str, Any]) -> dict[str, str]:
    """Return the blocks of docs/scale.md by name."""
    every, cost = found["runs"], found["costs"]
    most = max(run["workers"] for run in every if run["cut"] == "single cells")

    def one(**wanted: Any) -> dict[str, Any]:
        wanted = {"longer": 1.0, "synced": True} | wanted
        return next(run for run in every if wanted.items() <= run.items())

    costs_rows = [
        ("what", "ms a cell"),
        ("the client stores a result: temporary file, fsync, rename", f"{1e3 * cost['write']:.2f}"),
        ("the same without fsync", f"{1e3 * cost['write_unsynced']:.2f}"),
        ("the client unpickles a result", f"{1e3 * cost['receive']:.3f}"),
        ("`ntkbench table` or a resumed run reads a cell", f"{1e3 * cost['read']:.2f}"),
    ]
    blocks = {"costs": table(costs_rows) + f"\n\nA worker has TensorFlow after {cost['start']:.1f} s."}
    for name in SWEEPS:
        first = one(sweep=name, cut=CUT, order="planned", workers=most)
        rows = [
            ("a worker takes", "tasks", "longest first", "by a guess", "random", "as planned", "compiling", "stored")
        ]
        for cut in CUTS:
            by_order = {order: one(sweep=name, cut=cut, order=order, workers=most) for order in ORDERS}
            best = by_order["longest first"]
            times = [f"{by_order[order]['measured']:.0f} s" for order in ORDERS]
            tasks = f"{best['units']:,}"
            rows.append((cut, tasks, *times, f"{100 * best['compiling']:.0f} %", f"{best['stored']:.0f} s"))
        blocks[f"order {name}"] = (
            f"{first['cells']:,} cells, {first['work'] / 3600:.1f} hours of one worker without compiling; "
            f"{most:,} workers.\n\n" + table(rows)
        )
    rows = [
        (
            "workers",
            "measured",
            "stored",
            "stored without fsync",
            "workers busy",
            "cells 10 × as long: measured",
            "stored",
        )
    ]
    for count in sorted({run["workers"] for run in every}):
        same = {"sweep": "many seeds", "cut": CUT, "order": "longest first", "workers": count}
        plain = one(**same)
        other, longer = one(**same, synced=False), one(**same, longer=10)
        names = (plain["measured"], plain["stored"], other["stored"])
        last = (longer["measured"], longer["stored"])
        rows.append((f"{count:,}", *map(_time, names), f"{100 * plain['busy']:.0f} %", *map(_time, last)))
    blocks["workers"] = table(rows)
    return blocks


def _time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 600
        else f"{seconds / 60:.0f} min"
        if seconds < 36000
        else f"{seconds / 3600:.0f} h"
    )


def write_document(found: dict[str, Any]) -> None:
    """Write the tables between their markers in docs/scale.md."""
    text = DOC.read_text(encoding="utf-8")
    for name, block in tables(found).items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{block}\n{end}{rest.partition(end)[2]}"
    DOC.write_text(text, encoding="utf-8")


def draw(found: dict[str, Any]) -> None:
    """Plot the time until all cells are stored against the number of workers."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    chosen = [run for run in found["runs"] if run["cut"] == CUT and run["order"] == "longest first"]
    chosen = [run for run in chosen if run["sweep"] == "many seeds"]
    figure, axes = pyplot.subplots(figsize=(6.4, 4), layout="constrained")
    lines = {
        "measured": [(run["workers"], run["measured"]) for run in chosen if run["synced"] and run["longer"] == 1],
        "stored": [(run["workers"], run["stored"]) for run in chosen if run["synced"] and run["longer"] == 1],
        "stored, without fsync": [(run["workers"], run["stored"]) for run in chosen if not run["synced"]],
        "cells ten times as long, stored": [(run["workers"], run["stored"]) for run in chosen if run["longer"] == 10],
    }
    for (label, points), style in zip(lines.items(), ("o:", "o-", "s--", "^-"), strict=True):
        axes.plot(*zip(*sorted(set(points)), strict=True), style, label=label, markersize=4)
    work = chosen[0]["work"]
    axes.plot(WORKERS, [work / count for count in WORKERS], color="0.7", linewidth=1, label="work ÷ workers", zorder=0)
    axes.set(xscale="log", yscale="log", xlabel="workers", ylabel="seconds", title=f"{chosen[0]['cells']:,} cells")
    axes.legend(frameon=False)
    figure.savefig(PICTURE, dpi=110, metadata={"Software": None})


def main(what: str, *words: str) -> None:
    """Run one of the three commands in the module's docstring."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    if what == "cells":
        cells(*words)
    elif what == "costs":
        from ntkbench.store.provenance import provenance

        known = provenance()
        machine = {name: known[name] for name in ("cpu", "cpu_count", "python", "ntkbench")}
        (RESULTS / "costs.json").write_text(json.dumps({"machine": machine, **asdict(costs())}, indent=1) + "\n")
    elif what == "simulate":
        read = json.loads((RESULTS / "costs.json").read_text())
        cost = Costs(**{name: value for name, value in read.items() if name != "machine"})
        found = {"costs": read, "dispatch": DISPATCH, "runs": list(runs(measured(), cost))}
        (RESULTS / "simulated.json").write_text(json.dumps(found, indent=1) + "\n")
        write_document(found)
        draw(found)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:] or ["help"])

"""Measure the overhead of the framework: runs of thousands of trivial cells, resuming them, and their tables."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from side_by_side.command import Results, options
from whole_runs.command import between_first_and_last, environment, ntkbench
from whole_runs.ntkbench_nothing import MEASUREMENTS, SEEDS, WIDTHS

ARCHITECTURES = (2, 6, 20)
QUICK = (1,)
WORKERS = 2


def run_words(architectures: int, quick: bool) -> list[Any]:
    """Return the command-line arguments of a run with this number of architectures."""
    words: list[Any] = ["run", "--dataset", "sphere", "--probes", 2, "--workers", WORKERS, "--quiet"]
    for index in range(architectures):
        words += ["--arch", f"nothing-{index:02}"]
    for index in range(MEASUREMENTS):
        words += ["--measure", f"nothing_{index}"]
    widths, seeds = (WIDTHS[:2], 2) if quick else (WIDTHS, SEEDS)
    return [*words, "--widths", ",".join(map(str, widths)), "--seeds", seeds]


def measured(architectures: int, quick: bool, executors: list[str], folder: Path) -> dict[str, Any]:
    """Return the times of a run of one size."""
    variables = environment(folder, "ntkbench_nothing")
    case: dict[str, Any] = {"name": "", "cells": 0, "executors": {}}
    words = run_words(architectures, quick)
    for executor in executors:
        out = folder / f"{architectures}-{executor}"
        seconds = ntkbench([*words, "--executor", executor, "--out", out], variables)
        cells, busy = between_first_and_last(out)
        case |= {"name": f"nothing-{cells}", "cells": cells}
        case["executors"][executor] = {"seconds": seconds, "per_cell_ms": 1e3 * busy / max(cells - 1, 1)}
    # The better of two, because the first one warms the file cache.
    case["resume_seconds"] = min(ntkbench([*words, "--out", out], variables) for _ in range(2))
    case["table_seconds"] = min(ntkbench(["table", out], variables) for _ in range(2))
    return case


def main() -> None:
    """Run the benchmark."""
    chosen = options(__doc__ or "")
    executors = ["processes", "dask"]
    results = Results("overhead", chosen)
    with tempfile.TemporaryDirectory(prefix="ntkbench-overhead-") as folder:
        for architectures in QUICK if chosen.quick else ARCHITECTURES:
            case = measured(architectures, chosen.quick, executors, Path(folder))
            if not chosen.case or any(part in case["name"] for part in chosen.case):
                results.add_plain(case)
    print(results.path)


if __name__ == "__main__":
    main()

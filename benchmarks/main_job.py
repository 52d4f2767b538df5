"""Time `ntkbench run --arch all`, first with no saved functions and then with them, in turns with another version."""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from side_by_side.command import Results, options
from whole_runs.command import between_first_and_last, environment, ntkbench

HERE = Path(__file__).parents[1]
OTHER = "NTKBENCH_OTHER"  # folder of the other version's code; without it this version is timed alone
ROUNDS = 3


def timed(code: Path, words: list[Any], folder: Path) -> tuple[int, dict[str, float]]:
    """Return the number of cells, and wall and processor seconds of a first and a second run in a fresh folder."""
    # Without a safe path, Python would take ntkbench from the working directory.
    variables = environment(folder, PYTHONPATH=str(code), PYTHONSAFEPATH="1", XDG_CACHE_HOME=str(folder / "user"))
    found = {}
    for run in ("first", "second"):
        before = os.times()
        found[f"{run}_seconds"] = ntkbench([*words, "--out", folder / run], variables)
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        found[f"{run}_processor_seconds"] = spent
    cells, _ = between_first_and_last(folder / "first")
    return cells, found


def main() -> None:
    """Run the benchmark."""
    chosen = options(__doc__ or "")
    words = ["run", "--quiet", *(["--arch", "linear", "--widths", "4"] if chosen.quick else ["--arch", "all"])]
    versions = {"this": HERE} | ({"other": Path(os.environ[OTHER])} if OTHER in os.environ else {})
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in versions}
    results = Results("main_job", chosen)
    for _ in range(chosen.rounds or (1 if chosen.quick else ROUNDS)):
        for name, code in versions.items():
            with tempfile.TemporaryDirectory(prefix="ntkbench-main-job-") as folder:
                cells, times = timed(code, words, Path(folder))
                turns[name].append(times)
    medians = {name: {key: statistics.median(each[key] for each in of) for key in of[0]} for name, of in turns.items()}
    case: dict[str, Any] = {"name": " ".join(words), "cells": cells, "versions": medians, "turns": turns}
    if "other" in medians:
        case["this_over_other"] = {key: medians["this"][key] / medians["other"][key] for key in medians["this"]}
    results.add_plain(case)
    print(results.path)


if __name__ == "__main__":
    main()

"""Inject two hundred seeded faults into one run, and check that its results equal those of an undisturbed run."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from side_by_side.command import Results, options
from whole_runs.faults import Soak

SEED = 7
CASES = {"tensorflow": (40, 400, True), "stand-in": (200, 2000, False)}
QUICK = {"stand-in": (19, 200, False)}


def measured(name: str, faults: int, cells: int, tensorflow: bool, folder: Path) -> dict[str, Any]:
    """Run one case with faults and return its outcome."""
    began = time.perf_counter()
    soak = Soak(folder / name, SEED, faults, cells, tensorflow)
    soak.disturbed()
    seconds = time.perf_counter() - began
    soak.undisturbed()
    equal = soak.check()
    survived = dict(sorted(soak.happened.items()))
    print(f"{name}: {sum(survived.values())} faults survived over {soak.commands} commands; equal: {equal}")
    return {"name": name, "cells": cells, "faults": survived, "commands": soak.commands, "seconds": seconds,
            "equal": equal, "seed": SEED}  # fmt: skip


def main() -> None:
    """Run the benchmark."""
    chosen = options(__doc__ or "")
    results = Results("soak", chosen)
    with tempfile.TemporaryDirectory(prefix="ntkbench-soak-") as folder:
        for name, (faults, cells, tensorflow) in (QUICK if chosen.quick else CASES).items():
            if not chosen.case or any(part in name for part in chosen.case):
                results.add_plain(measured(name, faults, cells, tensorflow, Path(folder)))
    print(results.path)


if __name__ == "__main__":
    main()

"""Cost of the recurrent kernel against N, T and L, and against its pair-by-pair reference, in processor seconds.

Run it where ntkbench-recurrent is installed; `--out` names the JSON file to write.
JapaneseVowels is measured if its files are there (see the README of ntkbench-recurrent).
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from side_by_side.machine import machine

import ntkbench as nb
from ntkbench_recurrent import reference, rntk, series

CASES = [
    (640, 29, 1, "none"), (640, 29, 2, "none"), (640, 29, 3, "none"),
    (320, 29, 1, "none"), (1280, 29, 1, "none"), (640, 58, 1, "none"), (640, 116, 1, "none"),
    (640, 29, 1, "untied"), (160, 29, 1, "tied"), (2000, 100, 1, "none"),
]  # fmt: skip
QUICK = [(16, 4, 1, "none"), (8, 4, 2, "tied")]
CHANNELS = 12
PAIRS = 6  # sequences whose pairs the reference computes


def sequences(n: int, steps: int) -> dict[str, np.ndarray]:
    """Return random sequences of a quarter of `steps` to `steps` steps, in float32."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(-(-steps // 4), steps + 1, size=n)
    values = rng.standard_normal((n, steps, CHANNELS)).astype(np.float32)
    return {"values": values, "mask": np.arange(steps) < lengths[:, None]}


def vowels() -> dict[str, np.ndarray] | None:
    """Return all 640 recordings of JapaneseVowels in float32; None if they are not here."""
    try:
        task = series.load_task(form="ragged", seed=0, name="JapaneseVowels")
    except nb.MissingData:
        return None
    both = {name: np.concatenate([task.train[0][name], task.test[0][name]]) for name in ("values", "mask")}
    return both | {"values": both["values"].astype(np.float32)}


def cost(function: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Return processor seconds of the first call, which compiles, and the least of the others."""
    found = []
    for _ in range(1 + repeats):
        start = time.process_time()
        function()
        found.append(time.process_time() - start)
    return found[0], min(found[1:])


def measured(name: str, x: dict[str, np.ndarray], depth: int, pooling: str, repeats: int) -> dict[str, Any]:
    """Return the cost of one kernel matrix, and print it."""
    kernel = rntk(depth=depth, pooling=pooling, bias_std=0.1)
    n, steps = x["mask"].shape
    first, then = cost(lambda: kernel.matrix(x), repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name:14s} {n:6d} {steps:5d} {depth:3d}  {pooling:7s} {first:10.2f} {then:10.3f} {peak:8.2f}", flush=True)
    case = {"data": name, "n": n, "steps": steps, "depth": depth, "pooling": pooling}
    return case | {"first_seconds": first, "seconds": then, "peak_gib_so_far": peak}


def main() -> None:
    """Print the table, and write it to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, as a smoke test")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    chosen = parser.parse_args()
    found: dict[str, Any] = {"made": datetime.now(UTC).date().isoformat(), "machine": machine(), "unit": "processor s"}
    print("data                N     T   L  pooling first call       then  peak GiB so far  [processor s]")
    repeats = 1 if chosen.quick else 3
    cases = [("random", sequences(n, steps), depth, pooling) for n, steps, depth, pooling in QUICK]
    if not chosen.quick:
        real = vowels()
        cases = [("JapaneseVowels", real, depth, "none") for depth in (1, 2, 3)] if real is not None else []
        cases += [("random", sequences(n, steps), depth, pooling) for n, steps, depth, pooling in CASES]
    found["cases"] = [measured(*case, repeats if len(case[1]["mask"]) < 1500 else 1) for case in cases]
    few = sequences(PAIRS, 29)
    rows = [v[m].astype(np.float64) for v, m in zip(few["values"], few["mask"], strict=True)]
    start = time.process_time()
    reference.matrix(rows, bias_std=0.1)
    found["reference_seconds_per_pair"] = (time.process_time() - start) / PAIRS**2
    case = next(each for each in found["cases"] if each["data"] == "random")
    pairs = case["n"] * (case["n"] + 1) / 2
    found["reference_over_kernel"] = found["reference_seconds_per_pair"] * pairs / case["seconds"]
    print(f"The reference takes {found['reference_over_kernel']:,.0f} × as long as the kernel, pair by pair.")
    if chosen.out is not None:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

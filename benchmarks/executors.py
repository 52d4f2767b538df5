"""Compare the executors on one preset: serial with one thread, two worker processes, and two Dask workers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from side_by_side.command import Results, options, ratio
from whole_runs.command import ONE_THREAD, environment, ntkbench

import ntkbench as nb

EXECUTORS = {
    "serial": ["--executor", "serial"],
    "processes": ["--executor", "processes", "--workers", "2"],
    "dask": ["--executor", "dask", "--workers", "2"],
}
CASES = {"quick": ["--arch", "all", "--preset", "quick"]}
QUICK = {"tiny": ["--arch", "fc", "--arch", "linear", "--widths", "8,16", "--seeds", "2", "--probes", "2",
                  "--measure", "gradient"]}  # fmt: skip
IDENTITY = ["architecture", "params", "width", "seed", "measurement", "quantity", "reduction", "cell"]


def largest_difference(left: Path, right: Path) -> float:
    """Return the largest relative difference between the values of two runs, without times."""
    one, two = (
        nb.load(run).frame().query("unit != 's'").set_index(IDENTITY)[["value", "status"]].sort_index()
        for run in (left, right)
    )
    if not one.index.equals(two.index) or not one["status"].equals(two["status"]):
        raise RuntimeError(f"{left} and {right} do not contain the same cells.")
    scale = one["value"].abs().clip(lower=1e-6)
    return float(((one["value"] - two["value"]).abs() / scale).max())


def measured(name: str, words: list[str], folder: Path) -> dict[str, Any]:
    """Return the time of every executor, and the difference of its values from those of the first one."""
    case: dict[str, Any] = {"name": name, "command": " ".join(["run", *words]), "executors": {}}
    for executor, more in EXECUTORS.items():
        # One thread each, so that the comparison is between executors and not with TensorFlow's own parallelism, and no
        # saved functions, which one executor would take over from another.
        alone = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "NTKBENCH_FUNCTION_CACHE": "off"}
        out = folder / f"{name}-{executor}"
        seconds = ntkbench(["run", *words, *more, "--quiet", "--out", out], environment(folder, **ONE_THREAD, **alone))
        difference = largest_difference(folder / f"{name}-serial", out)
        case["executors"][executor] = {"seconds": seconds, "difference": difference}
        case["cells"] = len(nb.load(out).results)
    serial = case["executors"]["serial"]["seconds"]
    case["ratios"] = {
        f"serial_over_{executor}": ratio(serial, case["executors"][executor]["seconds"])
        for executor in ("processes", "dask")
    }
    return case


def main() -> None:
    """Run the benchmark."""
    chosen = options(__doc__ or "")
    results = Results("executors", chosen)
    with tempfile.TemporaryDirectory(prefix="ntkbench-executors-") as folder:
        for name, words in (QUICK if chosen.quick else CASES).items():
            results.add_plain(measured(name, words, Path(folder)))
    print(results.path)


if __name__ == "__main__":
    main()

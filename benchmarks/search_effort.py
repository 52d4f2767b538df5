"""Compare the worst-direction search with a search of five times the effort; write a JSON file.

python benchmarks/search_effort.py                  all built-in architectures, widths of the quick preset, 2 seeds
python benchmarks/search_effort.py fc-relu fc@64    some architectures, or one width of them; print only

A cell is marked if its own search_gain exceeds UNSURE, or if its row is marked: if the mean over the seeds of a width
exceeds it, as in a verdict. The table and the verdict mark whole rows.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from ntkbench.engine.context import Context
from ntkbench.engine.search.ascent import ascend, largest
from ntkbench.measurements import ball
from ntkbench.plan.options import RunOptions
from ntkbench.plan.plan import make_plan
from ntkbench.registry.current import registry
from ntkbench.runner.worker import GroupWorker
from ntkbench.types import KINKED, UNSURE, Cell

SEEDS, EFFORT, DIRECTIONS, LEADING = 2, 5, 5, 3
BEYOND = 0.1
"""Largest relative excess of the longer search that counts as agreement."""
OUT = Path(__file__).parent / "results/search/effort.json"


def longer(ctx: Context) -> float:
    """Return the largest change that a search with EFFORT times the evaluations finds.

    All ascents run to convergence, not only that from the best start. They start from ± the growth of ‖K‖, the
    displacement of gradient descent, Jᵀc for the LEADING eigenvectors c of K, and DIRECTIONS random directions. Kinks
    are crossed EFFORT times as often, with new draws each time, and a last ascent starts from the best point.
    """
    objective = ball.kernel_objective(ctx)
    _, vectors = np.linalg.eigh(ctx.kernel)
    along = [ctx.weighted_output.gradient(ctx.theta, vectors[:, -1 - i]) for i in range(min(LEADING, len(vectors)))]
    random = [ctx.direction() for _ in range(DIRECTIONS)]
    starts = [ball.kernel_growth(ctx), ctx.trajectory.end - ctx.trajectory.origin, *along, *random]
    found = [ascend(objective, sign * v, EFFORT * ball.ASCENT, ball.POLISHED) for v in starts for sign in (1.0, -1.0)]
    if ball.largest_kink_share(ctx) > KINKED:
        found += [each for _ in range(2 * EFFORT) for each in ball.across_kinks(ctx, objective)]
    best = largest(found)
    return largest([best, ascend(objective, best, EFFORT * ball.ASCENT, ball.POLISHED)]).value


def measured(cells: list[Cell]) -> Iterator[dict[str, Any]]:
    """Yield the results of both searches for each cell of one architecture and width."""
    worker = GroupWorker(cells, registry())
    for cell in cells:
        ctx = worker.context(cell)
        ctx.start("ball", frozenset({"kernel_change_worst"}))
        began = time.process_time()
        values = ball.measure(ctx)
        between = time.process_time()
        more = longer(ctx)
        value, gain = values["kernel_change_worst"].value, values["search_gain"].value
        yield {
            "architecture": cell.label,
            "width": cell.width,
            "seed": cell.seed,
            "found": value,
            "search_gain": gain if gain is not None and np.isfinite(gain) else None,
            "longer": more,
            "beyond": more / value - 1 if value else 0.0,
            "seconds": [round(between - began, 2), round(time.process_time() - between, 2)],
        }


def mark(cells: list[dict[str, Any]]) -> None:
    """Add "marked" to each cell."""
    own = [np.inf if cell["search_gain"] is None else cell["search_gain"] for cell in cells]
    gains: dict[tuple[str, int], list[float]] = {}
    for cell, gain in zip(cells, own, strict=True):
        gains.setdefault((cell["architecture"], cell["width"]), []).append(gain)
    rows = {architecture for (architecture, _), found in gains.items() if fmean(found) > UNSURE}
    for cell, gain in zip(cells, own, strict=True):
        cell["marked"] = bool(gain > UNSURE or cell["architecture"] in rows)


def main(words: list[str]) -> None:
    """Measure, print one line per cell, and store the results if all built-in architectures were measured."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    named = [word.partition("@") for word in words]
    arch = tuple(dict.fromkeys(name for name, _, _ in named)) or ("all",)
    plan = make_plan(RunOptions(arch=arch, seeds=SEEDS, measure=("kernel_change_worst",)), registry())
    cells = []
    for (label, width), group in groupby(plan.cells, key=lambda cell: (cell.label, cell.width)):
        if named and not any(name == label and at in ("", str(width)) for name, _, at in named):
            continue
        for row in measured(list(group)):
            print(json.dumps(row), flush=True)
            cells.append(row)
    mark(cells)
    within = [row["beyond"] <= BEYOND for row in cells]
    summary = {
        "cells": len(cells),
        "share_within": sum(within) / len(cells),
        "beyond_and_unmarked": [
            f"{row['architecture']} {row['width']} {row['seed']}: {row['beyond']:.0%}"
            for row, fine in zip(cells, within, strict=True)
            if not fine and not row["marked"]
        ],
        "seconds": [sum(row["seconds"][i] for row in cells) for i in (0, 1)],
    }
    print(json.dumps(summary, indent=1))
    if not words:
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps({"summary": summary, "cells": cells}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Time infinite-width kernels, compared with neural-tangents on the same inputs."""

from __future__ import annotations

import math

from side_by_side.case import Case, dense
from side_by_side.command import Results, options, pace, ratio, wanted
from side_by_side.contest import Arena, Competitor
from side_by_side.environments import environment

RELU = {"activation": "relu", "std": math.sqrt(2.0)}


def fully_connected(depth: int, n: int) -> Case:
    """Return `depth` hidden ReLU layers on 64 features. The kernel does not depend on the number of units."""
    return Case(f"fc-{depth}-n{n}", dense(16, depth, 1, "relu", math.sqrt(2.0)), (64,), n)


def pooled(depth: int, side: int, n: int) -> Case:
    """Return `depth` 3×3 ReLU convolutions on images with 3 channels, averaged over positions."""
    hidden = [{"kind": "conv", "filters": 16, "kernel": 3, **RELU} for _ in range(depth)]
    last = {"kind": "dense", "units": 1, "activation": None, "std": 1.0}
    return Case(f"conv-{depth}-pooled-{side}x{side}-n{n}", [*hidden, {"kind": "average"}, last], (side, side, 3), n)


CASES = [fully_connected(3, 2000), pooled(2, 16, 64)]
QUICK = [fully_connected(1, 8), pooled(1, 4, 4)]


def main() -> None:
    """Run the benchmark."""
    chosen = options(__doc__ or "")
    ours = Competitor("ntkbench", "ntkbench_engine", "infinite")
    peer = Competitor(
        "neural-tangents", "neural_tangents_kernel", "infinite", environment("neural-tangents", chosen.peers)
    )
    with Arena(pace(chosen)) as arena:
        results = Results("infinite", chosen, arena)
        for case in wanted(chosen, QUICK if chosen.quick else CASES):
            entries = arena.contest(case, [ours, peer])
            results.add(case.describe(), entries, {"over_neural_tangents": ratio(entries[0].median, entries[1].median)})
    print(results.path)


if __name__ == "__main__":
    main()

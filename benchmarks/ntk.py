"""Time tangent kernels, compared with neural-tangents' three algorithms, our own Jacobian and the matmul limit."""

from __future__ import annotations

import math
from dataclasses import replace

from side_by_side.case import Case, dense, residual_conv
from side_by_side.command import Results, fastest, options, pace, ratio, wanted
from side_by_side.contest import Arena, Competitor
from side_by_side.environments import environment
from side_by_side.flops import kernel_flops


def relu(width: int, depth: int, n: int, outputs: int) -> Case:
    """Return a fully connected ReLU network on 64 features."""
    name = f"relu-{depth}x{width}-n{n}-o{outputs}"
    return Case(name, dense(width, depth, outputs, "relu", math.sqrt(2.0)), (64,), n)


def conv(channels: int, side: int, n: int, outputs: int) -> Case:
    """Return a residual convolutional network on images with 3 channels."""
    return Case(f"conv-{channels}-n{n}-o{outputs}", residual_conv(channels, 2, outputs), (side, side, 3), n)


CASES = [
    relu(64, 2, 16, 1), relu(64, 2, 16, 10), relu(256, 3, 64, 1), relu(1024, 3, 128, 10), relu(2048, 3, 256, 1),
    relu(4096, 3, 256, 1), conv(64, 16, 32, 10),
]  # fmt: skip
QUICK = [relu(16, 2, 4, 1), conv(4, 6, 3, 2)]


def with_limit(case: Case, quick: bool) -> Case:
    """Return the case with the options of the matmul limit: its flops, and the shapes of the products to time."""
    side = 64 if quick else 2048
    shapes = [(side, side, side)]
    if case.net[0]["kind"] == "dense":
        width = case.net[0]["units"]
        shapes.append((case.n, width, width))
    return replace(case, options={"flops": kernel_flops(case), "matmul_shapes": shapes})


def main() -> None:
    """Run the benchmark."""
    chosen = options(__doc__ or "")
    peer = environment("neural-tangents", chosen.peers)
    ours = Competitor("ntkbench", "ntkbench_engine", "kernel")
    jacobian = Competitor("ntkbench jacobian", "ntkbench_engine", "kernel_by_jacobian")
    peers = [
        Competitor(f"neural-tangents {name}", "neural_tangents_kernel", route, peer)
        for name, route in (
            ("structured", "structured"), ("vector products", "vector_products"), ("jacobian", "jacobian"),
        )
    ]  # fmt: skip
    limit = Competitor("matmul limit", "matmul", "limit")
    with Arena(pace(chosen)) as arena:
        results = Results("ntk", chosen, arena)
        cases = wanted(chosen, QUICK if chosen.quick else CASES)
        for case in (with_limit(each, chosen.quick) for each in cases):
            entries = arena.contest(case, [ours, jacobian, *peers, limit])
            mine = entries[0].median
            ratios = {
                "over_neural_tangents_fastest": ratio(mine, fastest(entries[2:5])),
                "over_own_jacobian": ratio(mine, entries[1].median),
                "over_matmul_limit": ratio(mine, entries[5].median),
            }
            results.add(case.describe(), entries, ratios)
    print(results.path)


if __name__ == "__main__":
    main()

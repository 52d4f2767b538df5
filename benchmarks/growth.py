"""Measure how the cost of tangent kernels and Hessian norms grows with width, inputs and outputs, in gradients."""

from __future__ import annotations

from side_by_side.case import Case, dense
from side_by_side.command import Results, options, pace, ratio, wanted
from side_by_side.contest import Arena, Competitor


def tanh(sweep: str, width: int, n: int, outputs: int) -> Case:
    """Return a fully connected tanh network with three hidden layers on 64 features."""
    name = f"{sweep}-{width}-n{n}-o{outputs}"
    return Case(name, dense(width, 3, outputs, "tanh", 1.0), (64,), n, options={"sweep": sweep, "width": width})


CASES = [
    *(tanh("width", width, 64, 1) for width in (128, 256, 512, 1024, 2048)),
    *(tanh("inputs", 512, n, 1) for n in (16, 64, 256, 1024)),
    *(tanh("outputs", 512, 64, outputs) for outputs in (1, 4, 16)),
]
QUICK = [tanh("width", width, 4, 1) for width in (8, 16)]


def main() -> None:
    """Run the benchmark."""
    chosen = options(__doc__ or "")
    names = (("gradient", "gradient"), ("empirical_ntk", "kernel"), ("hessian_norm", "hessian_norm"))
    competitors = [Competitor(name, "ntkbench_engine", route) for name, route in names]
    with Arena(pace(chosen)) as arena:
        results = Results("growth", chosen, arena)
        for case in wanted(chosen, QUICK if chosen.quick else CASES):
            gradient, kernel, norm = arena.contest(case, competitors)
            ratios = {
                "empirical_ntk_in_gradients": ratio(kernel.median, gradient.median),
                "hessian_norm_in_gradients": ratio(norm.median, gradient.median),
                "hessian_product_in_gradients": ratio(norm.per_work, None if gradient.median is None
                                                      else gradient.median / case.n),
            }  # fmt: skip
            results.add(case.describe(), [gradient, kernel, norm], ratios)
    print(results.path)


if __name__ == "__main__":
    main()

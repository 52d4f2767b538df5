"""Time whole jobs: Hessian norms of all inputs, against compiled HVP-Lanczos from one start to the same tolerance."""

from __future__ import annotations

from dataclasses import replace

from hessian import tanh
from side_by_side.command import Results, options, pace, ratio, wanted
from side_by_side.contest import Arena, Competitor

TOLERANCE = 1e-3  # the default of hessian_norm
CASES = [tanh(256, 64, 0), tanh(1024, 64, 0), tanh(4096, 64, 0)]
QUICK = [tanh(16, 4, 0)]


def main() -> None:
    """Run the benchmark."""
    chosen = options(__doc__ or "")
    ours = Competitor("hessian_norm", "ntkbench_engine", "hessian_norm")
    lanczos = Competitor("HVP-Lanczos of one input", "tensorflow_hvp", "norm_of_one_input")
    with Arena(pace(chosen)) as arena:
        results = Results("hessian_jobs", chosen, arena)
        cases = wanted(chosen, QUICK if chosen.quick else CASES)
        for case in (replace(each, options={"tolerance": TOLERANCE}) for each in cases):
            entries = arena.contest(case, [ours, lanczos])
            job, one = entries[0].median, entries[1].median
            results.add(case.describe(), entries, {"lanczos_over_hessian_norm": ratio(one and case.n * one, job)})
    print(results.path)


if __name__ == "__main__":
    main()

"""Time Hessian norms, compared with plain Hessian-vector products in compiled TensorFlow and PyTorch (curvlinops)."""

from __future__ import annotations

from side_by_side.case import Case, dense
from side_by_side.command import Results, options, pace, ratio, wanted
from side_by_side.contest import Arena, Competitor
from side_by_side.environments import environment


def tanh(width: int, n: int, steps: int, kind: str = "speed") -> Case:
    """Return a fully connected tanh network with three hidden layers on 64 features."""
    name = f"tanh-3x{width}-n{n}" + ("-memory" if kind == "memory" else "")
    return Case(name, dense(width, 3, 1, "tanh", 1.0), (64,), n, options={"steps": steps, "kind": kind})


CASES = [tanh(256, 64, 16), tanh(1024, 64, 16), tanh(4096, 64, 8), tanh(4096, 64, 8, "memory"),
         tanh(16384, 8, 8, "memory")]  # fmt: skip
QUICK = [tanh(16, 4, 4), tanh(16, 4, 4, "memory")]


def main() -> None:
    """Run the benchmark."""
    chosen = options(__doc__ or "")
    peer = environment("curvlinops", chosen.peers)
    ours = Competitor("hessian_norm", "ntkbench_engine", "hessian_norm")
    competitors = [
        ours,
        Competitor("batched product", "ntkbench_engine", "hessian_product"),
        Competitor("forward + backward", "tensorflow_hvp", "forward_backward"),
        Competitor("HVP-Lanczos", "tensorflow_hvp", "lanczos"),
        Competitor("HVP-Lanczos, recurrence compiled too", "tensorflow_hvp", "lanczos_fused"),
        Competitor("curvlinops Lanczos", "curvlinops_hvp", "lanczos", peer),
    ]
    with Arena(pace(chosen)) as arena:
        results = Results("hessian", chosen, arena)
        for case in wanted(chosen, QUICK if chosen.quick else CASES):
            if case.options["kind"] == "memory":
                entry, memory = arena.alone(case, ours, runs=2)
                results.add(
                    case.describe(), [entry], {}, memory_gib=memory | {"growth": memory["peak"] - memory["before"]}
                )
                continue
            entries = arena.contest(case, competitors)
            norm, product, unit, lanczos, fused, curvlinops = (entry.per_work for entry in entries)
            ratios = {
                "hvp_lanczos_over_hessian_norm": ratio(lanczos, norm),
                "hvp_lanczos_over_batched_product": ratio(lanczos, product),
                "compiled_hvp_lanczos_over_hessian_norm": ratio(fused, norm),
                "curvlinops_over_hessian_norm": ratio(curvlinops, norm),
                "batched_product_over_forward_backward": ratio(product, unit),
            }
            results.add(case.describe(), entries, ratios)
    print(results.path)


if __name__ == "__main__":
    main()

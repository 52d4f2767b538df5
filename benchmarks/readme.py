"""Render the tables of README.md between its markers from the JSON files of the benchmarks."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Json = dict[str, Any]


def ntk(result: Json) -> Iterator[str]:
    """Yield the lines on tangent kernels."""
    names = [entry["name"] for entry in result["cases"][0]["competitors"]]
    over = {
        "over_neural_tangents_fastest": "ntkbench ÷ fastest of neural-tangents",
        "over_own_jacobian": "÷ ntkbench jacobian",
        "over_matmul_limit": "÷ matmul limit",
    }
    yield from table(
        ["network", *names, *over.values(), "largest difference"],
        (
            [
                f"`{case['name']}`",
                *(milliseconds(entry) for entry in case["competitors"]),
                *(quotient(case["ratios"][key]) for key in over),
                difference(case),
            ]
            for case in result["cases"]
        ),
    )
    yield from footnotes(result, "Milliseconds")


def hessian(result: Json) -> Iterator[str]:
    """Yield the lines on Hessian norms: speed, then memory."""
    speed = [case for case in result["cases"] if case["options"]["kind"] == "speed"]
    memory = [case for case in result["cases"] if case["options"]["kind"] == "memory"]
    over = {
        "hvp_lanczos_over_hessian_norm": "HVP-Lanczos ÷ hessian_norm",
        "hvp_lanczos_over_batched_product": "HVP-Lanczos ÷ batched product",
        "compiled_hvp_lanczos_over_hessian_norm": "HVP-Lanczos, recurrence compiled too ÷ hessian_norm",
        "curvlinops_over_hessian_norm": "curvlinops ÷ hessian_norm",
        "batched_product_over_forward_backward": "batched product ÷ forward + backward",
    }
    if speed:
        names = [entry["name"] for entry in speed[0]["competitors"]]
        yield from table(
            ["network", *names],
            ([f"`{c['name']}`", *(milliseconds(e, e["work"]) for e in c["competitors"])] for c in speed),
        )
        yield from ("", "Milliseconds for each sample and product with its Hessian.", "")
        yield from table(
            ["network", *over.values(), "largest difference"],
            ([f"`{c['name']}`", *(quotient(c["ratios"][key]) for key in over), difference(c)] for c in speed),
        )
        yield ""
        yield from table(
            ["network", "hessian_norm of all inputs", "steps", "products of one sample"],
            (
                [f"`{c['name']}`", milliseconds(e) + " ms", str(e["detail"].get("iterations", "")), str(e["work"])]
                for c in speed
                for e in c["competitors"][:1]
            ),
        )
        yield ""
    if memory:
        yield from table(
            ["network", "weights", "first run", "second run", "GiB before", "GiB at the peak", "growth"],
            (
                [
                    f"`{case['name']}`",
                    f"{case['parameters']:,}",
                    seconds(entry["first_seconds"]),
                    seconds(entry["median"]) if entry["status"] == "ok" else entry["status"],
                    *(f"{case['memory_gib'][key]:.2f}" for key in ("before", "peak", "growth")),
                ]
                for case in memory
                for entry in case["competitors"]
            ),
        )
        yield ""
    yield from footnotes(result, "Resident memory of a fresh process")


def growth(result: Json) -> Iterator[str]:
    """Yield the lines on the growth of costs."""
    yield from table(
        ["network", "one gradient, ms", "empirical_ntk, in gradients", "hessian_norm, in gradients", "its steps",
         "its products, all samples at once, in gradients"],
        (
            [
                f"`{case['name']}`",
                milliseconds(case["competitors"][0]),
                quotient(case["ratios"]["empirical_ntk_in_gradients"]),
                quotient(case["ratios"]["hessian_norm_in_gradients"]),
                str(case["competitors"][2]["detail"].get("iterations", "")),
                quotient(case["ratios"]["hessian_product_in_gradients"]),
            ]
            for case in result["cases"]
        ),
    )  # fmt: skip
    yield from footnotes(result, "One gradient: of the sum over all inputs and outputs, in all weights, compiled")


def infinite(result: Json) -> Iterator[str]:
    """Yield the lines on infinite-width kernels."""
    names = [entry["name"] for entry in result["cases"][0]["competitors"]]
    yield from table(
        ["network", *names, "ntkbench ÷ neural-tangents", "difference"],
        (
            [
                f"`{case['name']}`",
                *(milliseconds(entry) for entry in case["competitors"]),
                quotient(case["ratios"]["over_neural_tangents"]),
                difference(case),
            ]
            for case in result["cases"]
        ),
    )
    yield from footnotes(result, "Milliseconds")


def overhead(result: Json) -> Iterator[str]:
    """Yield the lines on the overhead of the framework."""
    executors = list(result["cases"][0]["executors"])
    yield from table(
        ["cells", *(f"{name}, ms a cell" for name in executors), "resuming the finished run", "`ntkbench table`"],
        (
            [
                f"`{case['name']}`",
                *(f"{case['executors'][name]['per_cell_ms']:.3g}" for name in executors),
                seconds(case["resume_seconds"]),
                seconds(case["table_seconds"]),
            ]
            for case in result["cases"]
        ),
    )
    yield ""
    yield where_measured(result)


def executors(result: Json) -> Iterator[str]:
    """Yield the lines on executors."""
    names = list(result["cases"][0]["executors"])
    yield from table(
        ["run", "cells", *names, *(f"serial ÷ {name}" for name in names[1:]), "largest difference"],
        (
            [
                f"`{case['name']}`",
                str(case["cells"]),
                *(seconds(case["executors"][name]["seconds"]) for name in names),
                *(quotient(case["ratios"][f"serial_over_{name}"]) for name in names[1:]),
                f"{max(case['executors'][name]['difference'] for name in names):.0e}",
            ]
            for case in result["cases"]
        ),
    )
    yield ""
    yield where_measured(result)


def soak(result: Json) -> Iterator[str]:
    """Yield the lines on faults."""
    kinds = list(result["cases"][0]["faults"])
    yield from table(
        ["run", "cells", "faults", *kinds, "commands", "seconds", "equal to the undisturbed run"],
        (
            [
                f"`{case['name']}`",
                str(case["cells"]),
                str(sum(case["faults"].values())),
                *(str(case["faults"][kind]) for kind in kinds),
                str(case["commands"]),
                f"{case['seconds']:.0f}",
                "yes" if case["equal"] else "no",
            ]
            for case in result["cases"]
        ),
    )
    yield ""
    yield where_measured(result)


def main_job(result: Json) -> Iterator[str]:
    """Yield the lines on the main job, of this version and of the one that took turns with it."""
    times = [f"{run}_{kind}" for run in ("first", "second") for kind in ("seconds", "processor_seconds")]
    yield from table(
        ["command", "version", "first run", "processor time", "second run", "processor time"],
        (
            [f"`{case['name']}`", name, *(seconds(of[time]) for time in times)]
            for case in result["cases"]
            for name, of in case["versions"].items()
        ),
    )
    yield ""
    yield where_measured(result)


def hessian_jobs(result: Json) -> Iterator[str]:
    """Yield the lines on whole jobs of Hessian norms."""
    yield from table(
        ["network", "hessian_norm", "steps", "HVP-Lanczos of one input", "steps", "N × HVP-Lanczos ÷ hessian_norm"],
        (
            [
                f"`{case['name']}`",
                milliseconds(job),
                str(job["detail"]["iterations"]),
                milliseconds(one),
                str(one["detail"]["steps"]),
                quotient(case["ratios"]["lanczos_over_hessian_norm"]),
            ]
            for case in result["cases"]
            for job, one in [case["competitors"]]
        ),
    )
    yield from footnotes(result, "Milliseconds")


SECTIONS: dict[str, Callable[[Json], Iterator[str]]] = {
    "ntk": ntk,
    "hessian": hessian,
    "growth": growth,
    "infinite": infinite,
    "overhead": overhead,
    "executors": executors,
    "soak": soak,
    "main_job": main_job,
    "hessian_jobs": hessian_jobs,
}


def table(header: list[str], rows: Any) -> Iterator[str]:
    """Yield a Markdown table."""
    yield "| " + " | ".join(header) + " |"
    yield "|---" + "|---:" * (len(header) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def footnotes(result: Json, unit: str) -> Iterator[str]:
    """Yield the unit of the numbers, the missing competitors with reasons, and the machine."""
    missing: dict[tuple[str, str], list[str]] = {}
    for case in result["cases"]:
        for entry in case["competitors"]:
            if entry["status"] != "ok":
                reason = f"{entry['status']}: {escape(entry['message'])}"
                missing.setdefault((entry["name"], reason), []).append(f"`{case['name']}`")
    yield ""
    yield f"{unit}; medians of up to {result['rounds']} rounds of turns."
    for (name, reason), cases in missing.items():
        yield f"{name}, {reason} ({', '.join(cases)})."
    yield where_measured(result)


def where_measured(result: Json) -> str:
    """Return a sentence on the machine, the date and the versions."""
    where = result["machine"]
    packages = sorted({f"{k} {v}" for found in result["versions"].values() for k, v in found.items()})
    return (
        f"Measured on {escape(where['cpu'])}, {where['cores']} cores, {where['memory_gib']} GiB, {where['system']}, "
        f"Python {where['python']}, {result['made']}, with {', '.join(packages)}."
    )


def milliseconds(entry: Json, work: float = 1.0) -> str:
    """Return a median in milliseconds, or the status of a competitor without one."""
    return f"{1e3 * entry['median'] / work:.3g}" if entry["median"] is not None else entry["status"]


def seconds(value: float | None) -> str:
    """Format a time in seconds."""
    return "–" if value is None else f"{value:.3g} s"


def quotient(value: float | None) -> str:
    """Format a ratio."""
    return "–" if value is None else f"{value:.3g}"


def difference(case: Json) -> str:
    """Return the largest relative difference between the competitors' values."""
    found = [entry["difference"] for entry in case["competitors"][1:] if entry["difference"] is not None]
    return f"{max(found):.0e}" if found else "–"


def escape(text: str) -> str:
    """Escape text for Markdown."""
    return re.sub(r"([|<>*_`\\\[\]])", r"\\\1", text)


def render(readme: str, folder: Path) -> str:
    """Return the README with the section between each pair of markers rendered from the JSON files in a folder."""
    for name, lines in SECTIONS.items():
        path = folder / f"{name}.json"
        body = f"Not measured yet: `python benchmarks/{name}.py` does."
        if path.is_file():
            body = "\n".join(lines(json.loads(path.read_text(encoding="utf-8"))))
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        head, _, rest = readme.partition(begin)
        _, found, tail = rest.partition(end)
        if not found:
            raise SystemExit(f"README.md has no section between {begin} and {end}.")
        readme = f"{head}{begin}\n{body}\n{end}{tail}"
    return readme


def main() -> None:
    """Render README.md, or check that it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 if README.md is out of date")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of the JSON files")
    parser.add_argument("--readme", type=Path, default=HERE / "README.md", help="file with the markers")
    chosen = parser.parse_args()
    before = chosen.readme.read_text(encoding="utf-8")
    after = render(before, chosen.results)
    if chosen.check:
        sys.exit(f"{chosen.readme.name} is out of date; run readme.py to update it." if after != before else 0)
    chosen.readme.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()

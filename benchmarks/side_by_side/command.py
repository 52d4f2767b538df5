"""Options of the benchmark commands, and their results as one JSON file."""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from .contest import Arena, Entry, Pace
from .environments import default_folder
from .machine import machine
from .process import Limits

RESULTS = Path(__file__).parents[1] / "results"
SCHEMA = 1


def options(description: str) -> argparse.Namespace:
    """Return the options of a benchmark command."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="run tiny cases, as a smoke test")
    parser.add_argument("--case", action="append", metavar="NAME", help="run only cases whose name contains NAME")
    parser.add_argument("--out", type=Path, metavar="FOLDER",
                        help="folder of the JSON results [default: benchmarks/results]")  # fmt: skip
    parser.add_argument("--peers", type=Path, metavar="FOLDER", default=default_folder(),
                        help="folder of the peers' virtual environments [default: %(default)s]")  # fmt: skip
    parser.add_argument("--no-peers", dest="peers", action="store_const", const=None, help="skip the peers")
    parser.add_argument("--rounds", type=int, help="number of turns of every competitor [default: 9; with --quick: 2]")
    parser.add_argument("--budget", type=float, default=60.0, metavar="SECONDS",
                        help="total time per competitor and case after which it takes no more turns "
                        "[default: %(default)g]")  # fmt: skip
    parser.add_argument("--limit", type=float, default=120.0, metavar="SECONDS",
                        help="time limit of one run; slower competitors are stopped "
                        "[default: %(default)g]")  # fmt: skip
    parser.add_argument("--memory-gib", type=float, default=0.7 * psutil.virtual_memory().total / 2**30,
                        help="memory limit of a competitor in GiB [default: %(default).1f]")  # fmt: skip
    chosen = parser.parse_args()
    if chosen.out is None:
        # README.md shows the results of full runs only.
        chosen.out = Path(tempfile.gettempdir()) / "ntkbench-benchmarks-quick" if chosen.quick else RESULTS
    return chosen


def pace(chosen: argparse.Namespace) -> Pace:
    """Return the number of turns and the limits that were requested."""
    rounds = chosen.rounds or (2 if chosen.quick else 9)
    return Pace(rounds, chosen.budget, Limits(chosen.limit, chosen.memory_gib))


def wanted(chosen: argparse.Namespace, cases: list[Any]) -> list[Any]:
    """Return the cases selected by --case."""
    return [case for case in cases if not chosen.case or any(part in case.name for part in chosen.case)]


class Results:
    """The results of one command, written after every case. arena: the competitors' arena, or None without any."""

    def __init__(self, benchmark: str, chosen: argparse.Namespace, arena: Arena | None = None):
        self.path = chosen.out / f"{benchmark}.json"
        self.arena = arena
        self.content: dict[str, Any] = {
            "benchmark": benchmark,
            "schema": SCHEMA,
            "quick": chosen.quick,
            "made": datetime.now(UTC).strftime("%Y-%m-%d"),
            "machine": machine(),
            "cases": [],
        }
        if arena is not None:
            self.content |= {
                "rounds": arena.pace.rounds,
                "budget_seconds": arena.pace.budget,
                "limit_seconds": arena.pace.limits.seconds,
                "limit_gib": round(arena.pace.limits.memory_gib, 1),
            }

    def add(self, case: dict[str, Any], entries: list[Entry], ratios: dict[str, float | None], **more: Any) -> None:
        """Add a case. The values of the other entries are compared with that of the first one."""
        assert self.arena is not None
        reference = entries[0].value
        competitors = [entry.plain(reference) for entry in entries]
        self._write({**case, "competitors": competitors, "ratios": ratios, **more}, dict(self.arena.versions))

    def add_plain(self, case: dict[str, Any]) -> None:
        """Add a case without competitors, for benchmarks of whole runs."""
        packages = ("ntkbench", "tensorflow", "keras", "numpy", "distributed")
        self._write(case, {"runs": {name: metadata.version(name) for name in packages}})

    def _write(self, case: dict[str, Any], versions: dict[str, Any]) -> None:
        self.content["cases"].append(case)
        self.content["versions"] = versions
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(_finite(self.content), indent=1) + "\n", encoding="utf-8")
        temporary.replace(self.path)


def ratio(above: float | None, below: float | None) -> float | None:
    """Return the quotient of two times, or None if one of them is missing."""
    return None if above is None or not below else above / below


def fastest(entries: list[Entry]) -> float | None:
    """Return the smallest median."""
    return min((entry.median for entry in entries if entry.median is not None), default=None)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value

"""Run the command line in a separate process, with its own plugins, and time it from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def environment(folder: Path, plugin: str = "", **more: str) -> dict[str, str]:
    """Return environment variables with which a plugin counts as installed.

    Args:
        folder: Folder for the plugin's metadata and for ntkbench's cache.
        plugin: Name of the plugin, a module next to this file; "" for none.
        **more: Further variables.
    """
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", **more}
    variables["NTKBENCH_CACHE"] = str(folder / "cache")
    variables.pop("PYTHONDONTWRITEBYTECODE", None)  # cache bytecode, as in an installation of ntkbench
    if plugin:
        record = folder / f"{plugin}-1.0.dist-info"
        record.mkdir(parents=True, exist_ok=True)
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {plugin.replace('_', '-')}\nVersion: 1.0\n")
        (record / "entry_points.txt").write_text(f"[ntkbench]\n{plugin} = {plugin}\n")
        variables["PYTHONPATH"] = os.pathsep.join([str(folder), str(HERE), variables.get("PYTHONPATH", "")])
    return variables


def ntkbench(words: list[Any], variables: dict[str, str], expected: int = 0) -> float:
    """Run a command and return its time in seconds.

    Raises:
        RuntimeError: If the exit code is not the expected one.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", "ntkbench", *map(str, words)]
    done = subprocess.run(command, check=False, env=variables, capture_output=True, text=True)
    if done.returncode != expected:
        raise RuntimeError(f"{' '.join(command[2:])} exited with {done.returncode}: {done.stderr[-2000:]}")
    return time.perf_counter() - began


def between_first_and_last(run: Path) -> tuple[int, float]:
    """Return the number of cells of a run, and the seconds between writing the first and the last one."""
    times = [path.stat().st_mtime for path in (run / "cells").glob("*.json")]
    return len(times), max(times) - min(times)

"""Collect the provenance of results: software versions and hardware. It is recorded but not part of a cell's key."""

from __future__ import annotations

import functools
import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

PACKAGES = ("ntkbench", "tensorflow", "keras", "numpy")


def provenance() -> dict[str, Any]:
    """Return versions, platform, processor and threads as a plain mapping, without importing a framework."""
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "platform": platform.platform(),
        **machine(),
        "threads": _threads(),
    }


@functools.cache
def machine() -> Mapping[str, Any]:
    """Return the processor and the number of cores of this machine, but not its host name."""
    return {"cpu": _cpu_model(), "cpu_count": os.cpu_count()}


def _version(package: str) -> str | None:
    loaded = sys.modules.get(package)
    if isinstance(getattr(loaded, "__version__", None), str):
        return loaded.__version__  # type: ignore[union-attr]
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == "model name":
                    return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _threads() -> dict[str, Any]:
    # TensorFlow reports 0 threads for its automatic choice, which is the number of available processors.
    threads: dict[str, Any] = {
        "available": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    }
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None and hasattr(tensorflow, "config"):
        threads["intra_op"] = tensorflow.config.threading.get_intra_op_parallelism_threads()
        threads["inter_op"] = tensorflow.config.threading.get_inter_op_parallelism_threads()
    return threads

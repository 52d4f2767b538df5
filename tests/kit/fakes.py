"""Installed plugins without pip: a module and a .dist-info folder in a folder of sys.path."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from ntkbench.registry import Registry, current

NET = """
from ntkbench import hookimpl

def build(width, *, input_shape, seed):
    import keras
    from ntkbench import layers
    return keras.Sequential([keras.Input(input_shape), layers.Dense(width, activation="tanh", seed=seed),
                             layers.Dense(1, seed=seed + 1)])

@hookimpl
def ntkbench_register_architectures(register):
    register("fine", build, summary="a net")
"""
MEASURE = """
from ntkbench import Quantity, hookimpl

def measure(ctx):
    return {{"{name}": {value}}}

@hookimpl
def ntkbench_register_measurements(register):
    q = Quantity("{name}", "q", bounds=(0, float("inf")), summary="a number")
    register("{name}", measure, quantities=[q], summary="a number")
"""


def install(folder: Path, distribution: str, code: str, *, version: str = "1.0", points: str = "") -> Path:
    """Write a distribution with one module into `folder` and return the module's file. points: entry points."""
    module = distribution.replace("-", "_").replace(".", "_").lower()
    path = folder / f"{module}.py"
    path.write_text(textwrap.dedent(code), encoding="utf-8")
    register(folder, distribution, points or f"{module} = {module}", version=version)
    return path


def register(folder: Path, distribution: str, points: str, *, version: str = "1.0") -> None:
    """Write what pip would write about an installed distribution, without its code."""
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[ntkbench]\n{points}\n")


def hook(*calls: str, kind: str = "architectures") -> str:
    """Return the code of a module whose hook makes these calls of `register`."""
    lines = "\n".join(f"    register({call})" for call in calls)
    return f"from ntkbench import hookimpl\n\n@hookimpl\ndef ntkbench_register_{kind}(register):\n{lines}\n"


def loaded(monkeypatch) -> Registry:
    """Return the process-wide registry, filled anew."""
    monkeypatch.setattr(current, "_registry", None)
    monkeypatch.setattr(current, "_blocked", set())
    return current.registry()


def ntkbench(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, with the plugins of `folder`."""
    root = str(Path(current.__file__).parents[2])
    path = os.pathsep.join([str(folder), root])
    return subprocess.run(
        [sys.executable, "-m", "ntkbench", *words],
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )

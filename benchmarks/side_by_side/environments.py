"""Create virtual environments, with plain pip, for competitors that cannot be installed in ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

PINS = {
    # The last release of an archived project; its import needs tf2jax and JAX 0.4 or older.
    "neural-tangents": (
        "neural-tangents==0.6.5", "jax==0.4.23", "jaxlib==0.4.23", "numpy<2", "scipy<1.12", "tf2jax==0.3.6",
    ),
    "curvlinops": ("torch==2.13.0", "curvlinops-for-pytorch"),
}  # fmt: skip
PROBE = {"neural-tangents": "import neural_tangents", "curvlinops": "import torch, curvlinops"}
INSTALL_SECONDS = 3600


@dataclass(frozen=True)
class Environment:
    """The path of a competitor's Python, or the reason why there is none."""

    python: str | None
    reason: str = ""


def default_folder() -> Path:
    """Return the folder in which environments are cached."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ntkbench-benchmarks"


def environment(name: str, folder: Path | None) -> Environment:
    """Return the environment of a peer, creating it in `folder` if it does not exist. folder: None skips all peers."""
    if folder is None:
        return Environment(None, "left out by --no-peers")
    where = folder / name
    python = where / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp, pins = where / "installed.txt", "\n".join(PINS[name])
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == pins and python.is_file():
        return Environment(str(python))
    print(f"installing {', '.join(PINS[name])}", file=sys.stderr, flush=True)
    try:
        venv.create(where, with_pip=True, clear=True)
        for words in (["-m", "pip", "install", "--quiet", *PINS[name]], ["-c", PROBE[name]]):
            subprocess.run(
                [str(python), *words],
                check=True, capture_output=True, text=True, errors="replace", timeout=INSTALL_SECONDS,
                env=clean(os.environ),
            )  # fmt: skip
    except (subprocess.SubprocessError, OSError) as error:
        return Environment(None, f"could not be installed: {sentence(getattr(error, 'stderr', None) or str(error))}")
    stamp.write_text(pins, encoding="utf-8")
    return Environment(str(python))


def clean(variables: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """Return environment variables without those that would make our packages visible to a peer."""
    return {k: v for k, v in variables.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}


def sentence(text: str) -> str:
    """Return the last informative line of an error, without paths of this machine."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() and "warning" not in line.lower()]
    line = (errors or lines or ["no message"])[-1]
    return re.sub(r"(?:file://)?(?:/[\w.+@~-]+){2,}/?", "…", line)[:300]

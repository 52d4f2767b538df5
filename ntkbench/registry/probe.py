"""Load a plugin in a child process first, so that a plugin that exits, crashes or hangs cannot stop ntkbench."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from .snapshot import Probe
from .sources import ALLOWED, Source

LIMIT_SECONDS = 10.0
# The child gets this process's sys.path: ntkbench may be importable only because the path was changed here.
_CHILD = """
import json, sys
request = json.load(sys.stdin)
sys.path[:] = request["path"]
from ntkbench.registry.child import answer
answer(request)
"""


def probe(source: Source) -> Probe:
    """Load an installed plugin in another process, for at most LIMIT_SECONDS, and return the result.

    The plugin's output is discarded. Its child processes are killed with it on systems with process groups.
    """
    assert source.point is not None
    with tempfile.TemporaryDirectory(prefix="ntkbench-") as folder:
        target = Path(folder, "answer.json")
        request = {
            "path": sys.path,
            "distribution": source.distribution,
            "version": source.version,
            "name": source.name,
            "point": [source.point.name, source.point.value],
            "answer": str(target),
        }
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, ALLOWED: ""},
            start_new_session=True,
        )
        try:
            process.communicate(json.dumps(request).encode(), timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            return Probe(
                f'Its import took longer than {LIMIT_SECONDS:g} s. Write its targets as "module:attribute", so that '
                "importing its module loads and computes nothing heavy."
            )
        finally:
            _end(process)
        try:
            result = json.loads(target.read_bytes())
        except (OSError, ValueError):
            return Probe(f"Its import ended the process {_ending(process.returncode)}. A plugin must not do that.")
        return Probe.from_json(result)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(OSError):
        if process.stdin is not None:
            process.stdin.close()
    process.wait()


def _ending(code: int) -> str:
    if code >= 0:
        return f"with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"by {signal.Signals(-code).name}"
    return f"by signal {-code}"

"""Trying a plugin in a process of its own, so that one that exits, crashes or hangs cannot take ntkbench with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from ..errors import NtkbenchError, RegistrationError
from .collect import collect
from .snapshot import to_json
from .sources import ALLOWED, GROUP, Source

LIMIT_SECONDS = 10.0
# The folder of ntkbench may be on sys.path only because somebody put it there.
_CHILD = """
import json, sys
request = json.load(sys.stdin)
sys.path[:] = request["path"]
from ntkbench.registry.probe import answer
answer(request)
"""


@attrs.frozen
class Probe:
    """What a plugin registered when it was tried, as plain JSON, or the reason why it is left out.

    entries: (kind, `snapshot.to_json`).   hooks: those it implements.   notes: sentences of deprecation.
    """

    reason: str = ""
    entries: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    hooks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def probe(source: Source) -> Probe:
    """Load an installed plugin in another process, for at most LIMIT_SECONDS, and return what came of it.

    What the plugin prints is dropped. Children that it starts end with it (where the system has process groups).
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
            [sys.executable, "-c", _CHILD],
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
                f'It was still being imported after {LIMIT_SECONDS:g} s. Give its targets as "module:attribute", so '
                "that its module imports nothing heavy and computes nothing."
            )
        finally:
            _end(process)
        try:
            told = json.loads(target.read_bytes())
        except (OSError, ValueError):
            return Probe(f"Its import ended the process {_ending(process.returncode)}; a plugin must not do that.")
        return from_json(told)


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


def answer(request: Mapping[str, Any]) -> None:
    """Load the plugin of a request and write what came of it: the other side of `probe`."""
    import importlib.metadata

    from . import manager

    # A plugin that uses the decorators while it is imported reaches this registry, not one that probes plugins.
    manager._registry = aside = manager.Registry()
    name, value = request["point"]
    point = importlib.metadata.EntryPoint(name, value, GROUP)
    source = Source(request["distribution"], request["version"], request["name"], point.load, point)
    try:
        told = tried(source)
        if names := [name for group in aside.everything().values() for name in group]:
            raise RegistrationError(
                f"It registers {', '.join(map(repr, names))} with a decorator. That is for notebooks; a package "
                "registers in its hook."
            )
        text = json.dumps(attrs.asdict(told))
    except BaseException as error:
        text = json.dumps(attrs.asdict(Probe(reason_of(error))))
    temporary = Path(request["answer"] + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, request["answer"])
    # What the plugin left behind, such as threads, is nobody's business any more.
    os._exit(0)


def tried(source: Source) -> Probe:
    """Return what a plugin registers when it is loaded in this process; whatever it raises goes through."""
    found = collect(source.load(), source)
    if not found.entries:
        raise RegistrationError(
            "It registers nothing. Mark a function such as ntkbench_register_architectures(register) with @hookimpl, "
            'and call register("name", target) in it.'
        )
    entries = tuple((kind, to_json(entry)) for kind, entry in found.entries)
    for _, entry in entries:
        try:
            json.dumps(entry)
        except (TypeError, ValueError) as error:
            raise RegistrationError(
                f"{entry['name']!r} is not made of plain values ({error}); use text, numbers, booleans and lists."
            ) from None
    return Probe(entries=entries, hooks=found.hooks, notes=found.notes)


def reason_of(error: BaseException) -> str:
    """Return an error as one line."""
    if isinstance(error, NtkbenchError):
        return str(error)
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:500] if text else type(error).__name__


def from_json(given: Mapping[str, Any]) -> Probe:
    """Return the Probe that was written as JSON."""
    return Probe(
        reason=str(given["reason"]),
        entries=tuple((kind, entry) for kind, entry in given["entries"]),
        hooks=tuple(given["hooks"]),
        notes=tuple(given["notes"]),
    )

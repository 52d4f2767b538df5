"""The other side of a probe: a plugin loaded in a process of its own, and what came of it written down."""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from ..errors import RegistrationError
from .collect import collect
from .current import use
from .manager import Registry
from .snapshot import Probe, entry_to_json, reason_of
from .sources import GROUP, Source


def answer(request: Mapping[str, Any]) -> None:
    """Load the plugin of a request and write what came of it: the other side of `probe`."""
    name, value = request["point"]
    point = importlib.metadata.EntryPoint(name, value, GROUP)
    source = Source(request["distribution"], request["version"], request["name"], point.load, point)
    aside = Registry()
    try:
        # A plugin that uses the decorators while it is imported reaches this registry, not one that probes plugins.
        with use(aside):
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
    entries = tuple((kind, entry_to_json(entry)) for kind, entry in found.entries)
    for _, entry in entries:
        try:
            json.dumps(entry)
        except (TypeError, ValueError) as error:
            raise RegistrationError(
                f"{entry['name']!r} is not made of plain values ({error}); use text, numbers, booleans and lists."
            ) from None
    return Probe(entries=entries, hooks=found.hooks, notes=found.notes)

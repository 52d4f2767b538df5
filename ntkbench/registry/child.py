"""Child process of a probe: load a plugin and write the result to a file."""

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
    """Load the plugin of a request from `probe` and write the result to the file that the request names."""
    name, value = request["point"]
    point = importlib.metadata.EntryPoint(name, value, GROUP)
    source = Source(request["distribution"], request["version"], request["name"], point.load, point)
    aside = Registry()
    try:
        # If the plugin uses the decorators while it is imported, they must register here and not start another probe.
        with use(aside):
            result = load_here(source)
        if names := [name for group in aside.everything().values() for name in group]:
            raise RegistrationError(
                f"It registers {', '.join(map(repr, names))} with a decorator. Decorators are for notebooks; a "
                "package must register in its hook."
            )
        text = json.dumps(attrs.asdict(result))
    except BaseException as error:
        text = json.dumps(attrs.asdict(Probe(reason_of(error))))
    temporary = Path(request["answer"] + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, request["answer"])
    # Exit at once: threads that the plugin left running must not keep this process alive.
    os._exit(0)


def load_here(source: Source) -> Probe:
    """Load a plugin in this process and return what it registers; its exceptions propagate."""
    found = collect(source.load(), source)
    if not found.entries:
        raise RegistrationError(
            "It registers nothing. Mark a function such as ntkbench_register_architectures(register) with @hookimpl "
            'and call register("name", target) in it.'
        )
    entries = tuple((kind, entry_to_json(entry)) for kind, entry in found.entries)
    for _, entry in entries:
        try:
            json.dumps(entry)
        except (TypeError, ValueError) as error:
            raise RegistrationError(
                f"{entry['name']!r} has values that JSON cannot hold ({error}). Use text, numbers, booleans and lists."
            ) from None
    return Probe(entries=entries, hooks=found.hooks, notes=found.notes)

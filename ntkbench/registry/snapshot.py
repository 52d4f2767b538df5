"""Convert registered entries to plain JSON and back, so that listing runs no plugin code."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ..errors import NtkbenchError, message_of
from ..types import CurveSpec, Quantity
from .collect import entry_of
from .specs import Architecture, Entry, Late, Remembered

_OWN = ("name", "target", "distribution", "version")


@attrs.frozen
class Probe:
    """Result of probing a plugin: what it registered, as plain JSON, or why it is left out.

    Attributes:
        reason: Why the plugin is left out; empty otherwise.
        entries: Pairs (kind, entry as written by `entry_to_json`).
        hooks: The hooks that the plugin implements.
        notes: Deprecation notes for its author.
    """

    reason: str = ""
    entries: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    hooks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Probe:
        """Return the Probe from the JSON of its `attrs.asdict`."""
        return cls(
            reason=str(given["reason"]),
            entries=tuple((kind, entry) for kind, entry in given["entries"]),
            hooks=tuple(given["hooks"]),
            notes=tuple(given["notes"]),
        )


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """Return an entry as plain values.

    A callable target becomes None; other fields with a callable target are listed in "late". A function of the
    parameters becomes its values at the defaults and at the rows.
    """
    written = {a.name for a in attrs.fields(type(entry)) if a.init}.difference(_OWN)
    spec = {name: value for name, value in attrs.asdict(entry).items() if name in written}
    late = [name for name in entry.further_targets() if callable(spec[name])]
    spec = {name: value for name, value in spec.items() if name not in late}
    by_params: dict[str, dict[str, Any]] = {}
    if isinstance(entry, Architecture) and entry.by_params:
        for params in ({}, *entry.rows):
            plain, key = attrs.asdict(entry.resolved(params)), Remembered.key(entry.resolve(params))
            for name in entry.by_params:
                by_params.setdefault(name, {})[key] = plain[name]
    target = entry.target if isinstance(entry.target, str) else None
    return {"name": entry.name, "target": target, "spec": spec, "by_params": by_params, "late": late}


def entry_from_json(
    kind: str, given: Mapping[str, Any], distribution: str, version: str, find: Callable[..., Any]
) -> Entry:
    """Return the entry that `entry_to_json` wrote.

    Args:
        kind: Kind of the entry.
        given: The written entry.
        distribution: Distribution of the plugin.
        version: Its version.
        find: Returns a function of the plugin, by kind and name for the target, by kind, name and field for another
            field. It is called on first use.
    """
    name, target, spec = given["name"], given["target"], dict(given["spec"])
    spec["params"] = {key: {k: v for k, v in param.items() if k != "name"} for key, param in spec["params"].items()}
    if "quantities" in spec:
        spec["quantities"] = [Quantity(**{**q, "bounds": tuple(q["bounds"])}) for q in spec["quantities"]]
    if "curves" in spec and kind == "measurements":
        spec["curves"] = [CurveSpec(**{**c, "bounds": tuple(c["bounds"])}) for c in spec["curves"]]
    # Cached, because finding a function loads and registers the whole plugin again.
    if target is None:
        target = Late(functools.cache(lambda: find(kind, name)))
    for field in given["late"]:
        spec[field] = Late(functools.cache(functools.partial(find, kind, name, field)))
    for field, known in given["by_params"].items():
        spec[field] = Remembered(functools.cache(functools.partial(find, kind, name, field)), known)
    return entry_of(kind, name, target, distribution, version, spec)


def reason_of(error: BaseException) -> str:
    """Return an error as one line."""
    if isinstance(error, NtkbenchError):
        return message_of(error)
    text = " ".join(message_of(error).split())
    return f"{type(error).__name__}: {text}"[:500] if text else type(error).__name__

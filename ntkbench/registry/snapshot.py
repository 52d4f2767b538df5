"""Entries as plain JSON and back, so that listing needs no plugin's code."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ..types import Quantity
from .collect import entry_of
from .specs import Entry, Late

_OWN = ("name", "target", "distribution", "version")


def to_json(entry: Entry) -> dict[str, Any]:
    """Return an entry as plain values; a target that is a function becomes None."""
    spec = {name: value for name, value in attrs.asdict(entry).items() if name not in _OWN}
    return {"name": entry.name, "target": entry.target if isinstance(entry.target, str) else None, "spec": spec}


def from_json(
    kind: str, given: Mapping[str, Any], distribution: str, version: str, find: Callable[[str, str], Any]
) -> Entry:
    """Return the entry that `to_json` wrote. find: returns a function target by kind and name, on first use."""
    name, target, spec = given["name"], given["target"], dict(given["spec"])
    spec["params"] = {key: {k: v for k, v in param.items() if k != "name"} for key, param in spec["params"].items()}
    if "quantities" in spec:
        spec["quantities"] = [Quantity(**{**q, "bounds": tuple(q["bounds"])}) for q in spec["quantities"]]
    if target is None:
        target = Late(functools.cache(lambda: find(kind, name)))  # it registers the whole plugin again
    return entry_of(kind, name, target, distribution, version, spec)

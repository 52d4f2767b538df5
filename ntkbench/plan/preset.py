"""Presets: named sizes of a run, read from the TOML files beside this room."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from attrs import field, frozen

from ..errors import UnknownName

# From small to large. An architecture that declares widths for a smaller preset only keeps them in a larger one.
PRESETS = ("quick", "standard", "board", "full")


@frozen
class Preset:
    """The sizes that hold unless the user sets them."""

    name: str
    widths: tuple[int, ...] = field(converter=tuple)
    seeds: int
    measure: tuple[str, ...] = field(converter=tuple)
    settings: Mapping[str, Any]

    def widths_for(self, own: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
        """Return an architecture's `own` widths at this preset or the next smaller one, else the preset's."""
        for name in reversed(PRESETS[: PRESETS.index(self.name) + 1]):
            if name in own:
                return tuple(own[name])
        return self.widths


def preset(name: str) -> Preset:
    """Return the preset of that name; raise UnknownName otherwise."""
    if name not in PRESETS:
        raise UnknownName("preset", name, PRESETS)
    text = resources.files(__package__).joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")
    return Preset(name=name, **tomllib.loads(text))

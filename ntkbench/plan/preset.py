"""Presets: named sizes of a run, read from the TOML files in `presets/`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from attrs import field, frozen

from ..errors import UnknownName

# From small to large. Widths that an architecture declares for a preset also apply to larger presets without their own.
PRESETS = ("quick", "zoo", "standard", "board", "full")


@frozen
class Preset:
    """Default sizes of a run; options that the user sets override them.

    Attributes:
        name: Name of the preset.
        widths: Widths of architectures that declare none of their own.
        seeds: Number of seeds.
        measure: Measurements or quantities of every architecture.
        settings: Fields of `ntkbench.types.Settings`.
        adds_decisive: Whether an architecture's `decided_by` is measured too.
    """

    name: str
    widths: tuple[int, ...] = field(converter=tuple)
    seeds: int
    measure: tuple[str, ...] = field(converter=tuple)
    settings: Mapping[str, Any]
    adds_decisive: bool = False

    def widths_for(self, own: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
        """Return the widths of an architecture at this preset.

        Args:
            own: Widths that the architecture declares, by preset. Those of this preset or of the next smaller one
                take precedence over the widths of the preset.
        """
        for name in reversed(PRESETS[: PRESETS.index(self.name) + 1]):
            if name in own:
                return tuple(own[name])
        return self.widths


def modest_width(own: Mapping[str, tuple[int, ...]]) -> int:
    """Return the smallest width of the preset "quick", at which models are built to be inspected.

    Args:
        own: Widths that the architecture declares, by preset.
    """
    return min(preset("quick").widths_for(own))


def preset(name: str) -> Preset:
    """Return the preset of this name; raise UnknownName when there is none."""
    if name not in PRESETS:
        raise UnknownName("preset", name, PRESETS)
    text = resources.files(__package__).joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")
    return Preset(name=name, **tomllib.loads(text))

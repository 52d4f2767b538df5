"""Convert panels to plain JSON for the manifest of a run, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import asdict

from ..types import Line, Panel


def encode(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Return the panels as the value of "curves" in the manifest."""
    return [
        {
            "title": panel.title,
            "x_label": panel.x_label,
            "y_label": panel.y_label,
            "curves": [asdict(line) for line in panel.lines],
        }
        | ({} if panel.logarithmic else {"logarithmic": False})
        for panel in panels
    ]


def decode(manifest: Mapping[str, Any]) -> tuple[Panel, ...]:
    """Return the panels of a manifest, empty when it has none; raise ValueError when they are not valid."""
    try:
        return tuple(
            Panel(
                title=str(entry["title"]),
                x_label=str(entry["x_label"]),
                y_label=str(entry["y_label"]),
                lines=tuple(map(_line, entry["curves"])),
                logarithmic=bool(entry.get("logarithmic", True)),
            )
            for entry in manifest.get("curves", ())
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its curves are not valid ({type(error).__name__}: {error})") from None


def _line(entry: Mapping[str, Any]) -> Line:
    numbers = {name: _numbers(entry.get(name, ())) for name in ("x", "y", "low", "high")}
    lengths = {name: len(given) for name, given in numbers.items() if given or name in ("x", "y")}
    if len(set(lengths.values())) > 1 or ("low" in lengths) != ("high" in lengths):
        raise ValueError(f"its curves are not valid (lengths {lengths})")
    return Line(str(entry["label"]), **numbers)


def _numbers(given: Sequence[Any]) -> tuple[float, ...]:
    """Return floats; null, which JSON holds for values that are not finite, becomes NaN."""
    return tuple(float("nan") if number is None else float(number) for number in given)

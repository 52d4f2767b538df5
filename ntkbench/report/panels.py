"""Draw panels of lines: the curves that a run measured, and those that a suite stored with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..types import HeatMap, Panel
from .figure import COLOURS, checked, dress, empty_picture, plain_decades, plain_text, write_picture
from .ticks import map_ticks


def panels_figure(panels: Sequence[Panel], path: str | os.PathLike[str], maps: Sequence[HeatMap] = ()) -> None:
    """Draw panels, and heat maps after them, and write them to a file.

    A label has the same colour in all panels.

    Args:
        panels: The panels.
        path: A .png, .svg or .pdf file.
        maps: The heat maps.

    Raises:
        NtkbenchError: If the file has another extension.
    """
    path = checked(path)
    labels = list(dict.fromkeys(line.label for panel in panels for line in panel.lines))
    colours = {label: COLOURS[number % len(COLOURS)] for number, label in enumerate(labels)}
    drawing, axes = empty_picture(len(panels) + len(maps), legend_rows=-(-len(labels) // 4))
    for axis, panel in zip(axes, panels, strict=False):
        _panel(axis, panel, colours)
    for axis, each in zip(axes[len(panels) :], maps, strict=True):
        _heat_map(drawing, axis, each)
    handles = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    drawing.legend(
        [handles[plain_text(label)] for label in labels],
        list(map(plain_text, labels)),
        loc="outside lower center",
        ncols=4,
        fontsize=8,
        frameon=False,
        handlelength=3,
    )
    write_picture(drawing, path)


def _heat_map(drawing: Any, axis: Any, of: HeatMap) -> None:
    image = axis.imshow(of.values, origin="lower", vmin=0, cmap="viridis")
    drawing.colorbar(image, ax=axis).ax.tick_params(labelsize=8)
    dress(axis, of.title, of.axis)
    axis.set_title("\n".join(map(plain_text, (of.title, of.label))), fontsize=10, loc="left")
    axis.grid(False)
    places, labels = zip(*map_ticks(of.at), strict=True)
    axis.set_xticks(places, labels)
    axis.set_yticks(places, labels)
    axis.set_ylabel(plain_text(f"{of.axis}; colour: {of.symbol}"), fontsize=8)


def _panel(axis: Any, panel: Panel, colours: dict[str, str]) -> None:
    for line in panel.lines:
        few = {"marker": "o", "markersize": 4} if len(line.x) <= 12 else {}
        axis.plot(line.x, line.y, color=colours[line.label], linewidth=1.4, label=plain_text(line.label), **few)
        if line.low:
            axis.fill_between(line.x, line.low, line.high, color=colours[line.label], alpha=0.18, linewidth=0)
    if panel.logarithmic:
        axis.set_yscale("log")
        plain_decades(axis)
    axis.set_ylabel(plain_text(panel.y_label), fontsize=8)
    dress(axis, panel.title, panel.x_label)

"""Draw panels of lines: the curves that a run measured, and those that a suite stored with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..types import Panel
from .figure import COLOURS, checked, dress, empty_picture, plain_decades, plain_text, write_picture


def panels_figure(panels: Sequence[Panel], path: str | os.PathLike[str]) -> None:
    """Draw panels and write them to a file.

    A label has the same colour in all panels.

    Args:
        panels: The panels.
        path: A .png, .svg or .pdf file.

    Raises:
        NtkbenchError: If the file has another extension.
    """
    path = checked(path)
    labels = list(dict.fromkeys(line.label for panel in panels for line in panel.lines))
    colours = {label: COLOURS[number % len(COLOURS)] for number, label in enumerate(labels)}
    drawing, axes = empty_picture(len(panels), legend_rows=-(-len(labels) // 4))
    for axis, panel in zip(axes, panels, strict=True):
        _panel(axis, panel, colours)
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

"""Draw the curves that a suite stored with its run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..types import Panel
from .figure import COLOURS, checked, dress, empty_picture, plain_decades, plain_text, write_picture


def curves_figure(panels: Sequence[Panel], path: str | os.PathLike[str]) -> None:
    """Draw panels of curves with logarithmic value axes and write them to a file.

    A label has the same colour in all panels.

    Args:
        panels: The panels.
        path: A .png, .svg or .pdf file.

    Raises:
        NtkbenchError: If the file has another extension.
    """
    path = checked(path)
    labels = list(dict.fromkeys(curve.label for panel in panels for curve in panel.curves))
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
    for curve in panel.curves:
        few = {"marker": "o", "markersize": 4} if len(curve.x) <= 12 else {}
        axis.plot(curve.x, curve.y, color=colours[curve.label], linewidth=1.4, label=plain_text(curve.label), **few)
        if curve.low:
            axis.fill_between(curve.x, curve.low, curve.high, color=colours[curve.label], alpha=0.18, linewidth=0)
    axis.set_yscale("log")
    plain_decades(axis)
    axis.set_ylabel(plain_text(panel.y_label), fontsize=8)
    dress(axis, panel.title, panel.x_label)

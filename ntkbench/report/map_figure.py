"""Draw the map of linearity of a run as a figure."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

from ..analysis.scaling import FLAT
from ..errors import NtkbenchError
from .figure import COLOURS, checked, dress, empty_picture, plain_decades, plain_text, write_picture
from .linearity_map import Place, families_of, frame_of, linearity_map

_HALO = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"}


def map_figure(places: Sequence[Place], path: str | os.PathLike[str], pairs: Iterable[tuple[int, int]] = ()) -> None:
    """Draw the map of linearity and write it to a file.

    Args:
        places: The places of the rows.
        path: A .png, .svg or .pdf file.
        pairs: Pairs of indices into `places` to join by a line, numbered in the legend.

    Raises:
        NtkbenchError: If the file has another extension, or there are no places.
    """
    from matplotlib.lines import Line2D

    path = checked(path)
    if not places:
        raise NtkbenchError(
            "There is nothing to draw: no row has an exponent of kernel_change_worst or kernel_slope. Measure one of "
            "them at two or more widths."
        )
    pairs = list(pairs)
    drawn, frame = linearity_map(places, pairs), frame_of(places)
    assert drawn is not None
    families = families_of(places)
    drawing, (axis,) = empty_picture(1, legend_rows=2 + len(families) // 4 + len(pairs))
    drawing.set_figheight(drawing.get_figheight() + 2.5)
    for number, (i, j) in enumerate(pairs, 1):
        one, other = places[i], places[j]
        axis.plot([one.slope, other.slope], [one.level, other.level], "--", color="0.5", linewidth=1, zorder=1)
        middle = (one.slope + other.slope) / 2, (one.level * other.level) ** 0.5
        axis.annotate(
            str(number), middle, fontsize=8, fontweight="bold", ha="center", va="center", bbox=_HALO, zorder=4
        )
    for point in drawn.points:
        each = point.of
        place, marker = families[each.family]
        colour = COLOURS[place]
        if each.low is not None and each.high is not None:
            axis.plot([each.low, each.high], [each.level] * 2, color=colour, alpha=0.5, linewidth=1.2)
        face = "white" if each.hollow else colour
        axis.plot([each.slope], [each.level], marker, color=colour, markerfacecolor=face, markersize=7)
        if each.stands_in:
            axis.annotate("κ", (each.slope, each.level), xytext=(0, 5), textcoords="offset points", fontsize=7)
        if point.label is not None:
            # Where it covers nothing in the map of the site, which has about the same shape.
            axis.annotate(
                plain_text(each.name),
                (each.slope, each.level),
                xytext=(0.72 * (point.label.x - point.x), -0.72 * (point.label.y - point.y)),
                textcoords="offset points",
                ha={"start": "left", "middle": "center", "end": "right"}[point.label.anchor],
                fontsize=7,
            )
    axis.set_xlim(*frame.x)
    axis.set_yscale("log")
    axis.set_ylim(*map(math.exp, frame.y))
    plain_decades(axis)
    _bands(axis, *frame.x)
    axis.set_ylabel("median over seeds at the largest width", fontsize=8)
    dress(axis, "", "exponent in width")
    axis.set_title("map of linearity: change of the kernel", fontsize=10, loc="left", pad=18)
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=COLOURS[place], label=plain_text(name))
        for name, (place, marker) in families.items()
    ]
    if any(each.hollow for each in places):
        handles.append(Line2D([], [], linestyle="", marker="o", color="black", markerfacecolor="white", label="kinks"))
    handles += [
        Line2D([], [], linestyle="--", color="0.5", label=plain_text(f"{n}: {places[i].name} – {places[j].name}"))
        for n, (i, j) in enumerate(pairs, 1)
    ]
    remarks = ["bars: 95 % intervals"] + ["κ: of kernel_slope"] * any(each.stands_in for each in places)
    drawing.legend(
        handles=handles,
        loc="outside lower center",
        ncols=4,
        fontsize=8,
        frameon=False,
        title="; ".join(remarks),
        title_fontsize=8,
    )
    write_picture(drawing, path)


def _bands(axis: Any, low: float, high: float) -> None:
    """Shade and name the exponents that fall, stay and grow."""
    for left, right, colour, alpha, name in (
        (low, -FLAT, COLOURS[2], 0.07, f"falls: below -{FLAT:g}"),
        (-FLAT, FLAT, COLOURS[1], 0.06, f"stays: ±{FLAT:g}"),
        (FLAT, high, COLOURS[1], 0.12, "grows"),
    ):
        axis.axvspan(left, right, color=colour, alpha=alpha, linewidth=0, zorder=0)
        middle, where = (left + right) / 2, axis.get_xaxis_transform()
        axis.text(middle, 1.01, name, transform=where, fontsize=8, ha="center", va="bottom")

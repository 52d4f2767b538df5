"""Draw the map of linearity of a run as a figure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from ..analysis.scaling import FLAT
from ..errors import NtkbenchError
from .figure import COLOURS, checked, dress, empty_picture, plain_decades, plain_text, write_picture
from .linearity_map import Place, families_of


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
    pairs, families = list(pairs), families_of(places)
    drawing, (axis,) = empty_picture(1, legend_rows=2 + len(families) // 4 + len(pairs))
    drawing.set_figheight(drawing.get_figheight() + 2.5)
    for number, (i, j) in enumerate(pairs, 1):
        one, other = places[i], places[j]
        axis.plot([one.slope, other.slope], [one.level, other.level], "--", color="0.5", linewidth=1, zorder=1)
        middle = (one.slope + other.slope) / 2, (one.level * other.level) ** 0.5
        axis.annotate(str(number), middle, fontsize=8, fontweight="bold", ha="center", va="center")
    for each in places:
        place, marker = families[each.family]
        colour = COLOURS[place]
        if each.low is not None and each.high is not None:
            axis.plot([each.low, each.high], [each.level] * 2, color=colour, alpha=0.5, linewidth=1.2)
        face = "white" if each.hollow else colour
        axis.plot([each.slope], [each.level], marker, color=colour, markerfacecolor=face, markersize=7)
        name = plain_text(each.name + (" κ" if each.stands_in else ""))
        axis.annotate(name, (each.slope, each.level), xytext=(6, 3), textcoords="offset points", fontsize=7)
    _bands(axis, places)
    axis.set_yscale("log")
    plain_decades(axis)
    axis.set_ylabel("median over seeds at the largest width", fontsize=8)
    dress(axis, "map of linearity: change of the kernel", "exponent in width")
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


def _bands(axis: Any, places: Sequence[Place]) -> None:
    """Set the range of exponents; shade and name those that fall, stay and grow."""
    low = min(-0.6, *(each.slope - 0.08 for each in places))
    high = max(0.3, *(each.slope + 0.2 for each in places))
    axis.set_xlim(low, high)
    for left, right, colour, alpha, name in (
        (low, -FLAT, COLOURS[2], 0.07, f"falls: below -{FLAT:g}"),
        (-FLAT, FLAT, COLOURS[1], 0.06, f"stays: ±{FLAT:g}"),
        (FLAT, high, COLOURS[1], 0.12, "grows"),
    ):
        axis.axvspan(left, right, color=colour, alpha=alpha, linewidth=0, zorder=0)
        axis.text(
            (left + right) / 2, 0.98, name, transform=axis.get_xaxis_transform(), fontsize=8, ha="center", va="top"
        )

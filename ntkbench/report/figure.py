"""Draw the figure of a run: quantities against width on logarithmic axes."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any, Literal

from ..analysis.laws import Law, law, result_keys, series
from ..atomic import write_atomically
from ..errors import NtkbenchError
from ..store.manifest import catalogue, theory
from ..types import CellResult, Quantity
from . import escape
from .choice import chosen, curves_in, nonlinear_in_theory
from .ticks import labelled

FORMATS = (".png", ".svg", ".pdf")
_NO_DATE: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}

# The palette of Okabe and Ito, which is safe for colour-blind readers; without yellow, which is invisible on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_WIDTH_INCHES = 9.0
_DPI = 100

Style = tuple[str, str, Literal["-", "--"]]
"""Colour, marker and line style."""


def figure(
    results: Iterable[CellResult],
    path: str | os.PathLike[str],
    manifest: Mapping[str, Any] | None = None,
    quantities: Sequence[str] = (),
) -> None:
    """Draw one log-log panel for each quantity and write the figure to a file.

    Each line is the median over seeds of one architecture, and small points are its seeds. Lines are dashed for
    architectures that stay non-linear according to theory. A mark at the right edge is the limit of infinite width. The
    dotted line has the most common negative slope among theory's claims. Quantities that are 0 or negative cannot be
    drawn on logarithmic axes; their architectures are listed under the panel.

    Args:
        results: Results of a run.
        path: A .png, .svg or .pdf file.
        manifest: Manifest of the run, for theory and the declared quantities.
        quantities: Names or result keys to draw; see `chosen` for the default.

    Raises:
        NtkbenchError: If the file has another extension, a quantity is unknown, or there is nothing to draw.
    """
    path = checked(path)
    write_atomically(path, figure_bytes(results, path.suffix.lower()[1:], manifest, quantities))


def figure_bytes(
    results: Iterable[CellResult],
    format: str,
    manifest: Mapping[str, Any] | None = None,
    quantities: Sequence[str] = (),
) -> bytes:
    """Return the figure that `figure` writes. format: "png", "svg" or "pdf"."""
    results, manifest = list(results), manifest or {}
    curves = curves_in(results)
    shown = chosen(result_keys(results, catalogue(manifest)), quantities, curves)
    claims = theory(manifest)
    panels = [
        (quantity, [law(each, key, quantity, claims) for each in series(results)]) for key, quantity in shown.items()
    ]
    if not any(_drawable(each) for _, laws in panels for each in laws):
        raise NtkbenchError(
            "There is nothing to draw: no quantity has positive values at two or more widths."
            + (" Use `ntkbench plot RUN --curves` to draw the curves." if curves else "")
        )
    return _encoded(_draw(panels, nonlinear_in_theory(result_keys(results, catalogue(manifest)), claims)), format)


def checked(path: str | os.PathLike[str]) -> Path:
    """Return the path of a figure; raise NtkbenchError for an unsupported file extension."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise NtkbenchError(
            f"Unsupported file extension {path.suffix!r} of {path}. Use .png, .svg or .pdf."
            if path.suffix
            else f"{path} has no file extension. Use .png, .svg or .pdf."
        )
    return path


def empty_picture(panels: int, legend_rows: int) -> tuple[Any, list[Any]]:
    """Return a matplotlib Figure with space for a legend at the bottom, and the axes of its panels, two in a row."""
    # The object-oriented interface: no display, no global state, no change of the caller's backend.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 1 if panels == 1 else 2
    lines = -(-panels // columns)
    height = 3.0 * lines + 0.24 * legend_rows + 0.6
    drawing = Figure(figsize=(_WIDTH_INCHES, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(drawing)
    axes = list(drawing.subplots(lines, columns, squeeze=False).flat)
    for axis in axes[panels:]:
        axis.remove()
    return drawing, axes[:panels]


def write_picture(drawing: Any, path: Path) -> None:
    """Write a matplotlib Figure to a path returned by `checked`. Equal figures give equal bytes."""
    write_atomically(path, _encoded(drawing, path.suffix.lower()[1:]))


def _encoded(drawing: Any, format: str) -> bytes:
    from matplotlib import rc_context

    buffer = BytesIO()
    # Reproducible files: no date, and SVG element ids that are hashed from their contents.
    with rc_context({"svg.hashsalt": "ntkbench"}):
        drawing.savefig(buffer, format=format, metadata=_NO_DATE.get(format))
    return buffer.getvalue()


def _draw(panels: Sequence[tuple[Quantity, Sequence[Law]]], non_linear: Collection[str]) -> Any:
    drawn = {_name(each): each.series.label for _, laws in panels for each in laws if _drawable(each) or _limit(each)}
    styles: dict[str, Style] = {
        name: (COLOURS[i % 7], _MARKERS[i // 7 % 7], "--" if label in non_linear else "-")
        for i, (name, label) in enumerate(drawn.items())
    }
    drawing, axes = empty_picture(len(panels), legend_rows=-(-len(styles) // 4))
    for axis, (quantity, laws) in zip(axes, panels, strict=True):
        _panel(axis, quantity, laws, styles)
    _legend(drawing, styles, marks=any(_limit(each) for _, laws in panels for each in laws))
    return drawing


def _panel(axis: Any, quantity: Quantity, laws: Sequence[Law], styles: Mapping[str, Style]) -> None:
    from matplotlib.ticker import NullLocator

    drawn = [each for each in laws if _drawable(each)]
    for each in drawn:
        colour, marker, style = styles[_name(each)]
        points = [(width, value) for width, _, value in each.points if value is not None and value > 0]
        widths = sorted({width for width, _ in points})
        medians = [median(value for other, value in points if other == width) for width in widths]
        axis.plot(widths, medians, style, color=colour, marker=marker, markersize=4, linewidth=1.4)
        axis.scatter(*zip(*points, strict=True), color=colour, s=7, alpha=0.4, linewidths=0)
    for each in laws:
        if limit := _limit(each):
            colour, *_ = styles[_name(each)]
            axis.plot([0.95, 1], [limit, limit], color=colour, linewidth=2, transform=axis.get_yaxis_transform())
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    widths = sorted({width for each in drawn for width, *_ in each.points})
    if widths:
        shown = labelled(widths)
        axis.set_xticks(shown, [str(width) for width in shown])
        axis.xaxis.set_minor_locator(NullLocator())
        plain_decades(axis)
        _guide(axis, quantity, drawn, widths)
    reduction = "" if quantity.reduction in ("", "value") else f", {quantity.reduction}"
    left_out = [_name(each) for each in laws if each.points and not (_drawable(each) or _limit(each))]
    below = f"width   (not drawn: {', '.join(left_out[:3])})" if left_out else "width"
    dress(axis, f"{quantity.name}{reduction}", below)


def plain_decades(axis: Any) -> None:
    """Set the ticks of a logarithmic value axis: 1, 2 and 5, or powers of ten only, written as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if _decades(axis) < 2 else (1,)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())


def dress(axis: Any, title: str, x_label: str) -> None:
    """Set the title, the x label and the grid of a panel."""
    axis.set_title(plain_text(title), fontsize=10, loc="left")
    axis.set_xlabel(plain_text(x_label), fontsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(True, color="0.92", linewidth=0.7)
    axis.spines[["top", "right"]].set_visible(False)


def _guide(axis: Any, quantity: Quantity, drawn: Sequence[Law], widths: Sequence[int]) -> None:
    """Draw a guide with the most common negative slope among theory's claims, below the lines."""
    slopes = [each.theory.exponent for each in drawn if each.theory is not None and each.theory.exponent < 0]
    if not slopes or len(widths) < 2:
        return
    slope = max(set(slopes), key=slopes.count)
    low, high = axis.get_ylim()
    first, last = widths[0], widths[-1]
    axis.plot([first, last], [low * (first / last) ** slope, low], ":", color="0.45", linewidth=1.5)
    axis.annotate(
        f"slope {slope:g}", (last, low), xytext=(-24, 0), textcoords="offset points", ha="right", va="center",
        fontsize=8, color="0.35",
    )  # fmt: skip
    axis.set_ylim(low * (low / high) ** 0.06, max(high, low * (first / last) ** slope))


def _legend(drawing: Any, styles: Mapping[str, Style], marks: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle=line, color=colour, marker=marker, markersize=4, linewidth=1.4, label=plain_text(name))
        for name, (colour, marker, line) in styles.items()
    ]
    broken = any(style == "--" for *_, style in styles.values())
    remarks = ["dashed lines: non-linear according to theory"] * broken + ["marks at the right: infinite width"] * marks
    drawing.legend(
        handles=handles,
        loc="outside lower center",
        ncols=4,
        fontsize=8,
        frameon=False,
        handlelength=3,
        title="; ".join(remarks) or None,
        title_fontsize=8,
    )


def _decades(axis: Any) -> float:
    low, high = axis.get_ylim()
    return math.log10(high / low)


def _drawable(of: Law) -> bool:
    return len({width for width, _, value in of.points if value is not None and value > 0}) > 1 and not of.fit.is_zero


def _limit(of: Law) -> float | None:
    """Return the value at infinite width if it can be drawn on a logarithmic axis."""
    return of.limit if of.limit is not None and of.limit > 0 else None


def _name(of: Law) -> str:
    return of.series.name


def plain_text(text: str) -> str:
    """Escape text for matplotlib, where a dollar sign would start a formula."""
    return escape.visible(text).replace("$", r"\$")

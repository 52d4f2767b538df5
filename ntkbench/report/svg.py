"""Compute small plots for inline SVG: coordinates only. Colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import median

from attrs import frozen

from .. import numbers
from ..analysis.laws import Law
from ..types import HeatMap, Line, Panel
from .ticks import labelled, log_numbers, map_ticks, round_numbers


@frozen
class Mark:
    """A point: its coordinates in the drawing, and its tooltip."""

    x: float
    y: float
    tooltip: str


@frozen
class Dots:
    """The points of all seeds at one width. path: an SVG path of dots for round line caps. tooltip: as in `Mark`."""

    path: str
    tooltip: str


@frozen
class Polyline:
    """A polyline.

    Attributes:
        points: Coordinates as "x,y x,y …".
        label: Tooltip.
        place: Index of its colour.
        broken: Whether the line is dashed.
        end: Mark at its last point.
        name: Name in the legend.
        band: Coordinates of a polygon around the line.
    """

    points: str
    label: str
    place: int = 0
    broken: bool = False
    end: Mark | None = None
    name: str = ""
    band: str = ""


@frozen
class Level:
    """The value at infinite width, which has no place on the axis: a horizontal mark.

    Attributes:
        x: Left and right end of the mark.
        y: Its height.
        label: Tooltip.
        place: Index of its colour.
    """

    x: tuple[float, float]
    y: float
    label: str
    place: int = 0


@frozen
class Plot:
    """A drawing of width × height and its parts. alt: a description in words."""

    width: int
    height: int
    title: str
    alt: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    lines: tuple[Polyline, ...] = ()
    marks: tuple[Dots, ...] = ()
    levels: tuple[Level, ...] = ()
    band: str = ""
    fit: str = ""
    theory: str = ""


@frozen
class Square:
    """A square of a heat map: its corner, and its share of the largest value, as an opacity from 0 to 1."""

    x: float
    y: float
    share: float
    tooltip: str


@frozen
class HeatPlot:
    """A drawing of a heat map with squares of one side. The other attributes are those of `Plot`."""

    width: int
    height: int
    title: str
    subtitle: str
    alt: str
    side: float
    squares: tuple[Square, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


RIGHT = 10
"""Margin at the right of a drawing."""


@frozen
class Frame:
    """Map (x, y) to coordinates of the drawing. Both axes are logarithmic, or linear if `linear_x` or `linear_y` is.

    Attributes:
        width: Width of the drawing.
        height: Height of the drawing.
        left: Margin at the left.
        x: Ends of the x axis, as logarithms unless it is linear.
        y: Ends of the y axis, as logarithms unless it is linear.
        linear_x: Whether the x axis is linear.
        linear_y: Whether the y axis is linear.
        top: Margin at the top.
        bottom_margin: Margin at the bottom.
    """

    width: int
    height: int
    left: int
    x: tuple[float, float]
    y: tuple[float, float]
    linear_x: bool = False
    linear_y: bool = False
    top: int = 8
    bottom_margin: int = 24

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the coordinates of a point, to a tenth."""
        across = ((x if self.linear_x else math.log(x)) - self.x[0]) / (self.x[1] - self.x[0])
        up = ((y if self.linear_y else math.log(y)) - self.y[0]) / (self.y[1] - self.y[0])
        return (
            round(self.left + across * (self.width - self.left - RIGHT), 1),
            round(self.top + (1 - up) * (self.height - self.top - self.bottom_margin), 1),
        )

    def level(self, of: Law, across: float, place: int = 0) -> tuple[Level, ...]:
        """Return the mark of a law's value at infinite width, over a share of the axis at its right end; () for none.

        The value must be positive.
        """
        if not of.limit or of.limit <= 0:
            return ()
        right = self.width - RIGHT
        left = right - across * (right - self.left)
        name = of.series.name
        y = self.at(self.start, of.limit)[1]
        return (Level((round(left, 1), right), y, f"{name} at infinite width: {numbers.value(of.limit)}", place),)

    @property
    def bottom(self) -> float:
        """The smallest value of the y axis."""
        return self.y[0] if self.linear_y else math.exp(self.y[0])

    @property
    def start(self) -> float:
        """The smallest value of the x axis."""
        return self.x[0] if self.linear_x else math.exp(self.x[0])

    def path(self, points: Iterable[tuple[float, float]]) -> str:
        """Return the coordinates of points as "x,y x,y …"."""
        return " ".join("{:g},{:g}".format(*self.at(x, y)) for x, y in points)


def law_plot(of: Law, width: int = 240, height: int = 170) -> Plot | None:
    """Draw one law: the values of all seeds, the fitted line with its band, and a line with theory's slope.

    All lines pass through the centre of the points; the band is spanned by the ends of the slope's interval. The value
    at infinite width is a horizontal line. None with fewer than two widths of positive values.
    """
    points = [(x, seed, y) for x, seed, y in of.positive if x > 0]
    frame = _frame([(x, y) for x, _, y in points], width, height, _positive_limits([of]))
    if frame is None or of.fit.is_zero:
        return None
    marks = tuple(_dots(frame, at, [y for x, _, y in points if x == at]) for at in sorted({x for x, *_ in points}))
    fit = of.fit
    used = [(x, y) for x, _, y in points if fit.from_width is None or x >= fit.from_width]
    middle = [math.fsum(math.log(each[i]) for each in used) / len(used) for i in (0, 1)]
    ends = sorted({x for x, _ in used})
    ends = [ends[0], ends[-1]]

    def line(slope: float) -> list[tuple[float, float]]:
        return [(x, math.exp(middle[1] + slope * (math.log(x) - middle[0]))) for x in ends]

    band = ""
    if fit.low is not None and fit.high is not None:
        centre = (math.exp(middle[0]), math.exp(middle[1]))
        low, high = line(fit.low), line(fit.high)
        band = frame.path([low[0], centre, low[1], high[1], centre, high[0]])
    exponent = numbers.exponent(fit.slope, None if fit.low is None or fit.high is None else (fit.high - fit.low) / 2)
    claim = "" if of.theory is None else f", theory {numbers.theory_claim(of.theory)}"
    return Plot(
        width=width,
        height=height,
        title=of.key,
        alt=f"{of.series.label}: {of.key} against width, exponent {exponent}{claim}, {len(points)} values",
        x_ticks=_x_ticks(frame, sorted({x for x, *_ in points})),
        y_ticks=_y_ticks(frame),
        marks=marks,
        levels=frame.level(of, 1.0),
        band=band,
        fit="" if fit.slope is None else frame.path(line(fit.slope)),
        theory="" if of.theory is None else frame.path(line(of.theory.exponent)),
    )


def overview_plot(
    laws: Sequence[Law], non_linear: Collection[str] = (), width: int = 460, height: int = 300
) -> Plot | None:
    """Draw one quantity of all architectures: medians over seeds, dashed for the labels in `non_linear`.

    Values at infinite width are short marks at the right end.
    """
    found = []
    for place, of in enumerate(laws):
        by_width: dict[int, list[float]] = {}
        for x, _, y in of.positive:
            by_width.setdefault(x, []).append(y)
        if len(by_width) > 1 and not of.fit.is_zero:
            found.append((place, of, [(x, median(ys)) for x, ys in sorted(by_width.items())]))
    frame = _frame([point for *_, points in found for point in points], width, height, _positive_limits(laws))
    if frame is None:
        return None
    lines = tuple(
        Polyline(
            points=frame.path(points),
            label=f"{of.series.name}: {numbers.value(points[0][1])} → {numbers.value(points[-1][1])}",
            place=place % 7,
            broken=of.series.label in non_linear,
            end=Mark(*frame.at(*points[-1]), of.series.label),
        )
        for place, of, points in found
    )
    return Plot(
        width=width,
        height=height,
        title=found[0][1].key,
        alt=f"{found[0][1].key} of {len(found)} architectures against width, logarithmic axes",
        x_ticks=_x_ticks(frame, sorted({x for *_, points in found for x, _ in points})),
        y_ticks=_y_ticks(frame),
        lines=lines,
        levels=tuple(level for place, of in enumerate(laws) for level in frame.level(of, 0.06, place % 7)),
    )


def panel_plot(panel: Panel, places: Mapping[str, int], width: int = 460, height: int = 300) -> Plot | None:
    """Draw the lines of a panel. places: index of the colour by label. None with fewer than two points."""

    def drawable(y: float) -> bool:
        return math.isfinite(y) and (y > 0 or not panel.logarithmic)

    kept = [
        (line, [i for i, y in enumerate(line.y) if drawable(y) and math.isfinite(line.x[i])]) for line in panel.lines
    ]
    kept = [(line, used) for line, used in kept if len(used) > 1]
    ys = [y for line, used in kept for i in used for y in (line.y[i], *_band_at(line, i)) if drawable(y)]
    xs = [line.x[i] for line, used in kept for i in used]
    if len(set(xs)) < 2:
        return None
    low, high = map(math.log if panel.logarithmic else float, (min(ys), max(ys)))
    margin = max(0.06 * (high - low), 0.15 if panel.logarithmic else 1e-3 * max(abs(low), abs(high), 1e-300))
    frame = Frame(
        width,
        height,
        46,
        (min(xs), max(xs)),
        (low - margin, high + margin),
        linear_x=True,
        linear_y=not panel.logarithmic,
    )
    lines = []
    for line, used in kept:
        points = [(line.x[i], line.y[i]) for i in used]
        around = [(line.x[i], _band_at(line, i)) for i in used if line.low and all(map(drawable, _band_at(line, i)))]
        lines.append(
            Polyline(
                points=frame.path(points),
                label=f"{line.label}: {numbers.value(points[0][1])} → {numbers.value(points[-1][1])}",
                place=places[line.label],
                end=Mark(*frame.at(*points[-1]), line.label),
                name=line.label,
                band=frame.path([(x, b[0]) for x, b in around] + [(x, b[1]) for x, b in reversed(around)]),
            )
        )
    scale = "logarithmic values" if panel.logarithmic else "linear axes"
    return Plot(
        width=width,
        height=height,
        title=panel.title,
        alt=f"{panel.y_label} against {panel.x_label}, {scale}: {', '.join(line.label for line in lines)}",
        x_ticks=tuple((frame.at(x, frame.bottom)[0], f"{x:g}") for x in round_numbers(*frame.x)),
        y_ticks=_y_ticks(frame),
        lines=tuple(lines),
    )


def _band_at(line: Line, i: int) -> tuple[float, ...]:
    return (line.low[i], line.high[i]) if line.low else ()


def _dots(frame: Frame, width: int, values: Sequence[float]) -> Dots:
    # One element for all seeds: separate marks would take half of the page's size.
    places = (frame.at(width, value) for value in values)
    return Dots("".join(f"M{x} {y}h.01" for x, y in places), f"width {width}: {', '.join(map(numbers.value, values))}")


def _positive_limits(laws: Iterable[Law]) -> list[float]:
    return [of.limit for of in laws if of.limit is not None and of.limit > 0]


def _frame(
    points: Sequence[tuple[float, float]], width: int, height: int, levels: Sequence[float] = ()
) -> Frame | None:
    if len({x for x, _ in points}) < 2:
        return None
    xs, ys = ([math.log(each[i]) for each in points] for i in (0, 1))
    ys += map(math.log, levels)
    margin = max(0.06 * (max(ys) - min(ys)), 0.15)
    return Frame(width, height, 46, (min(xs) - 0.1, max(xs) + 0.1), (min(ys) - margin, max(ys) + margin))


def _x_ticks(frame: Frame, widths: Sequence[int]) -> tuple[tuple[float, str], ...]:
    shown = labelled(widths)
    step = -(-len(shown) // 8)
    return tuple((frame.at(x, frame.bottom)[0], str(x)) for x in shown[::step])


def _y_ticks(frame: Frame) -> tuple[tuple[float, str], ...]:
    return tuple((frame.at(frame.start, y)[1], f"{y:g}") for y in y_values(frame))


def y_values(frame: Frame, few: float = 1.6) -> list[float]:
    """Return the values to label on the y axis. few: decades of a logarithmic axis from which powers of ten do."""
    low, high = frame.y
    return round_numbers(low, high) if frame.linear_y else log_numbers(low / math.log(10), high / math.log(10), few)


def heat_map_plot(of: HeatMap, width: int = 460, height: int = 300) -> HeatPlot:
    """Draw a heat map, at the left of the drawing; its first row is at the bottom."""
    left, top, bottom, n = 46, 8, 24, len(of.at)
    side = (height - top - bottom) / n
    largest = max(max(row) for row in of.values) or 1.0
    squares = [
        Square(
            round(left + column * side, 2),
            round(top + (n - 1 - row) * side, 2),
            round(max(value, 0.0) / largest, 3),
            f"{of.at[row]:.3g} and {of.at[column]:.3g}: {numbers.value(value)}",
        )
        for row, values in enumerate(of.values)
        for column, value in enumerate(values)
    ]
    ticks = [((place + 0.5) * side, label) for place, label in map_ticks(of.at)]
    return HeatPlot(
        width=width,
        height=height,
        title=of.title,
        subtitle=f"{of.label}; {of.symbol} by {of.axis}, darkest: {numbers.value(largest)}",
        alt=f"{of.title}, {of.label}: heat map of {n} by {n} values from 0 to {numbers.value(largest)}",
        side=round(side + 0.05, 2),
        squares=tuple(squares),
        x_ticks=tuple((round(left + place, 1), label) for place, label in ticks),
        y_ticks=tuple((round(height - bottom - place, 1), label) for place, label in ticks),
    )

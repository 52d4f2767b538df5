"""Compute the map of linearity: how fast each network becomes linear with width, and how linear it is when wide.

x is the exponent of kernel_change_worst, y its value at the largest width. The map is drawn by hand, as inline SVG,
like the other plots of a page. Vega-Lite (0.8 MB) and Plotly (1.2 to 4.8 MB) would mostly fit into a page, but with
them a page without scripts has no map, its points are no links that a keyboard reaches, its colours do not follow the
page, and Vega-Lite needs a content security policy that allows eval. The map takes 0.1 MB for 100 rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from .. import numbers
from ..analysis.scaling import FLAT
from ..analysis.verdicts import SLOPE, Verdict
from .svg import RIGHT, Frame, y_values
from .verdict_words import exponent, name_of, shown_law

COLOURS = 7
"""Number of colours of the style sheet."""
SHAPES: Mapping[str, str] = {
    "o": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "s": "M-4.5-4.5h9v9h-9z",
    "^": "M0-6l5.5 10h-11z",
    "D": "M0-6.5l6 6.5l-6 6.5l-6-6.5z",
    "v": "M0 6l5.5-10h-11z",
    "P": "M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
    "p": "M0-6l5.7 4.1l-2.2 6.8h-7l-2.2-6.8z",
    "X": "M0-2.8l3.2-3.2l2.8 2.8l-3.2 3.2l3.2 3.2l-2.8 2.8l-3.2-3.2l-3.2 3.2l-2.8-2.8l3.2-3.2l-3.2-3.2l2.8-2.8z",
    "*": "M0-7l1.6 4.8h5l-4 3l1.5 4.8l-4.1-3l-4.1 3l1.5-4.8l-4-3h5z",
}
"""SVG paths around (0, 0), by the name of the same marker in matplotlib."""
_LETTER, _LINE = 5.6, 11
"""Width of a letter and height of a line of text, in units of the drawing."""
_TOP, _BOTTOM, _LEFT = 34, 40, 46


@frozen
class Place:
    """The place of a row on the map.

    Attributes:
        name: Name of the row.
        family: Family of the architecture.
        verdict: Name of the verdict.
        exponent: The exponent and its interval in words.
        slope: The exponent.
        low: Lower end of its interval, or None.
        high: Upper end of its interval, or None.
        level: Median over seeds at the largest width, positive.
        width: The largest width.
        hollow: Whether the network has kinks.
        stands_in: Whether the quantity is kernel_slope, because no kernel change was measured.
        href: Address of the row's page, "" for none.
    """

    name: str
    family: str
    verdict: str
    exponent: str
    slope: float
    low: float | None
    high: float | None
    level: float
    width: int
    hollow: bool = False
    stands_in: bool = False
    href: str = ""

    @property
    def words(self) -> str:
        """The place in words."""
        notes = ["kinks"] * self.hollow + ["measured by kernel_slope"] * self.stands_in
        level = f"{numbers.value(self.level)} at width {self.width}"
        return ", ".join([f"{self.name}: {self.verdict}", f"exponent {self.exponent}", level, self.family, *notes])


@frozen
class Label:
    """A text in the drawing. anchor: "start", "middle" or "end"."""

    x: float
    y: float
    text: str
    anchor: str = "middle"


@frozen
class Point:
    """A drawn point.

    Attributes:
        of: The place.
        x: Abscissa.
        y: Ordinate.
        left: Left end of the bar of the interval; equal to `right` for none.
        right: Its right end.
        colour: Index of the colour.
        shape: SVG path of the shape.
        label: Its name, where there is room for it; otherwise None.
    """

    of: Place
    x: float
    y: float
    left: float
    right: float
    colour: int
    shape: str
    label: Label | None = None


@frozen
class Joint:
    """A line between two points, with the number that the list of pairs explains."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: Label
    names: tuple[str, str]


@frozen
class Band:
    """A range of exponents, from `x` over `width` units of the drawing, and its label."""

    x: float
    width: float
    name: str
    label: Label


@frozen
class LinearityMap:
    """A drawing of the map.

    Attributes:
        width: Width of the drawing.
        height: Height of the drawing.
        alt: A description in words.
        x_ticks: Abscissas with their labels.
        y_ticks: Ordinates with their labels.
        bands: Ranges of exponents.
        points: The points, by increasing exponent.
        joints: Lines between points.
        families: Colour and shape of each family, by name.
        top: Smallest ordinate of the frame.
        bottom: Largest ordinate of the frame.
    """

    width: int
    height: int
    alt: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    bands: tuple[Band, ...]
    points: tuple[Point, ...]
    joints: tuple[Joint, ...]
    families: Mapping[str, tuple[int, str]]
    top: int = _TOP
    bottom: int = 0


def place_of(of: Verdict, family: str, name: str = "", href: str = "") -> Place | None:
    """Return the place of a row on the map, or None if it has no exponent or no positive value at the largest width.

    Args:
        of: The verdict on the row.
        family: Family of the architecture.
        name: Name of the row; default: the label and the condition.
        href: Address of the row's page.
    """
    law = shown_law(of)
    if law is None or law.fit.slope is None or not law.fit.last_value or law.fit.last_value <= 0:
        return None
    fit = law.fit
    return Place(
        name=name or name_of(of),
        family=family,
        verdict=of.name,
        exponent=exponent(law),
        slope=law.fit.slope,
        low=fit.low,
        high=fit.high,
        level=law.fit.last_value,
        width=fit.last_width or 0,
        hollow=of.kinked,
        stands_in=law.key == SLOPE,
        href=href,
    )


def families_of(places: Iterable[Place]) -> dict[str, tuple[int, str]]:
    """Return the index of the colour and the name of the shape of each family, "other" last."""
    names = sorted({each.family for each in places}, key=lambda family: (family == "other", family))
    return {name: (i % COLOURS, list(SHAPES)[i % len(SHAPES)]) for i, name in enumerate(names)}


def linearity_map(
    places: Sequence[Place], pairs: Iterable[tuple[int, int]] = (), width: int = 900, height: int = 540
) -> LinearityMap | None:
    """Draw the map of linearity; None without places.

    Args:
        places: The places of the rows.
        pairs: Pairs of indices into `places` to join by a line.
        width: Width of the drawing.
        height: Height of the drawing.
    """
    if not places:
        return None
    frame = frame_of(places, width, height)
    families = families_of(places)
    spots = [frame.at(each.slope, each.level) for each in places]
    joints = [
        _joint(number, spots[i], spots[j], (places[i].name, places[j].name)) for number, (i, j) in enumerate(pairs, 1)
    ]
    taken = [_box(Label(x, y + 5, "oo")) for x, y in spots] + [_box(each.label) for each in joints]
    points = []
    for i in sorted(range(len(places)), key=lambda i: (places[i].slope, places[i].name)):
        colour, shape = families[places[i].family]
        ends = [_within(frame, end) for end in (places[i].low, places[i].high) if end is not None]
        left, right = (frame.at(end, places[i].level)[0] for end in ends) if len(ends) == 2 else (spots[i][0],) * 2
        label = _free_label(places[i].name, spots[i], frame, taken)
        points.append(Point(places[i], *spots[i], left, right, colour, SHAPES[shape], label))
    return LinearityMap(
        width=width,
        height=height,
        alt=f"Map of linearity: {len(places)} rows by the exponent of kernel_change_worst (x) and its value at the "
        "largest width (y, logarithmic)",
        x_ticks=tuple((frame.at(x, frame.bottom)[0], f"{x:.2g}") for x in _exponents(*frame.x)),
        y_ticks=tuple((frame.at(frame.start, y)[1], f"{y:g}") for y in y_values(frame, 2.6)),
        bands=tuple(_bands(frame)),
        points=tuple(points),
        joints=tuple(joints),
        families={name: (colour, SHAPES[shape]) for name, (colour, shape) in families.items()},
        bottom=height - _BOTTOM,
    )


def frame_of(places: Sequence[Place], width: int = 900, height: int = 540) -> Frame:
    """Return the frame: all points, and at least the exponents from -.6 to .3; intervals may extend beyond it."""
    slopes = [each.slope for each in places]
    levels = [math.log(each.level) for each in places]
    margin = max(0.07 * (max(levels) - min(levels)), 0.3)
    return Frame(
        width,
        height,
        _LEFT,
        (min(-0.6, min(slopes) - 0.08), max(0.3, max(slopes) + 0.08)),
        (min(levels) - margin, max(levels) + margin),
        linear_x=True,
        top=_TOP,
        bottom_margin=_BOTTOM,
    )


def _exponents(low: float, high: float) -> list[float]:
    """Return the exponents to label: multiples of .2, or of a larger step if there would be many."""
    step = next(step for step in (0.2, 0.5, 1.0, 2.0, 5.0, math.inf) if (high - low) / step <= 9)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * i for i in range(first, last + 1)] if step < math.inf else [0.0]


def _within(frame: Frame, slope: float) -> float:
    return min(max(slope, frame.x[0]), frame.x[1])


def _bands(frame: Frame) -> Iterable[Band]:
    """Yield the exponents that fall, stay and grow, as far as they are in the frame."""
    edges = {"falls": (-math.inf, -FLAT), "stays": (-FLAT, FLAT), "grows": (FLAT, math.inf)}
    for name, ends in edges.items():
        left, right = (frame.at(_within(frame, end), frame.bottom)[0] for end in ends)
        words = {"falls": f"falls: below -{_short(FLAT)}", "stays": f"stays: ±{_short(FLAT)}", "grows": "grows"}[name]
        if right - left > len(words) * _LETTER:
            yield Band(left, round(right - left, 1), name, Label(round((left + right) / 2, 1), _TOP - 6, words))


def _short(number: float) -> str:
    return numbers.slope(number).lstrip("+").rstrip("0")


def _joint(number: int, one: tuple[float, float], other: tuple[float, float], names: tuple[str, str]) -> Joint:
    middle = [round((a + b) / 2, 1) for a, b in zip(one, other, strict=True)]
    return Joint(*one, *other, Label(middle[0], middle[1] + 3, str(number)), names)


Box = tuple[float, float, float, float]


def _box(of: Label) -> Box:
    long = len(of.text) * _LETTER
    left = of.x - {"start": 0.0, "middle": long / 2, "end": long}[of.anchor]
    return left, of.y - _LINE + 2, left + long, of.y + 2


def _free_label(name: str, spot: tuple[float, float], frame: Frame, taken: list[Box]) -> Label | None:
    """Return the name beside a point where it covers no other text or point, and add it to `taken`; otherwise None."""
    x, y = spot
    for label in (
        Label(round(x + 10, 1), round(y + 3.5, 1), name, "start"),
        Label(round(x - 10, 1), round(y + 3.5, 1), name, "end"),
        Label(x, round(y - 10, 1), name),
        Label(x, round(y + 18, 1), name),
    ):
        box = _box(label)
        inside = (
            frame.left < box[0]
            and box[2] < frame.width - RIGHT
            and frame.top < box[1]
            and box[3] < frame.height - _BOTTOM
        )
        if inside and not any(_overlap(box, other) for other in taken):
            taken.append(box)
            return label
    return None


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]

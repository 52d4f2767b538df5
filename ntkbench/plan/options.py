"""Options of a run, each validated on its own. Checks that need the registry are made when the plan is built."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from attrs import asdict, field, frozen

from ..errors import NtkbenchError, UnknownName, did_you_mean
from ..registry.specs import REDRAWS, UNITS
from ..types import INFINITE, Precision, Status, Width, written_width
from .preset import preset

LARGEST_WIDTH = 2**31
MOST_SEEDS = 10_000
RADII = {"float32": (2.0**-126, 2.0**127), "float64": (2.0**-1022, 2.0**1023)}
"""Smallest and largest radius in each precision: numbers outside are rounded to 0 or infinity."""
RETRIED = (Status.FAILED, Status.TIMEOUT, Status.OOM, Status.DIVERGED)


def parse_widths(given: str | Width | Iterable[Any] | None) -> tuple[Width, ...] | None:
    """Return distinct widths in ascending order.

    Args:
        given: "64,128,inf", a width or several. A width is a positive integer, or "inf" or `math.inf` for the limit of
            infinite width.

    Raises:
        NtkbenchError: A width is not valid, or is given twice.
    """
    if given is None:
        return None
    if isinstance(given, str):
        given = given.split(",")
    elif not isinstance(given, Iterable):
        given = [given]
    widths = [_width(each) for each in given]
    if not widths:
        raise NtkbenchError("No width is given; write, for example, --widths 64,128,256.")
    for width in widths:
        if width < 1:
            raise NtkbenchError(
                f"Invalid width {width}; widths are positive integers or inf, such as --widths 64,128,inf."
            )
        if LARGEST_WIDTH < width < math.inf:
            raise NtkbenchError(f"Invalid width {width}; the largest allowed width is {LARGEST_WIDTH}.")
    for width in widths:
        if widths.count(width) > 1:
            raise NtkbenchError(f"Width {width} is given more than once; give each width once.")
    return tuple(sorted(widths))


def _width(value: Any) -> Width:
    text = value.strip() if isinstance(value, str) else value
    if text == math.inf or (isinstance(text, str) and text.lower() == INFINITE):
        return math.inf
    return _whole(text, "width", "--widths 64,128,256")


def _whole(value: Any, what: str, example: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or isinstance(value, bool) or (isinstance(value, float) and number != value):
        shown = repr(value) if value != "" else "nothing"
        raise NtkbenchError(f"Invalid {what}: expected an integer, got {shown}; write, for example, {example}.")
    return int(number)


def _count(value: Any, what: str, example: str) -> int | None:
    if value is None:
        return None
    number = _whole(value, what, example)
    if number < 1:
        raise NtkbenchError(f"The {what} must be at least 1, got {number}; write, for example, {example}.")
    return number


def _seeds(value: Any) -> int | None:
    number = _count(value, "number of seeds", "--seeds 5")
    if number is not None and number > MOST_SEEDS:
        raise NtkbenchError(
            f"The number of seeds must be at most {MOST_SEEDS}, got {number}; write, for example, --seeds 5."
        )
    return number


def _probes(value: Any) -> int | None:
    return _count(value, "number of probes", "--probes 16")


def parse_workers(value: Any) -> int | None:
    """Return a positive number of worker processes, None for None; raise NtkbenchError if it is invalid."""
    return _count(value, "number of workers", "--workers 2")


def parse_retry(given: str | Iterable[Any] | None) -> tuple[Status, ...]:
    """Return the statuses of cells to measure again.

    Args:
        given: "failed,timeout", "none", or several names; None for all statuses except ok and unsupported.

    Raises:
        NtkbenchError: A status is unknown, or is "ok".
    """
    if given is None:
        return RETRIED
    words = [word.strip() for word in given.split(",")] if isinstance(given, str) else list(map(str, given))
    if words == ["none"]:
        return ()
    names = [str(status) for status in Status if status is not Status.OK]
    for word in words:
        if word == Status.OK:
            raise NtkbenchError("--retry cannot select ok cells; use --force to measure them again.")
        if word == "none":
            raise NtkbenchError(
                f"--retry none measures nothing again and must stand alone, got {','.join(words)!r}. Leave out either "
                "none or the other statuses."
            )
        if word not in names:
            raise UnknownName("cell status", word, [*names, "none"])
    return tuple(Status(word) for word in dict.fromkeys(words))


def parse_radii(given: Any) -> tuple[float, ...] | None:
    """Return distinct positive radii in the given order, None for none.

    Args:
        given: One number or several, or their texts.

    Raises:
        NtkbenchError: A radius is not a positive number.
    """
    if given is None:
        return None
    values = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    return tuple(dict.fromkeys(map(_radius, values))) or None


def _radius(value: Any) -> float:
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 < number < float("inf"):
        raise NtkbenchError(f"The radius must be a positive number, got {value!r}; write, for example, --radius 1.")
    return number


def _texts(given: str | Iterable[Any] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    words = (given,) if isinstance(given, str | Path) else tuple(given)
    return tuple(str(word) for word in words)


def _datasets(given: str | Iterable[Any]) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(_texts(given) or ()))
    if not words:
        raise NtkbenchError("No dataset is given; use --dataset NAME (see `ntkbench list datasets`).")
    return words


def _architectures(given: str | Iterable[Any] | None) -> tuple[str, ...]:
    if not isinstance(given, str | Path | Iterable | None):
        raise NtkbenchError(
            f"Invalid architecture {given!r}; expected a name, or a model's file such as 'net.py:build' or "
            "'model.keras'. To measure a model object, call a function such as ntkbench.empirical_ntk(model, x)."
        )
    words = _texts(given)
    if not words:
        raise NtkbenchError("No architecture is given; use --arch all or --arch NAME (see `ntkbench list`).")
    return words


def _folder(given: Any) -> str | None:
    if given is not None and not str(given).strip():
        raise NtkbenchError("--out is empty; name a folder, such as --out runs/first, or leave the option out.")
    return None if given is None else str(given)


def _known_preset(_: Any, __: Any, value: str) -> None:
    preset(value)


def _known_precision(_: Any, __: Any, value: str) -> None:
    if value not in get_args(Precision):
        raise NtkbenchError(f"Unknown precision {value!r}. {did_you_mean(value, get_args(Precision))}")


_DEVICE = re.compile(r"auto\Z|cpu\Z|gpu(:\d+)?\Z|tpu(:.+)?\Z")


def _known_device(_: Any, __: Any, value: str) -> None:
    if not _DEVICE.match(value):
        hint = did_you_mean(value, ("auto", "cpu", "gpu", "gpu:0", "tpu"))
        raise NtkbenchError(f"Unknown device {value!r}. {hint}")


def _one_of(option: str, words: Sequence[str]) -> Callable[[Any, Any, str | None], None]:
    def check(_: Any, __: Any, value: str | None) -> None:
        if value is not None and value not in words:
            raise NtkbenchError(f"--{option} is {value!r}. {did_you_mean(str(value), words)}")

    return check


@frozen(kw_only=True)
class RunOptions:
    """Options of a run. A size that is None is taken from the preset.

    Attributes:
        arch: SPECs: "all", "NAME:key=value", "family:NAME", "priority:A", "FILE.py:FUNCTION" or "MODEL.keras".
        widths: Distinct positive widths; `math.inf` for the limit of infinite width.
        seeds: Number of seeds.
        measure: Measurements or quantities, or "all".
        dataset: Datasets, as "NAME:key=value", or groups of datasets.
        preset: Name of the preset.
        precision: "float32" or "float64".
        device: "auto", "cpu", "gpu[:i]" or "tpu[:NAME]".
        probes: Number of inputs at which everything is measured.
        radius: Radius of the ball, one or several; quantities that do not depend on it are measured once, with the
            first one.
        reinit: Whether to redraw the weights of saved models.
        units: Units of the weights: "init" for the standard deviations of the initial ones, "none" for the model's own;
            None for those that the architecture declares.
        redraw: "fan-in" to draw all weights again with standard deviation 1/√fan-in, "none" not to; None for what the
            architecture declares.
        out: Folder of the run; None for a new one.
        force: Whether to measure again the cells that the folder already holds.
        retry: Statuses of cells in `out` to measure again; other cells are kept.
    """

    arch: tuple[str, ...] = field(default=("all",), converter=_architectures)
    widths: tuple[Width, ...] | None = field(default=None, converter=parse_widths)
    seeds: int | None = field(default=None, converter=_seeds)
    measure: tuple[str, ...] | None = field(default=None, converter=_texts)
    dataset: tuple[str, ...] = field(default=("digits",), converter=_datasets)
    preset: str = field(default="quick", validator=_known_preset)
    precision: str = field(default="float32", validator=_known_precision)
    device: str = field(default="auto", validator=_known_device)
    probes: int | None = field(default=None, converter=_probes)
    radius: tuple[float, ...] | None = field(default=None, converter=parse_radii)
    reinit: bool = False
    units: str | None = field(default=None, validator=_one_of("units", (*UNITS, "none")))
    redraw: str | None = field(default=None, validator=_one_of("redraw", (*REDRAWS, "none")))
    out: str | None = field(default=None, converter=_folder)
    force: bool = False
    retry: tuple[Status, ...] = field(default=RETRIED, converter=parse_retry)

    def __attrs_post_init__(self) -> None:
        low, high = RADII[self.precision]
        for radius in self.radius or ():
            if not low <= radius <= high:
                raise NtkbenchError(
                    f"The radius {radius:g} cannot be computed with in {self.precision}, which holds numbers from "
                    f"{low:.1e} to {high:.1e}; write, for example, --radius 1."
                )

    def to_json(self) -> Mapping[str, Any]:
        """Return the options as plain JSON."""
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        if len(self.dataset) == 1:
            (plain["dataset"],) = self.dataset
        return plain | {"widths": None if self.widths is None else [written_width(width) for width in self.widths]}

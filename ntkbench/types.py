"""Immutable data classes shared by all packages of ntkbench."""

from __future__ import annotations

import enum
import functools
import hashlib
import json
import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from attrs import Factory, field, fields, frozen, validators

ErrorKind = Literal["exact", "bound", "statistical", "rounding", ""]
Precision = Literal["float32", "float64"]
Form = str
"""Name of a form of data; `ntkbench.datasets.forms` lists the built-in ones."""
Direction = Literal["lower", "higher", "none"]
DIRECTIONS: tuple[Direction, ...] = ("lower", "higher", "none")
TheoryKind = Literal["rate", "upper bound"]
THEORY_KINDS: tuple[TheoryKind, ...] = ("rate", "upper bound")


HEADLINES = ("gradient_norm", "hessian_norm", "kernel_change_worst", "kernel_change_gd")
"""The quantities that verdicts are based on, and that tables show by default."""
KINKED = 0.05
"""A network counts as kinked if its kink_share exceeds this; smooth networks stay below it."""
UNSURE = 0.1
"""If search_gain exceeds this, kernel_change_worst is marked as a lower bound from a search that is not converged."""


class Status(enum.StrEnum):
    """How a cell ended. "Running" is never stored."""

    OK = "ok"
    FAILED = "failed"
    TIMEOUT = "timeout"
    OOM = "oom"
    DIVERGED = "diverged"
    UNSUPPORTED = "unsupported"


@frozen
class Quantity:
    """One number that a measurement returns.

    Attributes:
        name: Name of the quantity, such as "hessian_norm".
        symbol: Symbol for plots and tables.
        unit: A power of the output's unit f: "f", "f^2", "f^-1" or "1". Anything else (such as "s") is a label.
        bounds: The interval that contains every finite value.
        direction: The direction of "more linear": "lower", "higher" or "none".
        reduction: How the values at the probes are reduced to one number: "mean", "max", "rms" or "value".
        summary: A short description.
        key: Key in the measurement's result, for a name that has two reductions ("hessian_norm:max").
        per: "variable" if the result holds one number per trainable variable, under the keys "name:variable". These
            numbers are exported and shown by `ntkbench table RUN --why`; no scaling law is fitted to them. "point" for
            a curve (see `CurveSpec`), empty for a single number.
    """

    name: str
    symbol: str
    unit: str = "1"
    bounds: tuple[float, float] = (float("-inf"), float("inf"))
    direction: Direction = "none"
    reduction: str = "value"
    summary: str = ""
    key: str = Factory(lambda self: self.name, takes_self=True)
    per: str = ""


def quantity_of(declared: Mapping[str, Quantity], key: str) -> Quantity | None:
    """Return the quantity that a result key belongs to, or None if the key is not declared.

    Args:
        declared: The quantities of a measurement, by key.
        key: A result key: a declared one, or "name:variable" of a quantity per variable.
    """
    whole = declared.get(key.partition(":")[0])
    return whole if whole is not None and whole.per == "variable" else declared.get(key)


@frozen
class CurveSpec:
    """Declaration of one curve that a measurement can return.

    Curves are measured only when they are requested, by their name or as "MEASUREMENT:curves". No scaling law is fitted
    to them.

    Attributes:
        name: Name of the curve, such as "loss_along_gd"; also its key in the measurement's result.
        symbol: Symbol of y for plots.
        x_unit: What x counts or measures, such as "step".
        unit: Unit of y, as in `Quantity`.
        bounds: The interval that contains every y.
        direction: The direction of "more linear" in y: "lower", "higher" or "none".
        summary: A short description.
        axis: For a heat map: the name of a curve of the same measurement, with abscissas t. y then is a symmetric
            function of two of them that is 0 where they are equal, with one ordinate for each pair, in the order
            (t_0, t_1), (t_0, t_2), (t_1, t_2), (t_0, t_3), ..., and with x = 0, 1, 2, ... Empty for a curve.
    """

    name: str
    symbol: str
    x_unit: str = "step"
    unit: str = "1"
    bounds: tuple[float, float] = (float("-inf"), float("inf"))
    direction: Direction = "none"
    summary: str = ""
    axis: str = ""

    @property
    def key(self) -> str:
        """Its key in the measurement's result."""
        return self.name


def _numbers(given: Iterable[Any]) -> tuple[float, ...]:
    return tuple(map(float, given))


@frozen
class Curve:
    """A measured curve: y as a function of x.

    Attributes:
        x: Abscissas, increasing and finite, such as the steps of training. A sequence or an array.
        y: Ordinates, as many as abscissas, finite.
        x_unit: What x counts or measures; empty for the declared one.
        name: Name of the curve; empty for the key that it is returned under.
    """

    x: tuple[float, ...] = field(converter=_numbers)
    y: tuple[float, ...] = field(converter=_numbers)
    x_unit: str = ""
    name: str = ""


@frozen
class Value:
    """A measured number and its error.

    Attributes:
        value: The number; None if the measurement failed or diverged.
        error: Its absolute error; None if unknown.
        error_kind: "exact", "bound" (certified), "statistical" (a standard error), "rounding", or empty.
        precision: The precision it was computed in, if it differs from the run's.
    """

    value: float | None
    error: float | None = None
    error_kind: ErrorKind = ""
    precision: str | None = None


@frozen
class Theory:
    """The theoretical exponent of one quantity in width, with its source.

    Attributes:
        exponent: The exponent.
        source: The paper or derivation that predicts it.
        kind: "rate" for the exponent itself, "upper bound" for the largest possible exponent; a steeper decrease also
            agrees with an upper bound.
        from_width: The smallest width to which the prediction applies. Larger than 1 if the theory assumes widths much
            larger than another size of the model, such as a bottleneck.
    """

    exponent: float
    source: str
    kind: TheoryKind = field(default="rate", validator=validators.in_(THEORY_KINDS))
    from_width: int = 1


@frozen
class Settings:
    """The sizes and tolerances of the standard metrics, stored with every run.

    Attributes:
        n_probes: Number of inputs at which everything is measured.
        radius: Radius R of the ball B(w0, R).
        ball_probes: Number of inputs whose Hessian norm is searched for its maximum in the ball.
        draws: Number of random directions.
        tol: Relative tolerance of Hessian norms.
        target_ratio: Gradient descent stops when the loss has fallen to this fraction of its initial value.
        max_steps: Maximum number of gradient-descent steps.
    """

    n_probes: int = 16
    radius: float = 1.0
    ball_probes: int = 4
    draws: int = 4
    tol: float = 1e-3
    target_ratio: float = 1e-3
    max_steps: int = 3000


@frozen
class Line:
    """One line of a plot.

    Attributes:
        label: Text of the legend.
        x: Abscissas of the points.
        y: Ordinates of the points.
        low: Lower edge of a band around the line, empty for no band.
        high: Upper edge of the band.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@frozen
class Panel:
    """A plot of several lines.

    Attributes:
        title: Title of the plot.
        x_label: Label of the x axis.
        y_label: Label of the y axis.
        lines: The lines.
        logarithmic: Whether the y axis is logarithmic.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    logarithmic: bool = True


@frozen
class HeatMap:
    """A symmetric function of two points of one axis, drawn as colours.

    Attributes:
        title: Title of the plot.
        label: What the values belong to, such as "width 64".
        axis: Label of both axes.
        symbol: Symbol of the values.
        at: The points of the axis.
        values: The values, one row for each point.
    """

    title: str
    label: str
    axis: str
    symbol: str
    at: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]


Width = int | float
"""A positive integer, or `math.inf` for the limit of infinite width."""
INFINITE = "inf"
"""Text of the infinite width in options, JSON and tables; JSON has no infinity."""


def written_width(width: Width) -> int | str:
    """Return a width as plain JSON: the integer, or "inf"."""
    return int(width) if math.isfinite(width) else INFINITE


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(value: Any) -> str:
    """Return the canonical JSON text of `value`: sorted keys, no spaces, no NaN."""
    return _CANONICAL.encode(value)


def digest(value: Any, length: int = 32) -> str:
    """Return the first `length` hexadecimal digits of the SHA-256 of a JSON value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


def dataset_label(dataset: str, params: Mapping[str, Any]) -> str:
    """Return the label of a dataset: its name, or "name:key=value,…" with parameters."""
    words = ",".join(f"{name}={value}" for name, value in sorted(params.items()))
    return f"{dataset}:{words}" if words else dataset


NUMERICS = 3
"""Numerics version of cells; raised when the same cell gives other numbers."""


@frozen
class Cell:
    """One measurement of one model: architecture × params × width × seed × dataset × measurement.

    Attributes:
        architecture: Name in the tables: a registered name, `FILE.py:FUNCTION` or `MODEL.keras`.
        params: All parameters of the architecture: those that the user set, and the defaults of the others.
        width: The width; `math.inf` for the limit kernel of the architecture, or for a registered kernel.
        quantities: Result keys requested from the measurement, including names of curves, sorted.
        settings: Fields of `Settings` (a plain mapping, so that the identity is plain JSON).
        data_hash: Hash of the loaded data.
        source_hash: Hash of the user's file and of what it imports; "" for registered names.
        architecture_code: Fingerprint of the plugin's files; "" for built-in architectures.
        measurement_code: Fingerprint of the plugin's files; "" for built-in measurements.
        units: Units of the weights: "init" for the standard deviations of the initial ones, "" for the model's own.
        redraw: How the weights were drawn again: "fan-in", or "" for not at all.
        label: How tables show architecture and params, "fc" or "fc:depth=3"; not part of the identity.
    """

    architecture: str
    params: Mapping[str, Any]
    width: Width
    seed: int
    dataset: str
    dataset_params: Mapping[str, Any]
    measurement: str
    quantities: tuple[str, ...]
    settings: Mapping[str, Any]
    precision: str
    architecture_plugin: str = ""
    architecture_version: str = ""
    measurement_plugin: str = ""
    measurement_version: str = ""
    data_hash: str = ""
    source_hash: str = ""
    reinit: bool = False
    numerics_version: int = NUMERICS
    label: str = ""
    architecture_code: str = ""
    measurement_code: str = ""
    units: str = ""
    redraw: str = ""

    def identity(self) -> dict[str, Any]:
        """Return the plain JSON mapping whose hash is the key."""
        identity = dict(zip(IDENTITY, _identity(self), strict=True))
        identity["quantities"] = list(self.quantities)
        identity["width"] = written_width(self.width)
        return {name: value for name, value in identity.items() if value or name not in LATER}

    @functools.cached_property
    def key(self) -> str:
        """Name of the cell's file: a hash of its identity, which excludes the hardware and TensorFlow's version."""
        return digest(self.identity())

    @property
    def infinite(self) -> bool:
        """Whether the cell measures a kernel at infinite width, not a network."""
        return self.width == math.inf

    @property
    def dataset_label(self) -> str:
        """The dataset with its parameters, as tables show it."""
        return dataset_label(self.dataset, self.dataset_params)

    def wants(self, key: str) -> bool:
        """Return whether a result key was requested, rather than added as a companion that qualifies another one."""
        return any(key == name or key.startswith(f"{name}:") for name in self.quantities)

    def remember_key(self, key: str) -> None:
        """Set the cached key, which saves the time of hashing thousands of cells again."""
        object.__setattr__(self, "key", key)

    @functools.cached_property
    def group(self) -> str:
        """Hash of what cells share that use the same model, compiled functions and, per seed, gradient-descent path."""
        shared = {
            "architecture": self.architecture,
            "params": dict(self.params),
            "width": written_width(self.width),
        }
        return digest(shared | {"dataset": self.dataset, "dataset_params": dict(self.dataset_params)})


IDENTITY = tuple(attribute.name for attribute in fields(Cell) if attribute.name != "label")
"""The fields of a cell that determine its key."""
LATER = ("architecture_code", "measurement_code", "units", "redraw")
"""Fields of `IDENTITY` that are left out of an identity if they are empty, so that older cells keep their keys."""
_identity = operator.attrgetter(*IDENTITY)


@frozen
class CellResult:
    """The result of a cell.

    Attributes:
        cell: The cell.
        status: How it ended.
        values: Value of each result key; empty if the cell failed.
        curves: The requested curves by name; empty if the cell failed.
        message: The reason, if the cell did not end as ok.
        seconds: Wall time in seconds.
        n_parameters: Number of trainable parameters of the model; None if unknown.
        n_probes: Number of inputs; None if unknown.
        device: Device of the computation.
        provenance: Software versions, hardware and threads.
        traceback: Last lines of the traceback, if an exception was the reason.
    """

    cell: Cell
    status: Status
    values: Mapping[str, Value] = field(factory=dict)
    message: str = ""
    seconds: float = 0.0
    n_parameters: int | None = None
    n_probes: int | None = None
    device: str = ""
    provenance: Mapping[str, Any] = field(factory=dict)
    traceback: str = ""
    curves: Mapping[str, Curve] = field(factory=dict)

"""The plain frozen values that travel from room to room."""

from __future__ import annotations

import enum
import functools
import hashlib
import json
import operator
from collections.abc import Mapping
from typing import Any, Literal

from attrs import Factory, field, fields, frozen, validators

ErrorKind = Literal["exact", "bound", "statistical", "rounding", ""]
Precision = Literal["float32", "float64"]
Form = Literal["vector", "image", "sequence"]
FORMS: tuple[Form, ...] = ("vector", "image", "sequence")
Direction = Literal["lower", "higher", "none"]
DIRECTIONS: tuple[Direction, ...] = ("lower", "higher", "none")
TheoryKind = Literal["rate", "upper bound"]
THEORY_KINDS: tuple[TheoryKind, ...] = ("rate", "upper bound")


HEADLINES = ("gradient_norm", "hessian_norm", "kernel_change_worst", "kernel_change_gd")
"""The quantities that a verdict rests on, and that tables show."""
KINKED = 0.05
"""A network has kinks where its kink_share is above this; of smooth ones it stays below engine.search.kinks.STILL."""
UNSURE = 0.1
"""A search_gain above this marks kernel_change_worst as a lower bound whose search is unsure."""


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
        unit: A power of the output's own unit f: "f", "f^2", "f^-1" or "1". Anything else (such as "s") is a label.
        bounds: The interval that every finite value lies in.
        direction: Which way is "more linear": "lower", "higher" or "none".
        reduction: How the probes become one number: "mean", "max", "rms" or "value".
        summary: What it is, in a few words.
        key: Its key in a measurement's result, for a name that comes with two reductions ("hessian_norm:max").
        per: "variable" if a result holds one number per trainable variable, under the keys "name:variable". Such
            numbers are exported and shown by `ntkbench table RUN --why`; no law in width is fitted to them. Empty for
            one number.
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
    """Return the quantity that a result key belongs to, None for a key that nobody declares.

    Args:
        declared: a measurement's quantities by key.
        key: a result key: a declared one, or "name:variable" of a quantity per variable.
    """
    whole = declared.get(key.partition(":")[0])
    return whole if whole is not None and whole.per else declared.get(key)


@frozen
class Value:
    """A measured number and what is known about its error.

    Attributes:
        value: The number; None if it failed or diverged.
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
    """Theory's exponent of one quantity in width, and who says so.

    kind: "rate", the exponent itself; "upper bound", the largest that it can be: a steeper fall is fine.
    from_width: the smallest width at which the exponent shows, where theory is about much larger widths than another
    number (those of a bottleneck, say); at smaller widths the claim is silent.
    """

    exponent: float
    source: str
    kind: TheoryKind = field(default="rate", validator=validators.in_(THEORY_KINDS))
    from_width: int = 1


@frozen
class Settings:
    """The sizes and procedures of the standard metrics, stored with every run.

    n_probes: inputs at which everything is measured.       radius: R of the ball B(w0, R).
    ball_probes: inputs whose Hessian is followed in the ball.   draws: random directions.
    tol: relative tolerance of Hessian norms.   target_ratio, max_steps: where gradient descent stops.
    """

    n_probes: int = 16
    radius: float = 1.0
    ball_probes: int = 4
    draws: int = 4
    tol: float = 1e-3
    target_ratio: float = 1e-3
    max_steps: int = 3000


@frozen
class Curve:
    """One line of a picture. x, y: its points.   low, high: a band around it, empty for none."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@frozen
class Panel:
    """A picture of curves that a suite leaves beside its cells; the values' axis is logarithmic."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(value: Any) -> str:
    """Return the one JSON text of `value`: sorted keys, no spaces, no NaN."""
    return _CANONICAL.encode(value)


def digest(value: Any, length: int = 32) -> str:
    """Return the first `length` hexadecimal digits of the SHA-256 of a JSON value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


@frozen
class Cell:
    """One measurement of one model: architecture × params × width × seed × data set × measurement.

    architecture: the name in the tables: a registered name, `FILE.py:FUNCTION` or `MODEL.keras`.
    params: what the user set, completed with the defaults.
    quantities: the result keys wanted from the measurement, sorted.
    settings: the fields of `Settings` (a plain mapping, so that the identity is plain JSON).
    data_hash, source_hash: of the loaded data, and of the user's own file with what it imports ("" for registered
    names).
    architecture_code, measurement_code: of the plugins' files ("" for what comes with ntkbench).
    label: how the tables call architecture and params, "fc" or "fc:depth=3"; not part of the identity.
    """

    architecture: str
    params: Mapping[str, Any]
    width: int
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
    numerics_version: int = 3
    label: str = ""
    architecture_code: str = ""
    measurement_code: str = ""

    def identity(self) -> dict[str, Any]:
        """Return the plain JSON mapping that the key is the hash of."""
        identity = dict(zip(IDENTITY, _identity(self), strict=True))
        identity["quantities"] = list(self.quantities)
        return {name: value for name, value in identity.items() if value or name not in LATER}

    @functools.cached_property
    def key(self) -> str:
        """The name of the cell's file: a hash of its identity. Hardware and TensorFlow's version are not in it."""
        return digest(self.identity())

    def wants(self, key: str) -> bool:
        """Return whether a result key was asked for, and is no companion that says how far to trust another."""
        return any(key == name or key.startswith(f"{name}:") for name in self.quantities)

    def remember_key(self, key: str) -> None:
        """Take a key that is known to be this cell's, for hashing ten thousand cells again takes a while."""
        object.__setattr__(self, "key", key)

    @functools.cached_property
    def group(self) -> str:
        """Cells with one group share model, compiled functions and the gradient-descent path of a seed."""
        shared = {"architecture": self.architecture, "params": dict(self.params), "width": self.width}
        return digest(shared | {"dataset": self.dataset, "dataset_params": dict(self.dataset_params)})


IDENTITY = tuple(attribute.name for attribute in fields(Cell) if attribute.name != "label")
"""The fields of a cell that its key is the hash of."""
LATER = ("architecture_code", "measurement_code")
"""Of these, the fields that are no part of an identity where they are empty, so that older cells keep their keys."""
_identity = operator.attrgetter(*IDENTITY)


@frozen
class CellResult:
    """What became of a cell. `values` maps a quantity's key to its Value; failed cells hold no values.

    traceback: its last lines, where an exception was the reason.
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

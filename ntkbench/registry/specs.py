"""The kinds of registry entries: Architecture, Measurement, Dataset, Kernel, Suite and LayerRules."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from attrs import Factory, asdict, evolve, field, fields as attrs_fields, frozen

from ..errors import NtkbenchError, RegistrationError, did_you_mean, message_of
from ..types import DIRECTIONS, THEORY_KINDS, CurveSpec, Quantity, Theory, canonical_json
from .calling import exit_as_error

NEEDS = ("hessian", "ball", "radius", "trajectory", "limit", "task")
RADIUS_NEEDS = ("ball", "radius")
"""A measurement with one of these needs depends on the radius R."""
PRIORITIES = ("A", "B", "C")
UNITS = ("init",)
REDRAWS = ("fan-in",)
FORM_NAME = re.compile(r"[a-z][a-z0-9_-]*\Z")
SEED_BITS = 63
"""Number of bits of the seeds that `ntkbench.seeds.seed_for` returns."""
_TYPES: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
NUMBERS = {"int", "float"}
"""The types of parameters that have an order."""


@frozen
class Param:
    """A parameter of an entry.

    Attributes:
        name: Name of the parameter.
        type: "int", "float", "bool" or "str".
        default: Default value.
        minimum: Smallest allowed value, None for no bound.
        maximum: Largest allowed value, None for no bound.
        at_most: Name of another parameter of the entry whose value this one must not exceed; empty for none.
        choices: The allowed values, None for any.
        help: One sentence about the parameter.
        words: Values besides the numbers, such as "grow" for a number that grows with width.
        later: Whether the parameter was added to an architecture that had been measured before. Cells leave it out at
            its default, so that older cells keep their keys and weights.
    """

    name: str
    type: str
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] | None = None
    help: str = ""
    words: tuple[str, ...] = ()
    later: bool = False
    at_most: str = ""

    def __attrs_post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.isidentifier()):
            raise RegistrationError(f"{self.name!r} is not the name of a parameter; use letters, digits and '_'.")
        numbers = [bound for bound in (self.minimum, self.maximum) if bound is not None]
        values = self.choices or ()
        kinds = tuple(_TYPES.values())
        for holds, what in (
            (all(map(_is_number, numbers)), "its minimum and maximum must be numbers"),
            (all(isinstance(value, kinds) for value in values), "its choices must be text, numbers or Booleans"),
            (
                all(isinstance(text, str) for text in (self.help, self.at_most, *self.words)),
                "its help, at_most and words must be text",
            ),
            (isinstance(self.later, bool), "its later must be True or False"),
        ):
            if not holds:
                raise RegistrationError(f"Parameter {self.name!r} is not valid: {what}.")
        try:
            default = self.parse(self.default)
        except NtkbenchError as error:
            raise RegistrationError(f"Parameter {self.name!r} has an invalid default: {error}") from None
        if default != self.default:
            raise RegistrationError(
                f"Parameter {self.name!r} has the default {self.default!r}, which is not of type {self.type}."
            )

    @classmethod
    def of(cls, name: str, given: Any) -> Param:
        """Return a Param from a default value, a mapping of its fields, or a Param."""
        if isinstance(given, Param):
            return given
        if not isinstance(given, Mapping):
            given = {"default": given}
        given = dict(given)
        kind = given.pop("type", type(given.get("default")))
        kind = kind if isinstance(kind, str) else kind.__name__
        if kind not in _TYPES:
            raise RegistrationError(f"Parameter {name!r} has type {kind!r}; it must be one of {', '.join(_TYPES)}.")
        if "default" not in given:
            raise RegistrationError(f"Parameter {name!r} has no default. Add one.")
        if given.get("choices") is not None:
            given["choices"] = tuple(given["choices"])
        given["words"] = _words(given.get("words", ()))
        try:
            return cls(name=name, type=kind, **given)
        except TypeError as error:
            raise RegistrationError(f"Parameter {name!r} is not valid: {error}.") from None

    def parse(self, text: Any) -> Any:
        """Return the value of a user's text, checked; raise NtkbenchError when it is not valid."""
        if text in self.words:
            return text
        value = self._convert(text)
        if self.choices is not None and value not in self.choices:
            hint = did_you_mean(str(value), map(str, self.choices))
            raise NtkbenchError(f"{self.name}={text} is not one of the choices. {hint}")
        if (self.minimum is not None and value < self.minimum) or (self.maximum is not None and value > self.maximum):
            low = "" if self.minimum is None else f" at least {self.minimum:g}"
            high = "" if self.maximum is None else f" at most {self.maximum:g}"
            joiner = " and" if low and high else ""
            raise NtkbenchError(f"{self.name}={text} is out of bounds: it must be{low}{joiner}{high}.")
        return value

    def _convert(self, text: Any) -> Any:
        kind = _TYPES[self.type]
        if kind is bool and isinstance(text, str):
            lowered = text.lower()
            if lowered in ("true", "1", "yes"):
                return True
            if lowered in ("false", "0", "no"):
                return False
            raise NtkbenchError(f"{self.name}={text} is not a Boolean; write true or false.")
        if kind is int and isinstance(text, float) and not text.is_integer():
            raise NtkbenchError(f"{self.name}={text} is not an integer.")
        try:
            value = kind(text)
        except (TypeError, ValueError):
            known = "".join(f", or {word}" for word in self.words)
            raise NtkbenchError(
                f"{self.name}={text} is not of type {self.type}{known}; an example is {self.default}."
            ) from None
        if kind is float and not math.isfinite(value):
            raise NtkbenchError(f"{self.name}={text} is not a finite number.")
        return value

    def to_json(self) -> dict[str, Any]:
        """Return the parameter as plain JSON, without unset fields."""
        fields = {"type": self.type, "default": self.default, "minimum": self.minimum, "maximum": self.maximum}
        fields |= {"choices": None if self.choices is None else list(self.choices), "help": self.help or None}
        fields |= {"words": list(self.words) or None, "at_most": self.at_most or None}
        return {key: value for key, value in fields.items() if value is not None}


def _is_number(given: Any) -> bool:
    """Return whether this is a number other than NaN."""
    return isinstance(given, int | float) and not isinstance(given, bool) and not math.isnan(given)


def _params(given: Mapping[str, Any] | None) -> dict[str, Param]:
    params = {name: Param.of(name, value) for name, value in (given or {}).items()}
    for name, param in params.items():
        if param.at_most and {params[each].type if each in params else "" for each in (name, param.at_most)} - NUMBERS:
            raise RegistrationError(
                f"Parameter {name!r} has at_most={param.at_most!r}; it must name another parameter, and both must be "
                "numbers."
            )
    return params


def _theory(given: Any) -> dict[str, Theory]:
    if not isinstance(given, Mapping | None):
        raise RegistrationError(f"theory is {given!r}; it must be {{quantity: Theory(exponent, source)}}.")
    return {quantity: _claim(quantity, value) for quantity, value in (given or {}).items()}


def _claim(quantity: Any, given: Any) -> Theory:
    """Return a Theory from a mapping of its fields or a Theory."""
    if isinstance(given, Theory):
        given = asdict(given)
    if not isinstance(given, Mapping) or not {"exponent", "source"} <= set(given):
        raise RegistrationError(f"theory[{quantity!r}] needs an exponent and a source, got {given!r}.")
    kind = given.get("kind", "rate")
    if kind not in THEORY_KINDS:
        raise RegistrationError(
            f"theory[{quantity!r}] has the unknown kind {kind!r}. {did_you_mean(str(kind), THEORY_KINDS)}"
        )
    try:
        claim = Theory(float(given["exponent"]), str(given["source"]), kind, int(given.get("from_width", 1)))
    except (TypeError, ValueError, OverflowError):
        claim = None
    if claim is None or not math.isfinite(claim.exponent):
        raise RegistrationError(
            f"theory[{quantity!r}] is {dict(given)!r}; its exponent and from_width must be numbers, and finite."
        )
    return claim


def _flag(given: Any) -> bool:
    if not isinstance(given, bool):
        raise RegistrationError(f"{given!r:.80} is neither True nor False.")
    return given


def _seconds(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < math.inf:
        raise RegistrationError(f"seconds is {given!r}; it must be a number, 0 or more.")
    return float(given)


def _words(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise ValueError("it must be text")
    return given


def _texts(given: Any) -> tuple[str, ...]:
    return tuple(map(_text, _words(given)))


def _count(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ValueError("it must be a positive integer")
    return given


def _spec(given: Any) -> str:
    if not isinstance(given, str):
        raise RegistrationError(f"pair is {given!r}; it must be the text of one architecture, such as 'fc:depth=3'.")
    return given


def _quantities(given: Any) -> tuple[str, ...]:
    words = _words(given)
    if not all(isinstance(word, str) for word in words):
        raise RegistrationError(f"decided_by is {given!r}; it must be names of quantities.")
    return words


BY_PARAMS: dict[str, Callable[[Any], Any]] = {
    "theory": _theory,
    "pair": _spec,
    "decided_by": _quantities,
    "bottleneck": _flag,
    "known_limit": _flag,
    "linear_output": _flag,
}
"""Converters for the fields of an Architecture that may be functions of its parameters."""


def _theory_or_function(given: Any) -> Any:
    return given if callable(given) else _theory(given)


def _flag_or_function(given: Any) -> Any:
    return given if callable(given) else _flag(given)


def _spec_or_function(given: Any) -> Any:
    return given if callable(given) else _spec(given)


def _quantities_or_function(given: Any) -> Any:
    return given if callable(given) else _quantities(given)


def _family(given: Any) -> str:
    if given and not (isinstance(given, str) and FORM_NAME.match(given)):
        raise RegistrationError(
            f"{given!r} is not a family; use lowercase letters, digits, '-' and '_', such as 'attention'."
        )
    return given or ""


def _priority(given: Any) -> Any:
    """Return a priority, or {priority: parameter sets}."""
    letters = given if isinstance(given, Mapping) else [given] if given else []
    for letter in letters:
        if letter not in PRIORITIES:
            raise RegistrationError(
                f"{letter!r} is not a priority; use one of {', '.join(PRIORITIES)}, or {{priority: parameter sets}}."
            )
    if isinstance(given, Mapping):
        return {letter: _sets(sets) for letter, sets in given.items()}
    return given or ""


def _forms(given: str | Sequence[str]) -> tuple[str, ...]:
    forms = _words(given)
    for form in forms:
        if not isinstance(form, str) or not FORM_NAME.match(form):
            raise RegistrationError(
                f"{form!r} is not a form of data; use lowercase letters, digits, '-' and '_', such as 'sequence'."
            )
    return forms


def _vocabulary(given: Any) -> int | None:
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 1):
        raise RegistrationError(f"vocabulary={given!r} is invalid; give the number of different tokens.")
    return given


def _pair(given: Sequence[float]) -> tuple[float, float]:
    low, high = map(float, given)
    return low, high


def _tuples(given: Mapping[str, Sequence[Any]] | None) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(values) for name, values in (given or {}).items()}


def _widths(given: Mapping[str, Sequence[int]] | None) -> dict[str, tuple[int, ...]]:
    return {_text(preset): tuple(map(_count, widths)) for preset, widths in _tuples(given).items()}


def _companions(given: Mapping[str, Sequence[str]] | None) -> dict[str, tuple[str, ...]]:
    return {_text(key): tuple(map(_text, keys)) for key, keys in _tuples(given).items()}


def _sets(given: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return sets of parameters."""
    sets = tuple(given)
    if not all(isinstance(each, Mapping) for each in sets):
        raise ValueError("it must hold sets of parameters, such as {'depth': 3}")
    return sets


@frozen(eq=False)
class Late:
    """Stand-in for a target that is a function of a plugin's module.

    Attributes:
        find: Loads the plugin and returns the function; called on first use.
    """

    find: Callable[[], Callable[..., Any]]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Find the function and call it."""
        return self.find()(*args, **kwargs)


@frozen(eq=False)
class Remembered:
    """Stand-in for a plugin's function of the parameters, with its values at the parameters that were probed.

    Attributes:
        find: Loads the plugin and returns the function; called only for other parameters.
        known: The values, by `Remembered.key` of the parameters.
    """

    find: Callable[[], Callable[[Mapping[str, Any]], Any]]
    known: Mapping[str, Any]

    def __call__(self, params: Mapping[str, Any]) -> Any:
        """Return the value of the function, from the known values where possible."""
        key = self.key(params)
        return self.known[key] if key in self.known else self.find()(params)

    @staticmethod
    def key(params: Mapping[str, Any]) -> str:
        """Return the parameters as canonical JSON."""
        return canonical_json(dict(params))


Target = Callable[..., Any] | str
TARGET = "target"
"""Key in the metadata of fields that hold a further target."""
Declared = TypeVar("Declared", Quantity, CurveSpec)


@frozen(kw_only=True)
class Entry:
    """An entry of the registry.

    Attributes:
        name: Name of the entry.
        target: A callable, or "module:attribute", which is imported on first use.
        summary: One sentence about the entry.
        params: The parameters by name. Each may be given as a default value, a mapping of fields or a Param.
        distribution: Distribution that registered the entry.
        version: Version of that distribution.
        PASSED: Names of the arguments that a run passes to the target itself, so that no parameter can have them.
    """

    PASSED: ClassVar[tuple[str, ...]] = ()

    name: str
    target: Target
    summary: str = field(default="", converter=_text)
    params: Mapping[str, Param] = field(factory=dict, converter=_params)
    distribution: str = ""
    version: str = ""

    @classmethod
    def further_targets(cls) -> tuple[str, ...]:
        """Return the fields of this kind that hold a target besides `target` itself; they may be None."""
        return tuple(each.name for each in attrs_fields(cls) if each.metadata.get(TARGET))

    def load(self) -> Callable[..., Any]:
        """Return the target, importing it if it is given as a string; raise NtkbenchError when that fails."""
        return self.load_field("target")

    def load_field(self, field: str) -> Callable[..., Any]:
        """Return a target as `load` does: "target", or one of `further_targets` that is not None."""
        target: Target = getattr(self, field)
        if isinstance(target, Late):
            return target.find()
        if not isinstance(target, str):
            return target
        module, _, attribute = target.partition(":")
        try:
            with exit_as_error(f"the import of {module}"):
                return getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise NtkbenchError(
                f"{self.name!r} of {self.distribution or 'an unnamed plugin'} could not be loaded from "
                f"{target!r}: {message_of(error).rstrip('.') or type(error).__name__}. Its author must fix the target."
            ) from error

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters: the given ones, checked, and the defaults of the others."""
        for name in given:
            if name not in self.params:
                hint = did_you_mean(name, self.params) if self.params else "It takes no parameters."
                raise NtkbenchError(f"{self.name!r} has no parameter {name!r}. {hint}")
        found = {name: p.parse(given[name]) if name in given else p.default for name, p in self.params.items()}
        for name, param in self.params.items():
            value, bound = found[name], found.get(param.at_most)
            if bound is not None and not isinstance(value, str) and not isinstance(bound, str) and value > bound:
                raise NtkbenchError(f"{name}={value} is out of bounds: it must be at most {param.at_most}={bound}.")
        return found

    def params_of_cells(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that identify a cell: all, without later ones at their defaults; see `Param.later`."""
        later = {name: param.default for name, param in self.params.items() if param.later}
        return {name: value for name, value in self.resolve(given).items() if name not in later or value != later[name]}


@frozen(kw_only=True)
class Architecture(Entry):
    """A family of models indexed by width.

    `theory`, `linear_output`, `bottleneck`, `known_limit`, `pair` and `decided_by` may be functions of all parameters,
    such as ``bottleneck=lambda params: params["k"] < 16``. The entry then holds their values at the default parameters;
    `resolved` returns the entry for other parameters.

    Attributes:
        width_means: Meaning of the swept width.
        inputs: Forms of data that it accepts, the preferred one first; `ntkbench.datasets.forms` lists the built-in
            ones, and any other lowercase name is a form of the plugin's own.
        outputs: Number of outputs of the model.
        theory: {quantity: Theory, or a mapping of its fields}.
        targets: Regression targets for y = -1 and y = +1.
        linear_output: Whether the last layer is linear.
        bottleneck: Whether a hidden layer stays narrow as the width grows; gradient descent then takes smaller steps.
        widths: {preset: widths} for presets ("quick", "zoo", "standard", "board", "full") whose own widths do not fit.
        variants: Parameter sets that `--arch all` runs instead of the defaults alone.
        grows: Whether the number of weights grows with width. False when width is another number, such as a scale.
        seed_bits: Number of bits of the seed passed to the build function, 1 to 63. 31 suits every generator;
            `keras.utils.set_random_seed` and NumPy's `RandomState` accept at most 32.
        known_limit: Whether `ntkbench.kernels.infinite_width` may know the limit of the tangent kernel. Measurements
            that need the limit are not planned otherwise.
        limit: Limit of the tangent kernel at infinite width: a callable ``make(*, input_shape, **params) -> kernel``,
            or "module:attribute". Arguments that it does not accept are not passed. It raises
            `ntkbench.kernels.NoLimit` for parameters without a limit. None reads the limit off the model with
            `ntkbench.kernels.infinite_width`.
        family: Family that it belongs to, such as "attention"; `--arch family:attention` selects it.
        pair: Architecture that it is to be compared with, as given to `--arch`; empty for none.
        priority: "A", "B" or "C", which `--arch priority:A` selects, for the parameter sets in `variants`; or a mapping
            such as ``{"A": [{"heads": 1}, {"heads": "grow"}]}``, for parameter sets that need not be among them.
        decided_by: Quantities that are needed to judge it besides those that the preset "zoo" measures everywhere.
        units: "init" to measure it in units of its initial weights unless --units says otherwise, "" for its own.
        redraw: "fan-in" to draw its weights with standard deviation 1/√fan-in unless --redraw says otherwise, "" to
            keep those that it is built with.
        by_params: The functions of the parameters, by field.
    """

    PASSED: ClassVar[tuple[str, ...]] = ("width", "input_shape", "outputs", "seed")

    width_means: str = field(default="units in each hidden layer", converter=_text)
    inputs: tuple[str, ...] = field(default=("vector",), converter=_forms)
    outputs: int = field(default=1, converter=_count)
    theory: Mapping[str, Theory] = field(factory=dict, converter=_theory_or_function)
    targets: tuple[float, float] = field(default=(-1.0, 1.0), converter=_pair)
    linear_output: bool = field(default=True, converter=_flag_or_function)
    bottleneck: bool = field(default=False, converter=_flag_or_function)
    widths: Mapping[str, tuple[int, ...]] = field(factory=dict, converter=_widths)
    variants: tuple[Mapping[str, Any], ...] = field(default=Factory(lambda: ({},)), converter=_sets)
    grows: bool = field(default=True, converter=_flag)
    seed_bits: int = 31
    known_limit: bool = field(default=True, converter=_flag_or_function)
    limit: Target | None = field(default=None, metadata={TARGET: True})
    family: str = field(default="", converter=_family)
    pair: str = field(default="", converter=_spec_or_function)
    priority: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default="", converter=_priority)
    decided_by: tuple[str, ...] = field(default=(), converter=_quantities_or_function)
    units: str = field(default="", converter=_text)
    redraw: str = field(default="", converter=_text)
    by_params: Mapping[str, Callable[[Mapping[str, Any]], Any]] = field(init=False, factory=dict, repr=False, eq=False)

    @property
    def has_limit(self) -> bool:
        """Whether the infinite-width limit of the tangent kernel may be known."""
        if self.limit is not None:
            return True
        return self.known_limit and self.linear_output and not self.bottleneck and self.grows

    def __attrs_post_init__(self) -> None:
        if type(self.seed_bits) is not int or not 1 <= self.seed_bits <= SEED_BITS:
            raise RegistrationError(
                f"{self.name!r} has seed_bits={self.seed_bits!r}; it must be an integer from 1 to {SEED_BITS}."
            )
        for name, words in (("units", UNITS), ("redraw", REDRAWS)):
            if (given := getattr(self, name)) and given not in words:
                raise RegistrationError(f"{self.name!r} has {name}={given!r}. {did_you_mean(str(given), words)}")
        functions = {name: getattr(self, name) for name in BY_PARAMS if callable(getattr(self, name))}
        object.__setattr__(self, "by_params", functions)
        if functions:  # otherwise the defaults do not matter here, and a user's file may have parameters without one
            for name, value in self._values({}).items():
                object.__setattr__(self, name, value)
        if isinstance(self.priority, str):
            object.__setattr__(self, "priority", {self.priority: self.variants} if self.priority else {})
        for row in self.rows:
            self._values(row)

    @property
    def rows(self) -> tuple[Mapping[str, Any], ...]:
        """The parameter sets that have a line of their own: `variants`, and those in `priority`."""
        sets = (*self.variants, *(each for sets in self.priority.values() for each in sets))
        resolved = [self.resolve(each) for each in sets]
        return tuple(each for number, each in enumerate(sets) if resolved.index(resolved[number]) == number)

    def priority_of(self, given: Mapping[str, Any]) -> str:
        """Return the priority of one set of parameters, "" for none."""
        wanted = self.resolve(given)
        return next(
            (letter for letter, sets in self.priority.items() if any(self.resolve(each) == wanted for each in sets)), ""
        )

    def resolved(self, params: Mapping[str, Any]) -> Architecture:
        """Return the entry for one set of parameters, with functions of the parameters replaced by their values.

        Args:
            params: The parameters that differ from the defaults.

        Raises:
            NtkbenchError: A parameter is unknown, or a function of the parameters fails or returns no valid value.
        """
        return evolve(self, **self._values(params)) if self.by_params else self

    def _values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the functions of the parameters; raise RegistrationError when one fails."""
        params = self.resolve(given)
        values = {}
        for name, function in self.by_params.items():
            try:
                with exit_as_error("the function"):
                    values[name] = BY_PARAMS[name](function(dict(params)))
            except Exception as error:
                what = ("" if isinstance(error, NtkbenchError) else f"{type(error).__name__}: ") + message_of(error)
                where = ", ".join(f"{key}={value}" for key, value in params.items()) or "no parameters"
                raise RegistrationError(
                    f"{self.name!r} defines {name} as a function of its parameters, which failed for {where}: "
                    f"{what.rstrip('.: ')}. Its author must fix it."
                ) from error
        return values


@frozen(kw_only=True)
class Measurement(Entry):
    """A function that measures named numbers and curves of a model at its probes.

    Attributes:
        quantities: All numbers that it can return.
        curves: All curves that it can return, which it does only where they are requested.
        needs: What it uses beyond first derivatives, for the predicted cost: "hessian", "ball" or "trajectory";
            "limit" when it needs the infinite-width kernel; "radius" when it reads ctx.settings.radius, which "ball"
            implies; "task" when it reads ctx.task. The model then has as many outputs as the task.
        companions: {result key: further result keys}, which are stored with it whenever the measurement returns them.
        at_infinity: Whether it also measures the limit of infinite width. There it gets an
            `ntkbench.engine.infinite_context.InfiniteContext`, which holds a kernel instead of a model.
        seconds: Rough time of a cell of a small network in seconds, for measurements that take long, such as a
            training; 0 if the quantities alone say how long it takes.
    """

    quantities: tuple[Quantity, ...] = field(factory=tuple, converter=tuple)
    curves: tuple[CurveSpec, ...] = field(factory=tuple, converter=tuple)
    needs: tuple[str, ...] = field(factory=tuple, converter=_texts)
    companions: Mapping[str, tuple[str, ...]] = field(factory=dict, converter=_companions)
    at_infinity: bool = field(default=False, converter=_flag)
    seconds: float = field(default=0.0, converter=_seconds)

    @property
    def needs_task(self) -> bool:
        """Whether it reads ctx.task, so that its model has as many outputs as the task."""
        return "task" in self.needs

    @property
    def depends_on_radius(self) -> bool:
        """Whether it runs again for each radius of a run."""
        return not set(RADIUS_NEEDS).isdisjoint(self.needs)

    def __attrs_post_init__(self) -> None:
        if not self.quantities and not self.curves:
            raise RegistrationError(f"Measurement {self.name!r} declares no quantities. Declare at least one.")
        for need in self.needs:
            if need not in NEEDS:
                raise RegistrationError(
                    f"Measurement {self.name!r} has the unknown need {need!r}. {did_you_mean(need, NEEDS)}"
                )
        keys = [_checked(self.name, quantity, Quantity).key for quantity in self.quantities]
        for key in keys:
            if keys.count(key) > 1:
                raise RegistrationError(
                    f"Measurement {self.name!r} declares {key!r} twice. Give each quantity its own key."
                )
        names = {*keys, *(quantity.name for quantity in self.quantities)}
        for curve in self.curves:
            if _checked(self.name, curve, CurveSpec).name in names:
                raise RegistrationError(
                    f"Measurement {self.name!r} declares {curve.name!r} twice. Give the curve a name of its own."
                )
            names.add(curve.name)
        for key in {*self.companions, *(key for companions in self.companions.values() for key in companions)}:
            if key not in keys:
                raise RegistrationError(
                    f"Measurement {self.name!r} has the unknown companion {key!r}. {did_you_mean(key, keys)}"
                )


def _checked(name: str, quantity: Any, kind: type[Declared]) -> Declared:
    """Return a declared quantity or curve; raise RegistrationError when it is not valid."""
    if not isinstance(quantity, kind):
        form = f"{kind.__name__}(name, symbol)"
        raise RegistrationError(f"Measurement {name!r} declares {quantity!r}; it must be a {form}.")
    words = ("name", "symbol", "x_unit", "unit", "direction", "reduction", "summary", "key", "per", "axis")
    if wrong := [word for word in words if not isinstance(getattr(quantity, word, ""), str)]:
        raise RegistrationError(f"Measurement {name!r}: the {wrong[0]} of {quantity.name!r} is not text.")
    if quantity.direction not in DIRECTIONS:
        hint = did_you_mean(str(quantity.direction), DIRECTIONS)
        raise RegistrationError(
            f"Measurement {name!r}: {quantity.key} has the unknown direction {quantity.direction!r}. {hint}"
        )
    try:
        low, high = map(float, quantity.bounds)
    except (TypeError, ValueError):
        low = high = float("nan")
    if not low < high:
        raise RegistrationError(
            f"Measurement {name!r}: {quantity.key} has bounds {quantity.bounds!r}; they must be (low, high)."
        )
    return quantity


@frozen(kw_only=True)
class Dataset(Entry):
    """A source of inputs and targets, with the target load(*, form, n, seed) -> (x, y), or a group of such sources.

    Attributes:
        forms: Forms of data that it provides; `ntkbench.datasets.forms` lists the built-in ones, and any other
            lowercase name is a form of the plugin's own.
        vocabulary: Number of different tokens, passed to build functions with an argument of this name; None if its
            inputs are not tokens.
        task: Target load_task(*, form, seed, fold) -> `ntkbench.Task`, whose inputs have the shapes of those of `load`;
            None if the dataset has no task.
        members: For a group, its datasets as "NAME" or "NAME:key=value,..."; a run measures each of them.
    """

    PASSED: ClassVar[tuple[str, ...]] = ("form", "n", "seed", "fold")

    forms: tuple[str, ...] = field(default=("vector",), converter=_forms)
    vocabulary: int | None = field(default=None, converter=_vocabulary)
    task: Target | None = field(default=None, metadata={TARGET: True})
    members: tuple[str, ...] = field(default=(), converter=_texts)

    def __attrs_post_init__(self) -> None:
        if self.members and self.target:
            raise RegistrationError(f"The dataset {self.name!r} has a target and members; a group has members only.")

    def load(self) -> Callable[..., Any]:
        """Return the target; raise NtkbenchError for a group."""
        if self.members:
            raise NtkbenchError(
                f"{self.name!r} is a group of {len(self.members)} datasets. Choose one of them, such as "
                f"{self.members[0]!r}."
            )
        return super().load()


@frozen(kw_only=True)
class Kernel(Entry):
    """A kernel, with the target make(**params) -> kernel.

    Attributes:
        inputs: Forms of data that it accepts, the preferred one first.
    """

    inputs: tuple[str, ...] = field(default=("vector",), converter=_forms)

    def subject(self) -> KernelArchitecture:
        """Return the kernel as the subject of a run."""
        return KernelArchitecture(
            name=self.name,
            target=self.target,
            limit=self.target,
            summary=self.summary,
            params=self.params,
            distribution=self.distribution,
            version=self.version,
            inputs=self.inputs,
            seed_bits=SEED_BITS,
        )


@frozen(kw_only=True)
class KernelArchitecture(Architecture):
    """A registered kernel as the subject of a run. It exists only at infinite width, and its target builds no model."""


@frozen(kw_only=True)
class Suite(Entry):
    """A named run or list of claims. The target returns a mapping, or the path of a TOML file with its content."""


@frozen(kw_only=True)
class LayerRules(Entry):
    """Rules to tap, perturb and contract one Keras layer type. The name is the layer class, "module:LayerClass"."""


KINDS: dict[str, type[Entry]] = {
    "architectures": Architecture,
    "measurements": Measurement,
    "datasets": Dataset,
    "kernels": Kernel,
    "suites": Suite,
    "layer_rules": LayerRules,
}

"""What can be registered: Architecture, Measurement, Dataset, Kernel, Suite, LayerRules."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import Factory, evolve, field, frozen

from ..errors import NtkbenchError, RegistrationError, did_you_mean
from ..types import DIRECTIONS, FORMS, THEORY_KINDS, Quantity, Theory, canonical_json
from .calling import contained

NEEDS = ("hessian", "ball", "radius", "trajectory", "limit")
RADIUS_NEEDS = ("ball", "radius")
"""What a measurement needs when its numbers depend on the radius R."""
SEED_BITS = 63
"""The bits of a seed as `ntkbench.plan.seeds.seed_for` makes it."""
_TYPES: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


@frozen
class Param:
    """A parameter of an entry: its type, default, bounds or choices, and what it does."""

    name: str
    type: str
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] | None = None
    help: str = ""

    @classmethod
    def of(cls, name: str, given: Any) -> Param:
        """Return the Param that a plugin wrote as a default, as a mapping or as a Param."""
        if isinstance(given, Param):
            return given
        if not isinstance(given, Mapping):
            given = {"default": given}
        given = dict(given)
        kind = given.pop("type", type(given.get("default")))
        kind = kind if isinstance(kind, str) else kind.__name__
        if kind not in _TYPES:
            raise RegistrationError(f"Parameter {name!r} has type {kind!r}; use one of {', '.join(_TYPES)}.")
        if "default" not in given:
            raise RegistrationError(f"Parameter {name!r} has no default; give it one.")
        if given.get("choices") is not None:
            given["choices"] = tuple(given["choices"])
        try:
            return cls(name=name, type=kind, **given)
        except TypeError as error:
            raise RegistrationError(f"Parameter {name!r} is not understood: {error}.") from None

    def parse(self, text: Any) -> Any:
        """Return the checked value of what a user wrote; raise NtkbenchError with a sentence otherwise."""
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
            raise NtkbenchError(f"{self.name}={text} is not a yes or no; write true or false.")
        if kind is int and isinstance(text, float) and not text.is_integer():
            raise NtkbenchError(f"{self.name}={text} is not a whole number.")
        try:
            value = kind(text)
        except (TypeError, ValueError):
            raise NtkbenchError(f"{self.name}={text} is not of type {self.type}; an example: {self.default}.") from None
        if kind is float and not math.isfinite(value):
            raise NtkbenchError(f"{self.name}={text} is not a finite number.")
        return value

    def to_json(self) -> dict[str, Any]:
        """Return the parameter as plain JSON, without what was left open."""
        fields = {"type": self.type, "default": self.default, "minimum": self.minimum, "maximum": self.maximum}
        fields |= {"choices": None if self.choices is None else list(self.choices), "help": self.help or None}
        return {key: value for key, value in fields.items() if value is not None}


def _params(given: Mapping[str, Any] | None) -> dict[str, Param]:
    return {name: Param.of(name, value) for name, value in (given or {}).items()}


def _theory(given: Any) -> dict[str, Theory]:
    if not isinstance(given, Mapping | None):
        raise RegistrationError(f"theory is {given!r}; give {{quantity: Theory(exponent, source)}}.")
    return {quantity: _claim(quantity, value) for quantity, value in (given or {}).items()}


def _claim(quantity: Any, given: Any) -> Theory:
    """Return the Theory that a plugin wrote as a mapping or as a Theory."""
    if isinstance(given, Theory):
        return given
    if not isinstance(given, Mapping) or not {"exponent", "source"} <= set(given):
        raise RegistrationError(f"theory[{quantity!r}] needs an exponent and a source, got {given!r}.")
    kind = given.get("kind", "rate")
    if kind not in THEORY_KINDS:
        raise RegistrationError(
            f"theory[{quantity!r}] is of the kind {kind!r}. {did_you_mean(str(kind), THEORY_KINDS)}"
        )
    try:
        return Theory(float(given["exponent"]), str(given["source"]), kind, int(given.get("from_width", 1)))
    except (TypeError, ValueError):
        raise RegistrationError(
            f"theory[{quantity!r}] is {dict(given)!r}; its exponent and from_width are numbers."
        ) from None


def _flag(given: Any) -> bool:
    if not isinstance(given, bool):
        raise RegistrationError(f"{given!r} is neither True nor False.")
    return given


BY_PARAMS: dict[str, Callable[[Any], Any]] = {
    "theory": _theory,
    "bottleneck": _flag,
    "known_limit": _flag,
    "linear_output": _flag,
}
"""The fields of an Architecture that may be functions of its parameters, each with what makes a value plain."""


def _theory_or_function(given: Any) -> Any:
    return given if callable(given) else _theory(given)


def _flag_or_function(given: Any) -> Any:
    return given if callable(given) else _flag(given)


def _words(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _pair(given: Sequence[float]) -> tuple[float, float]:
    low, high = map(float, given)
    return low, high


def _tuples(given: Mapping[str, Sequence[Any]] | None) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(values) for name, values in (given or {}).items()}


@frozen(eq=False)
class Late:
    """A target that is a function inside its plugin's module. find: loads the plugin and returns it, on first use."""

    find: Callable[[], Callable[..., Any]]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Find the function and call it."""
        return self.find()(*args, **kwargs)


@frozen(eq=False)
class Remembered:
    """A function of parameters inside its plugin's module, and its values at the parameters that were tried.

    find: loads the plugin and returns the function; called for other parameters only.   known: values by
    `Remembered.key` of the parameters.
    """

    find: Callable[[], Callable[[Mapping[str, Any]], Any]]
    known: Mapping[str, Any]

    def __call__(self, params: Mapping[str, Any]) -> Any:
        """Return the function's value."""
        key = self.key(params)
        return self.known[key] if key in self.known else self.find()(params)

    @staticmethod
    def key(params: Mapping[str, Any]) -> str:
        """Return the text that stands for these parameters."""
        return canonical_json(dict(params))


Target = Callable[..., Any] | str


@frozen(kw_only=True)
class Entry:
    """Something registered under a name. `target` is a callable, or "module:attribute" loaded on first use."""

    name: str
    target: Target
    summary: str = ""
    params: Mapping[str, Param] = field(factory=dict, converter=_params)
    distribution: str = ""
    version: str = ""

    def load(self) -> Callable[..., Any]:
        """Return the target itself, importing its module when it is a string; raise NtkbenchError when that fails."""
        if isinstance(self.target, Late):
            return self.target.find()
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            with contained(f"the import of {module}"):
                return getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise NtkbenchError(
                f"{self.name!r} of {self.distribution or 'an unnamed plugin'} could not be loaded from "
                f"{self.target!r}: {str(error).rstrip('.') or type(error).__name__}. Its author has to mend the target."
            ) from error

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters, checked: those given, and the defaults of the others."""
        for name in given:
            if name not in self.params:
                hint = did_you_mean(name, self.params) if self.params else "It takes no parameters."
                raise NtkbenchError(f"{self.name!r} has no parameter {name!r}. {hint}")
        return {name: p.parse(given[name]) if name in given else p.default for name, p in self.params.items()}


@frozen(kw_only=True)
class Architecture(Entry):
    """A family of models indexed by width.

    width_means: what the swept number is.            inputs: the data forms it accepts, the preferred one first.
    theory: {quantity: Theory, or a mapping of its fields}.   targets: the regression targets for y = -1 and +1.
    linear_output: whether the last layer is linear.   bottleneck: whether one is narrow; gradient descent then takes
    smaller steps.
    widths: {preset: widths} where the preset's own list does not fit; "quick", "standard", "board", "full".
    grows: whether the number of weights grows with width; false where width is another number, such as a scale.
    known_limit: whether `ntkbench.kernels.infinite_width` may know the limit of the tangent kernel; what needs it is
    not planned otherwise.
    variants: parameter sets that `--arch all` runs instead of the defaults alone.
    seed_bits: bits of the seed that the build function is given, from 1 to 63. 31 suits every generator; what
    `keras.utils.set_random_seed` and NumPy's `RandomState` take ends at 32.

    theory, linear_output, bottleneck and known_limit may each be given as a function of all parameters, such as
    ``bottleneck=lambda params: params["k"] < 16``. The entry then holds the values at the defaults, and `resolved`
    returns the entry of other parameters.   by_params: these functions, by field.
    """

    width_means: str = "units in each hidden layer"
    inputs: tuple[str, ...] = field(default=("vector",), converter=_words)
    outputs: int = 1
    theory: Mapping[str, Theory] = field(factory=dict, converter=_theory_or_function)
    targets: tuple[float, float] = field(default=(-1.0, 1.0), converter=_pair)
    linear_output: bool = field(default=True, converter=_flag_or_function)
    bottleneck: bool = field(default=False, converter=_flag_or_function)
    widths: Mapping[str, tuple[int, ...]] = field(factory=dict, converter=_tuples)
    variants: tuple[Mapping[str, Any], ...] = field(default=Factory(lambda: ({},)), converter=tuple)
    grows: bool = True
    seed_bits: int = 31
    known_limit: bool = field(default=True, converter=_flag_or_function)
    by_params: Mapping[str, Callable[[Mapping[str, Any]], Any]] = field(init=False, factory=dict, repr=False, eq=False)

    @property
    def has_limit(self) -> bool:
        """Whether the tangent kernel has a limit in width that may be known."""
        return self.known_limit and self.linear_output and not self.bottleneck and self.grows

    def __attrs_post_init__(self) -> None:
        for form in self.inputs:
            if form not in FORMS:
                raise RegistrationError(f"{self.name!r} wants inputs {form!r}. {did_you_mean(form, FORMS)}")
        if self.seed_bits not in range(1, SEED_BITS + 1):
            raise RegistrationError(f"{self.name!r} has seed_bits={self.seed_bits!r}; use 1 to {SEED_BITS}.")
        functions = {name: getattr(self, name) for name in BY_PARAMS if callable(getattr(self, name))}
        object.__setattr__(self, "by_params", functions)
        for name, value in self._values({}).items():
            object.__setattr__(self, name, value)
        for variant in self.variants:
            self._values(variant)

    def resolved(self, params: Mapping[str, Any]) -> Architecture:
        """Return the entry for one set of parameters, with plain values in place of functions of them.

        Args:
            params: the parameters that were set; the others have their defaults.

        Raises:
            NtkbenchError: a parameter that it does not have, or a function that fails or returns no such value.
        """
        return evolve(self, **self._values(params)) if self.by_params else self

    def _values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the functions of the parameters; raise NtkbenchError where one has none."""
        params = self.resolve(given)
        values = {}
        for name, function in self.by_params.items():
            try:
                with contained("the function"):
                    values[name] = BY_PARAMS[name](function(dict(params)))
            except Exception as error:
                what = str(error) if isinstance(error, NtkbenchError) else f"{type(error).__name__}: {error}"
                where = ", ".join(f"{key}={value}" for key, value in params.items()) or "no parameters"
                raise RegistrationError(
                    f"{self.name!r} gives {name} as a function of its parameters, which has no value for {where}: "
                    f"{what.rstrip('.: ')}. Its author has to mend it."
                ) from error
        return values


@frozen(kw_only=True)
class Measurement(Entry):
    """A function of a model at its probes that returns named numbers.

    quantities: every number it can return.   needs: what it uses beyond first derivatives, for the cost
    prediction: any of "hessian", "ball", "trajectory"; "limit" where it needs the kernel of infinite width; "radius"
    where it reads ctx.settings.radius ("ball" implies it).
    companions: {result key: result keys that are stored with it whenever the measurement returns them}.
    """

    quantities: tuple[Quantity, ...] = field(factory=tuple, converter=tuple)
    needs: tuple[str, ...] = field(factory=tuple, converter=_words)
    companions: Mapping[str, tuple[str, ...]] = field(factory=dict, converter=_tuples)

    @property
    def depends_on_radius(self) -> bool:
        """Whether it is measured again for each radius of a run."""
        return not set(RADIUS_NEEDS).isdisjoint(self.needs)

    def __attrs_post_init__(self) -> None:
        if not self.quantities:
            raise RegistrationError(f"Measurement {self.name!r} declares no quantities; name at least one.")
        for need in self.needs:
            if need not in NEEDS:
                raise RegistrationError(f"Measurement {self.name!r} needs {need!r}. {did_you_mean(need, NEEDS)}")
        keys = [_checked(self.name, quantity).key for quantity in self.quantities]
        for key in keys:
            if keys.count(key) > 1:
                raise RegistrationError(f"Measurement {self.name!r} declares {key!r} twice; give each its own key.")
        for key in {*self.companions, *(key for companions in self.companions.values() for key in companions)}:
            if key not in keys:
                raise RegistrationError(f"Measurement {self.name!r} has a companion {key!r}. {did_you_mean(key, keys)}")


def _checked(name: str, quantity: Any) -> Quantity:
    """Return a quantity that a measurement may declare; raise RegistrationError otherwise."""
    if not isinstance(quantity, Quantity):
        raise RegistrationError(f"Measurement {name!r} declares {quantity!r}; give a Quantity(name, symbol).")
    words = ("name", "symbol", "unit", "reduction", "summary", "key", "per")
    if wrong := [word for word in words if not isinstance(getattr(quantity, word), str)]:
        raise RegistrationError(f"Measurement {name!r}: the {wrong[0]} of {quantity.name!r} is not text.")
    if quantity.direction not in DIRECTIONS:
        hint = did_you_mean(str(quantity.direction), DIRECTIONS)
        raise RegistrationError(f"Measurement {name!r}: {quantity.key} has direction {quantity.direction!r}. {hint}")
    try:
        low, high = map(float, quantity.bounds)
    except (TypeError, ValueError):
        low = high = float("nan")
    if not low < high:
        raise RegistrationError(
            f"Measurement {name!r}: {quantity.key} has bounds {quantity.bounds!r}; give (low, high)."
        )
    return quantity


@frozen(kw_only=True)
class Dataset(Entry):
    """A source of inputs and targets: load(*, form, n, seed) -> (x, y). forms: those it can give."""

    forms: tuple[str, ...] = field(default=("vector",), converter=_words)


@frozen(kw_only=True)
class Kernel(Entry):
    """An infinite-width kernel."""


@frozen(kw_only=True)
class Suite(Entry):
    """A named set of runs. The target returns a mapping of run options, or is a path to a TOML file."""


@frozen(kw_only=True)
class LayerRules(Entry):
    """How one Keras layer type is tapped, perturbed and contracted. name: the layer class, "module:Class"."""


KINDS: dict[str, type[Entry]] = {
    "architectures": Architecture,
    "measurements": Measurement,
    "datasets": Dataset,
    "kernels": Kernel,
    "suites": Suite,
    "layer_rules": LayerRules,
}

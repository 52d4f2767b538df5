"""Checks of a measurement."""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, get_args

import keras
import numpy as np
from attrs import asdict, evolve

from ..engine.context import Context
from ..errors import Unsupported
from ..layers import Scale
from ..registry.calling import call_with_known_names
from ..registry.current import registry
from ..registry.manager import Registry
from ..registry.specs import Architecture, Dataset, Measurement
from ..report.escape import visible
from ..runner.curves import checked_curves
from ..runner.worker import GroupWorker, as_value, checked, not_finite
from ..types import Cell, Curve, CurveSpec, ErrorKind, Quantity, Settings, Status, Value, quantity_of
from .checks import Checks, numbered, require, skip

FACTOR = 2.0  # factor of outputs and targets; a power of two causes no rounding
_UNIT = re.compile(r"(?:1|(?P<inverse>1/)?f(?:\^(?P<power>-?\d+))?)\Z")

Values = Mapping[str, Value]


def power_of_output(unit: str) -> float | None:
    """Return p if a unit is the p-th power of the output's unit: "1", "f", "f^2", "1/f", "f^-1"; otherwise None."""
    match = _UNIT.match(unit)
    if match is None:
        return None
    if unit == "1":
        return 0.0
    return float(match["power"] or 1) * (-1 if match["inverse"] else 1)


class MeasurementChecks(Checks):
    """Checks M1 to M12 of one measurement, in float64 on small models; subclass it in a test file.

    Attributes:
        measurement: Registered name of the measurement.
        linear: An architecture that is linear in its parameters.
        curved: An architecture that is not linear; default: "fc" for a measurement that needs "limit", otherwise
            "fc-square-output".
        width: Width of both architectures.
        settings: Sizes of the measurement, with as many ball probes as probes.
    """

    measurement: str = ""
    linear: str = "linear"
    curved: str = ""
    width: int = 16
    settings: Settings = Settings(n_probes=4, ball_probes=4, draws=2)

    @property
    def entry(self) -> Measurement:
        """The registered entry."""
        require(self.measurement, f'{type(self).__name__} has no measurement; set measurement = "NAME".')
        return registry().get("measurements", self.measurement)

    @property
    def bent(self) -> str:
        """The curved architecture."""
        return self.curved or ("fc" if "limit" in self.entry.needs else "fc-square-output")

    @property
    def quantities(self) -> dict[str, Quantity]:
        """The declared quantities, by result key."""
        return {quantity.key: quantity for quantity in self.entry.quantities}

    @property
    def declared_curves(self) -> dict[str, CurveSpec]:
        """The declared curves, by name."""
        return {curve.name: curve for curve in self.entry.curves}

    # -- what is measured ------------------------------------------------------------------------------------------

    def context(self, architecture: str, *, factor: float = 1.0, permuted: bool = False) -> Context:
        """Return a model's context, with outputs and targets multiplied by `factor`, and probes optionally permuted."""

        def make() -> Context:
            known = _variant(architecture, factor, permuted)
            cell = self._cell(architecture, known, dataset="permuted" if permuted else "digits")
            context = GroupWorker([cell], known).context(cell)
            assert isinstance(context, Context)  # its width is finite
            context.__class__ = _Watched
            return context

        return self.shared(("context", architecture, factor, permuted), make)

    def _cell(self, architecture: str, known: Registry, *, width: float | None = None, dataset: str = "digits") -> Cell:
        return Cell(
            architecture=architecture,
            params=known.architectures[architecture].resolve({}),
            width=self.width if width is None else width,
            seed=0,
            dataset=dataset,
            dataset_params={},
            measurement=self.measurement,
            quantities=tuple(sorted({*self.quantities, *self.declared_curves})),
            settings=asdict(self.settings),
            precision="float64",
        )

    def once(self, context: Context, radius: float | None = None, keys: Iterable[str] | None = None) -> Any:
        """Call the measurement as a run does and return its result.

        Args:
            context: The context.
            radius: Radius of the ball; default: the settings' radius.
            keys: Requested result keys; default: all quantities.

        Returns:
            What the measurement returned.
        """
        settings = evolve(self.settings, radius=radius or self.settings.radius)
        context.start(self.measurement, frozenset(self.quantities if keys is None else keys), settings)
        return call_with_known_names(self.entry.load(), context)

    def curves(self, architecture: str, **options: Any) -> dict[str, Curve]:
        """Return the checked curves, without those that this model does not have."""

        def measure() -> dict[str, Curve]:
            names = list(self.declared_curves)
            found = self.once(self.context(architecture, **options), keys=names)
            curves: dict[str, Curve] = {}
            for name in names:
                with contextlib.suppress(Unsupported):
                    curves |= checked_curves(self.entry, found, [name])
            checked_curves(self.entry, found, curves)  # all together: the number of points
            return curves

        return self.shared(("curves", architecture, *options.items()), measure)

    def values(self, architecture: str, **options: Any) -> dict[str, Value]:
        """Return the checked values, without the quantities that have no value for this model."""

        def measure() -> dict[str, Value]:
            context = self.context(architecture, **options)
            found = self.once(context)
            values: dict[str, Value] = {}
            for key in self.quantities:
                try:
                    values |= checked(self.entry, found, [key], context.precision)
                except Unsupported:
                    continue
            bad = not_finite(self.entry, found, values)
            require(not bad, f"{bad} Return None if a quantity has no value.")
            return {key: value for key, value in values.items() if value.value is not None}

        return self.shared(("values", architecture, *options.items()), measure)

    # -- the checks ------------------------------------------------------------------------------------------------

    @numbered("M1", stops=True)
    def test_m01_is_registered(self) -> None:
        """The name is registered, and the function can be loaded."""
        require(
            callable(self.entry.load()), f"The target of {self.measurement!r} is not a function; register measure(ctx)."
        )

    @numbered("M2", stops=True)
    def test_m02_returns_what_it_declares(self) -> None:
        """On a linear and on a curved model, it returns all its quantities, finite and within their bounds."""
        keys = {key for name in (self.linear, self.bent) for key in self.values(name)}
        found = {quantity.key for key in keys if (quantity := quantity_of(self.quantities, key)) is not None}
        missing = sorted(set(self.quantities) - found)
        require(
            not missing,
            f"{', '.join(missing)} has no value on {self.linear} or {self.bent}. Return it, or do not declare it.",
        )

    @numbered("M3")
    def test_m03_is_repeatable(self) -> None:
        """The same model gives the same values, regardless of earlier random numbers and measurements."""
        context, found = self.context(self.bent), []
        for other in (1, 2):
            keras.utils.set_random_seed(other)
            given = self.once(context)
            numbers = {key: value for key, value in given.items() if key not in self.declared_curves}
            found.append({key: as_value(value, "float64").value for key, value in numbers.items()})
        moved = [key for key in found[0] if not _alike(found[0][key], found[1].get(key), 1e-12)]
        require(not moved, f"{', '.join(moved)} changed between two calls. Draw random numbers from ctx.rng only.")

    @numbered("M4")
    def test_m04_errors_are_errors(self) -> None:
        """Errors are finite, not negative, and of a known kind."""
        for key, value in self.values(self.bent).items():
            kinds = get_args(ErrorKind)
            require(
                value.error_kind in kinds,
                f"{key} has the unknown error kind {value.error_kind!r}; use one of {kinds}.",
            )
            right = value.error is None or (math.isfinite(value.error) and value.error >= 0)
            require(right, f"{key} has the error {value.error}; errors must be finite and not negative.")

    @numbered("M5")
    def test_m05_the_direction_is_towards_linear(self) -> None:
        """By the declared direction, a linear model, whose curvature is 0, is more linear than a curved one."""
        flat, bent = self.values(self.linear), self.values(self.bent)
        compared = 0
        for key, quantity in self.quantities.items():
            if quantity.direction == "none" or key not in flat or key not in bent:
                continue
            low, high = _number(flat[key]), _number(bent[key])
            if quantity.direction == "higher":
                low, high = -low, -high
            compared += 1
            require(
                low < high,
                f"{key} is {_number(flat[key]):.3g} on {self.linear} and {_number(bent[key]):.3g} on {self.bent}, so "
                f'"{quantity.direction}" does not mean more linear. Declare the other direction, or "none".',
            )
        if not compared:
            skip("no quantity declares a direction")

    @numbered("M6")
    def test_m06_units_are_those_of_the_numbers(self) -> None:
        """When outputs and targets are doubled, every quantity in powers of f changes according to its unit."""
        once, twice = self.values(self.bent), self.values(self.bent, factor=FACTOR)
        compared = 0
        for key in once:
            quantity = quantity_of(self.quantities, key)
            power = None if quantity is None else power_of_output(quantity.unit)
            if quantity is None or power is None or key not in twice:
                continue
            compared += 1
            expected = _number(once[key]) * FACTOR**power
            if not _alike(expected, twice[key].value, _tolerance(once[key])):
                ratio = _number(twice[key]) / _number(once[key]) if once[key].value else math.inf
                likely = f"f^{math.log(ratio) / math.log(FACTOR):.2g}" if 0 < ratio < math.inf else "another one"
                require(
                    False,
                    f"{key} has the unit {quantity.unit!r}, but doubling the output multiplies it by {ratio:.3g}: that "
                    f"is {likely}. Declare the unit of the value, or normalise the value.",
                )
        if not compared:
            skip("no quantity has a power of the output's unit f as its unit")

    @numbered("M7")
    def test_m07_the_order_of_inputs_plays_no_part(self) -> None:
        """The values do not depend on the order of the probes."""
        first, other = self.values(self.bent), self.values(self.bent, permuted=True)
        for key in {**first, **other}:
            a, b = first.get(key), other.get(key)
            same = (a is None) == (b is None) and (a is None or b is None or _alike(a.value, b.value, _tolerance(a)))
            seen = " and ".join("no value" if v is None else f"{v.value:.4g}" for v in (a, b))
            require(same, f"{key} depends on the order of the probes: {seen}. Treat all probes alike.")

    @numbered("M8")
    def test_m08_needs_are_declared(self) -> None:
        """Everything that it uses beyond first derivatives is declared, so that a dry run can predict its cost."""
        self.values(self.bent), self.curves(self.bent)
        used = _Watched.used.get(id(self.context(self.bent)), set())
        hidden = {need for need in used if need not in self.entry.needs}
        if "ball" in self.entry.needs:
            hidden -= {"hessian"}
        require(not hidden, f"It uses {', '.join(sorted(hidden))} of ctx; declare needs={sorted(hidden)}.")
        if not self.entry.depends_on_radius:
            first, given = self.values(self.bent), self.once(self.context(self.bent), 2 * self.settings.radius)
            other = {key: as_value(given[key], "float64").value for key in first}
            moved = [key for key, value in first.items() if not _alike(value.value, other[key], 1e-9)]
            require(
                not moved,
                f'{", ".join(moved)} depends on ctx.settings.radius. Declare needs="radius", so that a run with '
                "several radii measures it at each of them.",
            )

    @numbered("M9")
    def test_m09_what_is_said_of_it_makes_sense(self) -> None:
        """The measurement and its quantities have summaries and symbols, in printable text."""
        require(self.entry.summary, f"{self.measurement!r} has no summary; say in a few words what it measures.")
        for key, quantity in self.quantities.items():
            require(quantity.summary and quantity.symbol, f"{key} has no summary or no symbol; tables show both.")
            require(quantity.unit, f'{key} has an empty unit; write "1" for a pure number.')
            for text in (self.entry.summary, key, quantity.symbol, quantity.unit, quantity.summary, quantity.reduction):
                require(visible(text) == text, f"{text!r} contains non-printable characters; write plain text.")

    @numbered("M10")
    def test_m10_test_labels_change_errors_alone(self) -> None:
        """Scrambled labels of the test part change no quantity but those whose names begin with "test_"."""
        if not self.entry.needs_task:
            skip('the measurement does not need a "task"')
        context, first = self.context(self.bent), self.values(self.bent)
        task = context.task
        x, y = task.test
        context._task = evolve(task, test=(x, np.random.default_rng(0).permutation(y)))
        try:
            given = self.once(context)
        finally:
            context._task = task
        other = {key: as_value(given[key], "float64").value for key in first}
        moved = [
            key
            for key, value in first.items()
            if not key.startswith("test_") and not _alike(value.value, other[key], 1e-12)
        ]
        require(
            not moved,
            f"{', '.join(moved)} changed with the labels of the test part. Choose and fit on the train part alone; "
            'names of quantities that depend on test labels begin with "test_".',
        )

    @numbered("M11")
    def test_m11_curves_are_what_they_declare(self) -> None:
        """Curves are returned when they are requested, are repeatable, have their declared unit and a summary.

        They are functions of increasing x within their bounds, do not depend on the order of the probes, and the
        numbers are the same with and without them.
        """
        if not self.declared_curves:
            skip("it declares no curves")
        first = self.curves(self.bent)
        missing = sorted(set(self.declared_curves) - {*first, *self.curves(self.linear)})
        require(
            not missing,
            f"The curve {', '.join(missing)} is missing on {self.linear} and {self.bent}, although it is in "
            "ctx.quantities. Return it, or do not declare it.",
        )
        given = self.once(self.context(self.bent), keys=self.declared_curves)
        again = {name: curve for name, curve in given.items() if name in first}
        permuted, doubled = self.curves(self.bent, permuted=True), self.curves(self.bent, factor=FACTOR)
        for name, curve in first.items():
            spec = self.declared_curves[name]
            require(spec.summary and spec.symbol, f"{name} has no summary or no symbol; plots show both.")
            for text in (name, spec.symbol, spec.unit, spec.x_unit, spec.summary):
                require(
                    text and visible(text) == text, f"{name}: {text!r} is empty or contains non-printable characters."
                )
            wrong = _difference(curve, again[name], 1.0, 1e-12)
            require(not wrong, f"{name} changed between two calls: {wrong}. Draw random numbers from ctx.rng only.")
            if name in permuted:
                wrong = _difference(curve, permuted[name], 1.0, 1e-3)
                require(not wrong, f"{name} depends on the order of the probes: {wrong}. Treat all probes alike.")
            power = power_of_output(spec.unit)
            if power is not None and name in doubled:
                wrong = _difference(curve, doubled[name], FACTOR**power, 1e-3)
                require(not wrong, f"{name} has the unit {spec.unit!r}, but doubling the output gives {wrong}.")
        if self.quantities:
            alone = self.once(self.context(self.bent))
            both = self.once(self.context(self.bent), keys=[*self.quantities, *self.declared_curves])
            moved = [
                key
                for key in self.values(self.bent)
                if not _alike(as_value(alone[key], "float64").value, as_value(both[key], "float64").value, 1e-12)
            ]
            require(not moved, f"{', '.join(moved)} changes when curves are requested. Compute it in the same way.")

    @numbered("M12")
    def test_m12_the_limit_can_be_measured(self) -> None:
        """With at_infinity=True, it returns quantities or curves at infinite width, within their bounds."""
        if not self.entry.at_infinity:
            skip("it does not measure kernels at infinite width")
        cell = self._cell("fc", registry(), width=math.inf)
        worker = GroupWorker([cell], registry())
        context = worker.context(cell)
        keys = [*self.quantities, *self.declared_curves]
        results = [worker.measure(evolve(cell, quantities=(key,)), context, time.perf_counter()) for key in keys]
        for result in results:
            require(result.status is not Status.FAILED, f"At infinite width: {result.message}")
        numbers = [value.value for result in results for value in result.values.values()]
        require(
            any(number is not None for number in numbers) or any(result.curves for result in results),
            "At infinite width it returns nothing. Compute a quantity there from ctx.kernel or ctx.limit, or remove "
            "at_infinity=True.",
        )


class _Watched(Context):
    """A context that records what a measurement uses beyond first derivatives."""

    used: ClassVar[dict[int, set[str]]] = {}

    def _note(self, need: str) -> None:
        _Watched.used.setdefault(id(self), set()).add(need)

    @property
    def trajectory(self) -> Any:
        self._note("trajectory")
        return Context.trajectory.__get__(self, Context)

    @property
    def hessian_norms(self) -> Any:
        self._note("hessian")
        return super().hessian_norms

    @property
    def curvatures(self) -> Any:
        self._note("hessian")
        return super().curvatures

    def hessian_norm(self, x: Any = None, **options: Any) -> Any:
        self._note("hessian")
        return super().hessian_norm(x, **options)

    def hvp(self, x: Any, vectors: Any, **options: Any) -> list[np.ndarray]:
        self._note("hessian")
        return super().hvp(x, vectors, **options)


def _variant(name: str, factor: float, permuted: bool) -> Registry:
    """Return the registry with scaled outputs and targets of one architecture, and with a permuted digits dataset."""
    entry: Architecture = registry().get("architectures", name)
    build = entry.load()

    def scaled(width: int, **given: Any) -> Any:
        model = call_with_known_names(build, width, **given)
        return keras.Model(model.inputs, Scale(factor, name="factor")(model.outputs[0]))

    low, high = entry.targets
    if factor != 1:
        entry = evolve(entry, target=scaled, targets=(factor * low, factor * high))
    known = registry().with_architectures({name: entry})
    digits: Dataset = registry().get("datasets", "digits")

    def reordered(**given: Any) -> tuple[np.ndarray, np.ndarray]:
        x, y = call_with_known_names(digits.load(), **given)
        return x[::-1], y[::-1]

    known.register(
        "datasets", "permuted", reordered, distribution="ntkbench.testing", forms=digits.forms, task=digits.task
    )
    return known


def _number(value: Value) -> float:
    assert value.value is not None
    return value.value


def _tolerance(value: Value) -> float:
    """Return the allowed relative difference between two computations of a value."""
    own = 0.0 if value.error is None or not value.value else 4 * value.error / abs(value.value)
    return max(own, {"bound": 0.05, "statistical": 0.05}.get(value.error_kind, 1e-4))


def _difference(a: Curve, b: Curve, factor: float, tolerance: float) -> str:
    """Return where curve b differs from factor·a, "" if nowhere. The ends of curves may differ by rounding."""
    other = dict(zip(b.x, b.y, strict=True))
    common = [(x, factor * y, other[x]) for x, y in zip(a.x, a.y, strict=True) if x in other]
    if 2 * len(common) < len(a.x):
        return f"{len(a.x)} values of x, of which only {len(common)} are common"
    apart = [(x, one, two) for x, one, two in common if not _alike(one, two, tolerance)]
    return "" if not apart else "y = {1:.4g} and {2:.4g} at x = {0:g}".format(*apart[0])


def _alike(a: float | None, b: float | None, tolerance: float) -> bool:
    if a is None or b is None:
        return a is b
    return a == b or abs(a - b) <= tolerance * max(abs(a), abs(b)) or max(abs(a), abs(b)) < 1e-12

"""Checks of an architecture."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from attrs import asdict

from ..datasets.forms import MASKED
from ..engine.checks import relative
from ..engine.context import Context
from ..engine.model import Network, dtype_policy, in_precision
from ..engine.ntk import empirical_ntk
from ..engine.self_test import SAMPLES, self_test
from ..errors import NtkbenchError, did_you_mean
from ..nests import is_nest, shapes
from ..plan.arch_spec import ArchitectureRequest, parse_arch
from ..plan.cost import parameter_law
from ..plan.data import load_data
from ..plan.python_file import GIVEN, FileArchitecture
from ..registry.current import registry
from ..registry.specs import Architecture, Dataset, Param
from ..report.escape import visible
from ..runner.build import build_model, build_with, seed_of
from ..runner.coordinates import batch_of, in_coordinates
from ..runner.worker import GroupWorker, check_output
from ..store.cell_file import decode, encode
from ..types import Cell, Settings, Status
from .checks import Checks, numbered, require, skip
from .datasets import dataset_of

NEGATIVE = 1e-10  # negative eigenvalues up to this fraction of the largest one are float64 rounding
SAME_FUNCTION = 1e-3  # relative difference of outputs between float32 and float64
SEEDS = 24  # networks over which the distance from the limit is averaged
COUNT = 0.1  # relative difference between the predicted and the actual number of weights


class ArchitectureChecks(Checks):
    """Checks A1 to A17 of one architecture; subclass it in a test file.

    Attributes:
        architecture: The architecture, as given to `--arch`, such as "glu" or "glu:depth=3".
        widths: Three widths in ascending order that are cheap to build.
    """

    architecture: str = ""
    widths: tuple[int, ...] = (8, 16, 32)

    @property
    def request(self) -> ArchitectureRequest:
        """The parsed name, with the registered entry and its parameters."""

        def parse() -> ArchitectureRequest:
            require(self.architecture, f'{type(self).__name__} has no architecture; set architecture = "NAME".')
            return parse_arch(self.architecture, registry())[0]

        return self.shared("request", parse)

    @property
    def entry(self) -> Architecture:
        """The registered entry."""
        return self.request.entry

    @property
    def forms(self) -> tuple[str, ...]:
        """The declared forms of data; for a function in a file, the value of its parameter `inputs`."""
        if isinstance(self.entry, FileArchitecture):
            return (self.entry.resolve(self.request.params)["inputs"],)
        return self.entry.inputs

    def dataset(self, form: str | None = None) -> Dataset:
        """Return a dataset that provides a form: digits, or the first registered one that does."""
        return dataset_of(form or self.forms[0])

    def x(self, form: str | None = None) -> Any:
        """Return two inputs of a dataset in a form: [2, ...], an array or a nest of arrays."""
        given, wanted = self.dataset(form), form or self.forms[0]
        load = partial(load_data, given, given.resolve({}), form=wanted, n=SAMPLES, seed=0)
        return self.shared(("x", wanted), lambda: load()[0])

    def _about(self, form: str | None = None) -> dict[str, Any]:
        x = self.x(form)
        return {"vocabulary": self.dataset(form).vocabulary, "example": x if is_nest(x) else None}

    def build(
        self, width: int, *, seed: int = 0, form: str | None = None, precision: str = "float64", **given: Any
    ) -> Any:
        """Return a new model, built as a run builds it."""
        cell = self._cell(width, seed, precision, {**self.request.params, **given})
        model = build_model(self.entry, cell, shapes(self.x(form)), precision, **self._about(form))
        return self._measured(model, precision, form, seed_of(cell))

    def at_one_seed(self, width: int, **given: Any) -> Any:
        """Return a model whose seed does not depend on width and parameters, although it does in a run."""
        params = self.entry.resolve({**self.request.params, **given})
        model = build_with(self.entry, width, shapes(self.x()), "float64", seed=1, params=params, **self._about())
        return self._measured(model, "float64", None, 1)

    def _measured(self, model: Any, precision: str, form: str | None, seed: int) -> Any:
        """Return a built model as a run measures it: in the architecture's own units, and in a precision."""
        entry, dataset = self.entry, self.dataset(form)
        batch = batch_of(dataset, dataset.resolve({}), form or self.forms[0], 0, self.x(form))
        model = in_coordinates(model, batch, units=entry.units, redraw=entry.redraw, seed=seed)
        return in_precision(model, precision)

    def _cell(self, width: int, seed: int, precision: str, given: Mapping[str, Any]) -> Cell:
        return Cell(
            architecture=self.request.name,
            params=self.entry.params_of_cells(given),
            width=width,
            seed=seed,
            dataset=self.dataset().name,
            dataset_params=self.dataset().resolve({}),
            measurement="gradient",
            quantities=("gradient_norm",),
            settings=asdict(Settings(n_probes=SAMPLES)),
            precision=precision,
            units=self.entry.units,
            redraw=self.entry.redraw,
        )

    @property
    def net(self) -> Network:
        """The smallest model, in float64."""
        return self.shared("net", lambda: Network(self.build(self.widths[0])))

    @numbered("A1", stops=True)
    def test_a01_is_registered(self) -> None:
        """The name is registered, and the build function can be loaded."""
        entry = self.entry
        require(callable(entry.load()), f"The target of {entry.name!r} is not a function; register build(width, ...).")

    @numbered("A2", stops=True)
    def test_a02_the_signature_is_what_a_run_calls(self) -> None:
        """The build function takes the width first, and every declared parameter by name."""
        parameters = inspect.signature(self.entry.load()).parameters.values()
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
        require(positional, "The build function takes no width; its first argument must be the width to build.")
        required = {
            p.name for p in parameters if p.default is p.empty and p.kind in (p.KEYWORD_ONLY, positional[0].kind)
        }
        unknown = required - {positional[0].name, *GIVEN, *self.entry.params, *self.request.params}
        unknown -= {p.name for p in parameters if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        require(
            not unknown, f"The build function requires {_listed(unknown)}, which is not passed. Declare it in params=."
        )
        if not any(p.kind is p.VAR_KEYWORD for p in parameters) and not isinstance(self.entry, FileArchitecture):
            ignored = set(self.entry.params) - {p.name for p in parameters}
            require(
                not ignored,
                f"params= declares {_listed(ignored)}, which the build function does not take. Add it to the function.",
            )

    @numbered("A3", stops=True)
    def test_a03_builds_models_for_every_form_it_declares(self) -> None:
        """A model can be built for every declared form of data; it has finite outputs of the declared number."""
        for form in self.forms:
            for width in self.widths[:2]:
                net = Network(self.build(width, form=form))
                check_output(net, self.x(form), f"{self.request.label} at width {width}")
                units = net.outputs(net.inputs(self.x(form))).shape[1]
                require(
                    units == self.entry.outputs,
                    f"outputs={self.entry.outputs} is declared, but the model has {units} output units per input. "
                    "Build as many as the argument `outputs` says.",
                )

    @numbered("A4")
    def test_a04_one_seed_gives_one_model(self) -> None:
        """The same seed gives the same weights, bit for bit, regardless of earlier random numbers."""
        drawn = []
        for other in (1, 2):
            keras.utils.set_random_seed(other)
            drawn.append(_weights(self.at_one_seed(self.widths[0])))
        same = len(drawn[0]) == len(drawn[1]) and all(map(np.array_equal, *drawn))
        require(same, "The same seed gave different weights. Pass the argument `seed` to every random layer.")

    @numbered("A5")
    def test_a05_another_seed_gives_another_model(self) -> None:
        """Different seeds give different weights."""
        first, second = (_weights(self.build(self.widths[0], seed=seed)) for seed in (3, 4))
        other = len(first) != len(second) or not all(map(np.array_equal, first, second))
        require(other, "Every seed gives the same weights. Draw them from the argument `seed`.")

    @numbered("A6")
    def test_a06_width_means_what_it_says(self) -> None:
        """The number of trainable weights grows with width; with grows=False, the outputs change instead."""
        models = [self.build(width) for width in self.widths]
        counts = [sum(math.prod(v.shape) for v in model.trainable_variables) for model in models]
        if self.entry.grows:
            grows = all(a < b for a, b in itertools.pairwise(counts))
            require(
                grows,
                f"At widths {_listed(self.widths)} it has {_listed(counts)} trainable weights. Let `width` set the "
                "size of the layers, or declare grows=False if it has another meaning.",
            )
        else:
            outputs = [self._moved(Network(self.at_one_seed(width))) for width in self.widths[:2]]
            require(relative(*outputs) > 0, "Width affects neither size nor outputs. Use the argument `width`.")

    @numbered("A7")
    def test_a07_parameters_do_something(self) -> None:
        """Every parameter changes the weights or the outputs when it differs from its default."""
        base = self.shared("fingerprint", lambda: self._fingerprint({}))
        for param in self.entry.params.values():
            if param.name == "inputs" and isinstance(self.entry, FileArchitecture):
                continue
            usual = self.entry.resolve(self.request.params)[param.name]
            found = [self._refusable(param.name, value) for value in _others(param) if value != usual]
            prints = [each for each in found if each is not None]
            require(
                not prints or not all(_equal(base, each) for each in prints),
                f"Values of {param.name} other than {usual} change nothing. Use the parameter, or do not declare it.",
            )
        for row in self.entry.rows:  # some need more units than the smallest width has
            self.at_one_seed(self.widths[-1], **row)

    def _refusable(self, name: str, value: Any) -> list[np.ndarray] | None:
        """Return the fingerprint at another value of a parameter, None if the value raises NtkbenchError."""
        try:
            return self._fingerprint({name: value})
        except NtkbenchError:
            return None

    def _fingerprint(self, given: Mapping[str, Any]) -> list[np.ndarray]:
        net = Network(self.at_one_seed(self.widths[0], **given))
        return [*_weights(net.model), self._moved(net)]

    def _moved(self, net: Network) -> np.ndarray:
        """Return the outputs at perturbed weights, because at the initial weights they may be 0 by construction."""
        start = net.theta()
        net.assign(start + 0.1 * np.sin(np.arange(1, net.size + 1)))
        outputs = np.asarray(net.outputs(net.inputs(self.x())))
        net.assign(start)
        return outputs

    @numbered("A8")
    def test_a08_derivatives_are_right(self) -> None:
        """First and second derivatives agree with finite differences, and two ways to compute the kernel agree."""
        test = self.shared("self test", lambda: self_test(self.net, self.x()))
        require(test.right, " ".join(test.problems))
        if not test.derivatives.sure:
            skip("kinks or rounding leave no step size at which finite differences are reliable")

    @numbered("A9")
    def test_a09_the_kernel_is_positive_semidefinite(self) -> None:
        """The tangent kernel is finite and symmetric, and has no negative eigenvalue beyond rounding."""
        kernel = empirical_ntk(self.net, self.x())
        require(np.isfinite(kernel).all(), "The tangent kernel is not finite. Look for a division or a root at 0.")
        require(
            relative(kernel, kernel.T) < 1e-12,
            "The tangent kernel is not symmetric, because gradients are not repeatable. Make them deterministic.",
        )
        low, high = np.linalg.eigvalsh(kernel)[[0, -1]]
        require(
            high > 0, "The tangent kernel is 0: no trainable weight affects the output. Make some weights trainable."
        )
        require(
            low >= -NEGATIVE * high,
            f"The tangent kernel has a negative eigenvalue of {low:.2g}, while the largest is {high:.2g}. {_REPORT}",
        )

    @numbered("A10")
    def test_a10_the_precision_does_not_change_the_function(self) -> None:
        """The same seed gives the same function in float32 and float64."""
        keras.utils.set_random_seed(1)
        low, high = (Network(self.build(self.widths[0], precision=each)) for each in ("float32", "float64"))
        require(low.dtype != high.dtype, "The weights ignore the precision. Do not set the layers' dtype.")
        difference = relative(*(np.asarray(net.outputs(net.inputs(self.x()))) for net in (low, high)))
        require(
            difference < SAME_FUNCTION,
            f"With the same seed, outputs differ by {difference:.2g} between float32 and float64. Draw weights in "
            "float64 and cast them, as ntkbench.layers does; Keras's initialisers draw different numbers in each "
            "precision.",
        )

    @numbered("A11")
    def test_a11_theory_is_about_quantities_that_exist(self) -> None:
        """The exponents in theory= are finite, have a source, and belong to registered quantities."""
        known = {q.key for entry in registry().measurements.values() for q in entry.quantities}
        sets = (self.request.params, *self.entry.rows)
        names = known | {q.name for entry in registry().measurements.values() for q in entry.quantities}
        for key in (name for given in sets for name in self.entry.resolved(given).decided_by):
            require(
                key in names, f"decided_by names {key!r}, which no measurement declares. {did_you_mean(key, names)}"
            )
        for key, law in (claim for given in sets for claim in self.entry.resolved(given).theory.items()):
            hint = did_you_mean(key, known)
            require(key in known, f"theory names {key!r}, which no measurement declares. {hint}")
            require(math.isfinite(law.exponent), f"theory[{key!r}] has the exponent {law.exponent}; give a finite one.")
            require(law.source.strip(), f"theory[{key!r}] has no source; name the paper and its theorem.")

    @numbered("A12")
    def test_a12_what_is_said_of_it_makes_sense(self) -> None:
        """It has a summary, printable texts, two different targets, and ascending widths of known presets."""
        from ..plan.preset import PRESETS

        entry = self.entry
        own = isinstance(entry, FileArchitecture)
        require(own or entry.summary, f"{entry.name!r} has no summary; say in a few words what it is.")
        for text in (entry.summary, entry.width_means, *(param.help for param in entry.params.values())):
            require(visible(text) == text, f"{text!r} contains non-printable characters; write plain text.")
        low, high = entry.targets
        require(
            low != high and math.isfinite(low) and math.isfinite(high),
            f"targets={(low, high)} is invalid; give two different finite numbers.",
        )
        for given in entry.rows:
            if pair := entry.resolved(given).pair:
                try:
                    parse_arch(pair, registry())
                except NtkbenchError as error:
                    require(False, f"pair={pair!r} is not an architecture: {error}")
        for preset, widths in entry.widths.items():
            require(preset in PRESETS, f"widths= has the unknown preset {preset!r}. {did_you_mean(preset, PRESETS)}")
            right = widths and widths[0] >= 1 and list(widths) == sorted(set(widths))
            require(right, f"widths[{preset!r}] is {list(widths)}; give positive integers in ascending order.")

    @numbered("A13")
    def test_a13_its_size_can_be_predicted(self) -> None:
        """The number of weights is at most cubic in width, so that a dry run can predict memory and time."""
        shape, largest = shapes(self.x()), 2 * self.widths[-1]
        with dtype_policy("float32"):
            law = parameter_law(self.request, shape, (largest,) * 4, self.dataset().vocabulary)
        require(
            law is not None,
            "It cannot be built at widths 8, 16, 24 and 32, so a dry run cannot predict its cost. Allow these widths.",
        )
        assert law is not None
        actual = sum(math.prod(v.shape) for v in self.build(largest, precision="float32").trainable_variables)
        require(
            abs(law(largest) - actual) <= COUNT * actual,
            f"At width {largest} it has {actual:,} trainable weights, but {law(largest):,} are predicted from small "
            "widths. Let layers grow in proportion to width.",
        )

    @numbered("A14")
    def test_a14_a_run_measures_it_repeatably(self) -> None:
        """A cell of a run ends as ok, twice with the same values, and its result can be stored as JSON."""
        known = registry().with_architectures({self.request.name: self.entry})
        cell = self._cell(self.widths[0], 1, "float32", self.request.params)
        first, second = (next(iter(GroupWorker([cell], known).results())) for _ in range(2))
        require(first.status is Status.OK, f"A cell of a run ended as {first.status}: {first.message}")
        require(
            first.values == second.values,
            "Two runs of the same cell gave different values. Derive all random numbers from `seed`.",
        )
        again = decode(encode(first), "the result")
        require(again.values == first.values, "The result changes when it is stored as JSON.")

    @numbered("A15")
    def test_a15_padding_does_not_matter(self) -> None:
        """Other numbers in the padding of ragged sequences or tokens change no output and no tangent kernel."""
        padded = {form: _padded(self.x(form), self.dataset(form).vocabulary) for form in self.forms}
        pairs = {form: pair for form, pair in padded.items() if pair is not None}
        if not pairs:
            skip("none of its forms has a mask")
        for form, (first, second) in pairs.items():
            net = Network(self.build(self.widths[0], form=form))
            outputs = [np.asarray(net.outputs(net.inputs(x))) for x in (first, second)]
            kernels = [empirical_ntk(net, x) for x in (first, second)]
            difference = max(relative(*outputs), relative(*kernels))
            require(
                difference <= NEGATIVE,
                f"Outputs or kernels of form {form!r} differ by {difference:.2g} when only padding changes. Use the "
                "mask wherever steps are read, and return the state of the last valid step.",
            )

    @numbered("A16")
    def test_a16_the_order_of_a_set_does_not_matter(self) -> None:
        """Outputs at sets do not depend on the order of their elements."""
        if "set" not in self.forms:
            skip("none of its forms is a set")
        x = self.x("set")
        net = Network(self.build(self.widths[0], form="set"))
        permuted = np.random.default_rng(0).permutation(x, axis=1)
        difference = relative(*(np.asarray(net.outputs(net.inputs(each))) for each in (x, permuted)))
        require(
            difference <= NEGATIVE,
            f"Outputs differ by {difference:.2g} when the elements of a set are permuted. Combine them by a sum, mean "
            "or maximum.",
        )

    @numbered("A17")
    def test_a17_the_limit_is_that_of_the_network(self) -> None:
        """As the width grows, the tangent kernel approaches the declared limit, on average over seeds."""
        if self.entry.limit is None or not self.entry.grows:
            skip("it declares no limit of growing width")
        from ..kernels.limit import limit_of  # TensorFlow Probability is slow to import

        narrow, wide = (self._errors_of_the_limit(limit_of, width) for width in (self.widths[-1], 8 * self.widths[-1]))
        before, after = (float(np.linalg.norm(errors.mean(0))) for errors in (narrow, wide))
        noise = float(np.sqrt(np.sum(wide.var(0, ddof=1)) / SEEDS))
        require(
            after <= before / 2 + 3 * noise,
            f"From width {self.widths[-1]} to {8 * self.widths[-1]}, the mean difference between the tangent kernel "
            f"and the declared limit changes from {before:.2g} to {after:.2g} of the limit, with a standard error of "
            f"{noise:.1g}. Return the limit of this network, for all parameters and forms.",
        )

    def _errors_of_the_limit(self, limit_of: Any, width: int) -> np.ndarray:
        """Return K − K∞ of each seed, divided by ‖K∞‖: [seeds, N, N]."""
        cells = [self._cell(width, seed, "float64", self.request.params) for seed in range(SEEDS)]
        worker = GroupWorker(cells, registry().with_architectures({self.request.name: self.entry}))
        errors = []
        for cell in cells:
            context = worker.context(cell)
            assert isinstance(context, Context)  # its width is finite
            x = tf.nest.map_structure(tf.constant, context.x)
            limit = limit_of(worker.architecture, cell.params, shapes(context.x), lambda: None).matrix(x, x).numpy()
            errors.append((context.kernel - limit) / np.linalg.norm(limit))
        return np.stack(errors)


def _padded(x: Any, vocabulary: int | None) -> tuple[Any, Any] | None:
    """Return x with its last sequence cut to half, and the same with other numbers in the padding; None if no mask."""
    masked = MASKED.keys() & x.keys() if isinstance(x, Mapping) else None
    if not masked:
        return None
    mask_name = masked.pop()
    name, mask = MASKED[mask_name], np.array(x[mask_name])
    mask[-1, (mask.shape[1] + 1) // 2 :] = False
    values = np.where(mask[(...,) + (None,) * (x[name].ndim - 2)], x[name], 0).astype(x[name].dtype)
    rng = np.random.default_rng(0)
    noise: np.ndarray
    if values.dtype.kind == "f":
        noise = rng.standard_normal(values.shape)
    else:
        noise = rng.integers(0, vocabulary or values.max() + 1, values.shape)
    other = np.where(mask[(...,) + (None,) * (values.ndim - 2)], values, noise).astype(values.dtype)
    return {**x, name: values, mask_name: mask}, {**x, name: other, mask_name: mask}


_REPORT = "Please report it with the model."


def _weights(model: Any) -> list[np.ndarray]:
    variables = getattr(model, "variables", None) or model.trainable_variables
    return [np.asarray(getattr(v, "value", v)) for v in variables]


def _equal(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return len(first) == len(second) and all(map(np.array_equal, first, second))


def _others(param: Param) -> list[Any]:
    """Return up to three allowed values of a parameter other than its default, and its words."""
    if param.choices is not None:
        values: list[Any] = list(param.choices)
    elif param.type == "bool":
        values = [True, False]
    elif param.type in ("int", "float"):
        start = (param.minimum or 0) if param.default in param.words else param.default
        values = [start + 1, start * 2, start - 1]
    else:
        return []
    low = -math.inf if param.minimum is None else param.minimum
    high = math.inf if param.maximum is None else param.maximum
    bounded = param.choices is None and param.type != "bool"
    numbers = [v for v in values if v != param.default and not (bounded and not low <= v <= high)][:3]
    return [*numbers, *(word for word in param.words if word != param.default)]


def _listed(values: Any) -> str:
    return ", ".join(map(str, sorted(values)))

"""Measure one group of cells: all seeds of one architecture at one width."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from attrs import evolve

from ..cache_folder import CacheFolder
from ..datasets.forms import ARRAYS
from ..engine.checks import relative
from ..engine.context import Context
from ..engine.infinite_context import InfiniteContext
from ..engine.model import COPIED, Network, SeveralOutputs, network_in, rounding_of
from ..engine.ops import keras_settings
from ..errors import Diverged, NtkbenchError, TooLarge, Unsupported, message_of, reason_of
from ..nests import is_nest, leaves, shapes
from ..plan.cost import memory_gib
from ..plan.data import form_for, load_data, load_task
from ..plan.keras_file import KerasArchitecture
from ..plan.preset import modest_width
from ..plan.python_file import FileArchitecture
from ..registry.calling import call_with_known_names, exit_as_error
from ..registry.manager import Registry
from ..registry.specs import Architecture, Dataset, Measurement
from ..seeds import seed_for
from ..store.provenance import machine
from ..types import Cell, CellResult, Curve, Settings, Status, Value, quantity_of, written_width
from .build import build_model, seed_of
from .code_watch import CodeWatch
from .coordinates import batch_of, in_coordinates
from .curves import checked_curves
from .saved_functions import saved_functions
from .trial import TRIAL

TRACEBACK_LINES = 20
SAME = 64  # units of roundoff by which outputs of two models of the same function may differ
ROUNDED = 1e-6  # maximum difference between the same weights drawn in two precisions


class GroupWorker:
    """Measures cells of one architecture, params and width. All seeds share compiled functions.

    Args:
        cells: Cells of one group; the cells of a seed must be adjacent.
        registry: The registered entries.
        device: Device, recorded with every result.
        gib: Memory limit of a cell in GiB; cells that are predicted to exceed it are not measured and end as oom.
        workspaces: Folder for the workspaces of the cells; None for temporary ones.
        functions: Folder of saved functions; None if functions are not saved. Only a process that runs no code besides
            that of the entries may use it.
        say: Called with the stages that measurements report; see `CellContext.report`.
        watch: Knows the planned code. A cell whose code has changed since then fails.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        registry: Registry,
        device: str = "cpu",
        gib: float | None = None,
        workspaces: Path | None = None,
        functions: CacheFolder | None = None,
        say: Callable[[str], None] | None = None,
        watch: CodeWatch | None = None,
    ):
        self.cells, self.registry, self.device, self.gib = list(cells), registry, device, gib
        self.workspaces, self.functions, self.say = workspaces, functions, say
        self.watch = watch or CodeWatch()
        self.architecture = registry.subject(cells[0].architecture).resolved(cells[0].params)
        self._networks: dict[tuple[str, int], Network] = {}
        self._limit: Any = None

    def results(self) -> Iterator[CellResult]:
        """Yield the result of each cell as it finishes. A failure is a result with its reason."""
        if self.cells[0].measurement == TRIAL:
            yield from map(self.tried, self.cells)
            return
        for _, of_seed in groupby(self.cells, key=self._of_one_context):
            cells = list(of_seed)
            began = time.perf_counter()
            try:
                context = self.context(cells[0])
            except Exception as error:
                seconds = (time.perf_counter() - began) / len(cells)
                for cell in cells:
                    yield self._unless_changed(self._failed(cell, error, seconds))
                continue
            for cell in cells:
                yield self._unless_changed(self.measure(cell, context, began))
                began = time.perf_counter()

    def _unless_changed(self, result: CellResult) -> CellResult:
        """Return a result, or a failure if a file that it depends on has changed since the run was planned."""
        try:
            self._require_unchanged(result.cell)
        except NtkbenchError as error:
            return self._failed(result.cell, error, result.seconds or 0.0)
        return result

    def _require_unchanged(self, cell: Cell) -> None:
        """Raise NtkbenchError if the code of a cell is not the planned one; what was imported is then forgotten."""
        try:
            self.watch.require_unchanged(cell)
        except NtkbenchError:
            if isinstance(self.architecture, FileArchitecture):
                self.architecture.unload()
            raise

    def tried(self, cell: Cell) -> CellResult:
        """Return the result of building the model of a trial's cell and calling it on its probes; see `TRIAL`."""
        try:
            size = self.context(cell).n_parameters
        except NtkbenchError as error:
            return CellResult(cell=cell, status=Status.UNSUPPORTED, message=message_of(error))
        except Exception as error:
            reason = f"{cell.architecture} could not be built and called: {sentence(error)}{self._other_forms(cell)}"
            return CellResult(cell=cell, status=Status.UNSUPPORTED, message=reason)
        return CellResult(cell=cell, status=Status.OK, n_parameters=size, device=self.device)

    def _other_forms(self, cell: Cell) -> str:
        """Return a hint for a user's function that may have been written for another form of data."""
        if not isinstance(self.architecture, FileArchitecture):
            return ""
        given = cell.params["inputs"]
        others = [form for form in self.registry.get("datasets", cell.dataset).forms if form != given]
        if not others:
            return f" Each input was passed as {given}."
        return (
            f" Each input was passed as {given}. If the function expects another form, append :inputs=FORM to its "
            f"name, with the form {' or '.join(others)}."
        )

    @keras_settings()
    def context(self, cell: Cell) -> Context | InfiniteContext:
        """Return the context that is passed to the measurement of a cell."""
        dataset: Dataset = self.registry.get("datasets", cell.dataset)
        form = form_for(self.architecture, cell.params, dataset)
        x, y = load_data(dataset, cell.dataset_params, form=form, n=cell.settings["n_probes"], seed=cell.seed)
        low, high = self.architecture.targets
        y = low + (np.asarray(y, np.float64) + 1) / 2 * (high - low)
        shared: dict[str, Any] = {
            "seed": cell.seed,
            "device": self.device,
            "settings": Settings(**cell.settings),
            "architecture": self.architecture,
            "params": cell.params,
            "make_rng": lambda name: np.random.default_rng(
                seed_for("directions", cell.architecture, dict(cell.params), written_width(cell.width), cell.seed, name)
            ),
        }
        if self._needs_task(cell):
            task = shared["task"] = load_task(dataset, cell.dataset_params, form=form, seed=cell.seed)
            shared["architecture"] = evolve(self.architecture, outputs=task.outputs)
        if cell.infinite:
            x = x.astype(np.float64) if form in ARRAYS and x.dtype.kind in "iub" else x
            return InfiniteContext(x, y, precision=cell.precision, make_limit=lambda: self.limit(cell, x), **shared)
        return self._finite_context(cell, x, y, shared)

    def _needs_task(self, cell: Cell) -> bool:
        entry = self.registry.measurements.get(cell.measurement)  # a trial's cell names no measurement
        return entry is not None and entry.needs_task

    def _of_one_context(self, cell: Cell) -> tuple[Any, ...]:
        """Return the properties that cells with the same context share: seed, precision, settings except the radius.

        The kernel and the Hessians at w0 and the gradient-descent path do not depend on the radius and are computed
        once. Measurements that need a task get a model with other outputs.
        """
        settings = {name: value for name, value in cell.settings.items() if name != "radius"}
        return cell.seed, cell.precision, settings, self._needs_task(cell)

    def limit(self, cell: Cell, x: Any) -> Any:
        """Return the kernel of the group at infinite width, computed once for all seeds.

        A limit that the architecture does not declare is read off the model of seed 0 at a modest width (see
        `modest_width`), and that of twice the width shows which layers grow. A saved model has one width.
        """
        if self._limit is None:
            width = modest_width(self.architecture.widths)
            models = [
                partial(self._build, self.architecture, evolve(cell, width=at, seed=0), x, cell.precision)
                for at in (width, 2 * width)
            ]
            one_width = isinstance(self.architecture, KerasArchitecture)
            self._limit = self._find_limit(cell, shapes(x), *models[: 1 if one_width else 2])
        return self._limit

    def _find_limit(self, cell: Cell, input_shape: Any, *models: Callable[[], Any]) -> Any:
        if cell.units or cell.redraw:
            raise Unsupported(
                f"The limit of {cell.architecture} at infinite width is known for its own weights only. Measure it "
                "with --units none --redraw none."
            )
        from ..kernels.limit import limit_of  # TensorFlow Probability is slow to import, and few runs need it

        return limit_of(self.architecture, self.architecture.resolve(cell.params), input_shape, *models)

    def _finite_context(self, cell: Cell, x: Any, y: np.ndarray, shared: Mapping[str, Any]) -> Context:
        initial: list[tuple[list[np.ndarray], np.ndarray]] = []

        def make(precision: str) -> Context:
            network, outputs = self._network(cell, shared["architecture"], x, precision)
            has, wanted = outputs.shape[1], shared["architecture"].outputs
            if "task" in shared and has != wanted:
                raise Unsupported(
                    f"{cell.architecture} has {has} output{'s' * (has != 1)}, but the task of {cell.dataset!r} needs "
                    f"{wanted}. Let its build function take outputs= and return a model with that many."
                )
            if precision == cell.precision:
                initial.append((weights_of(network), outputs))
            else:
                weights, expected = initial[0]
                if not alike(weights_of(network), weights):
                    # Keras's initializers draw different numbers in each precision; ours draw the same.
                    set_weights(network, weights)
                    outputs = network.outputs(network.inputs(x)).numpy()
                if relative(outputs, expected) > COPIED:
                    raise NtkbenchError(
                        f"{cell.architecture} built in {precision} is a different function, even with the same "
                        "weights. Make everything else that it draws or fits independent of the precision."
                    )
            # Cached for all seeds of a width: the limit depends on the layers, not on their weights.
            find = partial(self._find_limit, cell, shapes(x), lambda: network.model)
            return Context(
                network,
                x,
                y,
                width=cell.width,
                precision=precision,
                make_limit=lambda: network.cached("limit", find),
                make_float64=lambda: make("float64"),
                planned={quantity for each in self.cells for quantity in each.quantities},
                **shared,
            )

        return make(cell.precision)

    def _build(self, architecture: Architecture, cell: Cell, x: Any, precision: str) -> Any:
        """Return the model of a cell. Its code may have been imported just now: it must be the planned code."""
        model = build_model(architecture, cell, shapes(x), precision, **self._about(cell, x))
        self._require_unchanged(cell)
        return model

    def _about(self, cell: Cell, x: Any) -> dict[str, Any]:
        """Return what a build function may need to know of the data beside their shape."""
        return {
            "vocabulary": self.registry.get("datasets", cell.dataset).vocabulary,
            "example": x if is_nest(x) else None,
        }

    def _network(self, cell: Cell, architecture: Architecture, x: Any, precision: str) -> tuple[Network, np.ndarray]:
        """Return the network of this seed, and its outputs at x.

        The network of an earlier seed is reused, with new weights, if it then is the same function. It may not be,
        because a build function can draw or fit more than weights: a fixed matrix, an activation, statistics.
        """
        model = self._build(architecture, cell, x, precision)
        dataset: Dataset = self.registry.get("datasets", cell.dataset)
        batch = batch_of(dataset, cell.dataset_params, form_for(self.architecture, cell.params, dataset), cell.seed, x)
        model = in_coordinates(model, batch, units=cell.units, redraw=cell.redraw, seed=seed_of(cell))
        built = Network(model, output_name=output_name(architecture, cell.params))
        with exit_as_error(cell.architecture):
            outputs = check_output(built, x, cell.architecture)
        found = network_in(built, x, precision)
        known = self._networks.get((precision, architecture.outputs))
        if found is not built:
            outputs = found.outputs(found.inputs(x)).numpy()
        if known is not None and _loaded(known, found.model):
            inputs = known.inputs(x)
            if relative(known.outputs(inputs).numpy(), outputs) <= SAME * rounding_of(known, inputs):
                return known, outputs
        self._networks[precision, architecture.outputs] = found
        if self.functions is not None:
            found.saved = saved_functions(
                self.functions,
                cell,
                found,
                found.inputs(x),
                self.registry,
                self.device,
                outputs=architecture.outputs,
                shapes=shapes(x),
                vocabulary=self.registry.get("datasets", cell.dataset).vocabulary,
            )
        return found, outputs

    @keras_settings()
    def measure(self, cell: Cell, context: Context | InfiniteContext, began: float) -> CellResult:
        """Return the result of one cell."""
        try:
            entry: Measurement = self.registry.get("measurements", cell.measurement)
            if cell.infinite and not entry.at_infinity:
                raise Unsupported(f"{entry.name!r} measures a network, and there is none at infinite width.")
            self._refuse_beyond(cell, context.n_parameters or 0)
            workspace = self.workspaces and self.workspaces / cell.key
            context.start(cell.measurement, frozenset(cell.quantities), Settings(**cell.settings), workspace, self.say)
            function = entry.load()
            self._require_unchanged(cell)
            found = call_with_known_names(function, context)
            values = checked(entry, found, cell.quantities, context.precision)
            curves = checked_curves(entry, found, cell.quantities)
        except Exception as error:
            return self._failed(cell, error, time.perf_counter() - began, context)
        return CellResult(
            cell=cell,
            status=Status.OK,
            values=values,
            curves=curves,
            message=not_finite(entry, found, values),
            seconds=time.perf_counter() - began,
            n_parameters=context.n_parameters,
            n_probes=len(context.y),
            device=self.device,
            provenance=provenance(),
        )

    def _refuse_beyond(self, cell: Cell, parameters: int) -> None:
        needed = memory_gib(parameters, cell.settings["n_probes"], cell.precision)
        if self.gib is not None and needed > self.gib:
            raise TooLarge(
                f"Not measured: {parameters:,} parameters are predicted to need about {needed:.3g} GiB of memory, but "
                f"--memory-limit is {self.gib:g} GiB."
            )

    def _failed(
        self, cell: Cell, error: Exception, seconds: float, context: Context | InfiniteContext | None = None
    ) -> CellResult:
        status = Status.FAILED
        if isinstance(error, Diverged):
            status = Status.DIVERGED
        elif isinstance(error, Unsupported):
            status = Status.UNSUPPORTED
        elif isinstance(error, MemoryError | TooLarge | tf.errors.ResourceExhaustedError):
            status = Status.OOM
        return CellResult(
            cell=cell,
            status=status,
            message=sentence(error),
            seconds=seconds,
            n_parameters=None if context is None else context.n_parameters,
            n_probes=cell.settings.get("n_probes"),
            device=self.device,
            provenance=provenance(),
            traceback=last_lines(error),
        )


def _loaded(network: Network, model: Any) -> bool:
    """Set a network's weights to those of another model if both have the same structure; return whether they have."""
    if not hasattr(model, "get_weights") or _structure(model) != _structure(network.model):
        return False
    network.load(model.get_weights())
    return True


def _structure(model: Any) -> list[tuple[tuple[int, ...], bool]]:
    return [(tuple(v.shape), v.trainable) for v in model.variables]


def weights_of(network: Network) -> list[np.ndarray]:
    """Return a copy of all weights of a network's model; only the trainable ones if it is not a Keras model."""
    return network.model.get_weights() if hasattr(network.model, "get_weights") else [network.theta().numpy()]


def alike(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> bool:
    """Return whether weights in two precisions are the same numbers up to rounding."""
    return len(left) == len(right) and all(
        a.shape == b.shape and np.allclose(a, b, rtol=ROUNDED, atol=ROUNDED) for a, b in zip(left, right, strict=True)
    )


def set_weights(network: Network, weights: list[np.ndarray]) -> None:
    """Set the weights that `weights_of` returned for another precision of the same model."""
    if hasattr(network.model, "get_weights"):
        network.load(weights)
    else:
        network.assign(tf.cast(weights[0], network.dtype))


def output_name(entry: Architecture, params: Mapping[str, Any]) -> str | None:
    """Return the name of the output to measure if a user's own model has several, otherwise None."""
    return entry.output_of(params) if isinstance(entry, FileArchitecture | KerasArchitecture) else None


def check_output(network: Network, x: Any, name: str) -> np.ndarray:
    """Return the outputs at the probes.

    Args:
        network: The network.
        x: The probes [N, ...].
        name: Name of the architecture in messages.

    Raises:
        NtkbenchError: The model cannot be called on the probes, or its outputs are not finite.
        SeveralOutputs: The model has several outputs, and none is selected.
    """
    shape: Any = {part: list(each.shape[1:]) for part, each in leaves(x)} if is_nest(x) else list(np.shape(x)[1:])
    advice = "Choose another --dataset, or fix the model."
    try:
        inputs = network.inputs(x)
    except NtkbenchError as error:
        raise NtkbenchError(f"{name} does not accept inputs of shape {shape}: {error} {advice}") from error
    try:
        outputs = network.outputs(inputs).numpy()
    except SeveralOutputs as error:
        raise SeveralOutputs(error.names, f"select one by appending :output={error.names[0]} to its name") from error
    except NtkbenchError:
        raise
    except Exception as error:
        raise NtkbenchError(f"{name} does not accept inputs of shape {shape}: {sentence(error)} {advice}") from error
    if not np.isfinite(outputs).all():
        bad = int((~np.isfinite(outputs)).any(1).sum())
        raise NtkbenchError(f"{name}: the outputs are not finite for {bad} of {len(outputs)} probes; fix the model.")
    return outputs


def checked(entry: Measurement, found: Any, wanted: Iterable[str], precision: str) -> dict[str, Value]:
    """Return a measurement's result as Values of the requested quantities and their companions.

    Args:
        entry: The measurement.
        found: What the measurement returned.
        wanted: Keys of the requested quantities.
        precision: Precision of the computation.

    Raises:
        NtkbenchError: The result contradicts what the measurement declares.
        Unsupported: A requested quantity has no value for this model.
    """
    if not isinstance(found, Mapping):
        raise NtkbenchError(f"Measurement {entry.name!r} returned a {type(found).__name__}; it must return a dict.")
    declared = {quantity.key: quantity for quantity in entry.quantities}
    curves = {curve.name for curve in entry.curves}  # see `checked_curves`
    returned: dict[str, list[str]] = {}
    for key in found:
        quantity = quantity_of(declared, key) if isinstance(key, str) else None
        if quantity is not None and (not quantity.per or key != quantity.key):
            returned.setdefault(quantity.key, []).append(key)
    if unknown := set(found) - {key for keys in returned.values() for key in keys} - curves:
        raise NtkbenchError(
            f"Measurement {entry.name!r} returned {sorted(map(str, unknown))}, which it does not declare."
        )
    values = {}
    wanted = [name for name in wanted if name not in curves]
    companions = [each for name in wanted for each in entry.companions.get(name, ()) if each in returned]
    for name in dict.fromkeys([*wanted, *companions]):
        if name not in returned:
            raise Unsupported(f"{entry.name!r} has no {name} for this model.")
        low, high = declared[name].bounds
        for key in returned[name]:
            if isinstance(found[key], Curve):
                raise NtkbenchError(f"{entry.name!r} returned {key} as a Curve; declare it as a CurveSpec in curves.")
            try:
                value = as_value(found[key], precision)
            except (TypeError, ValueError, OverflowError) as error:
                raise NtkbenchError(
                    f"{entry.name!r} returned {key} = {found[key]!r:.80}; it must be a number, a pair (value, error) "
                    "or a Value."
                ) from error
            if value.error is not None and value.error < 0:
                raise NtkbenchError(
                    f"{entry.name!r} returned {key} with the error {value.error:g}; errors must be finite and not "
                    "negative."
                )
            if value.value is not None and not low <= value.value <= high:
                outside = f"outside its bounds [{low:g}, {high:g}]"
                raise NtkbenchError(f"{entry.name!r} returned {key} = {value.value:g}, {outside}.")
            values[key] = value
    return values


def not_finite(entry: Measurement, found: Mapping[str, Any], values: Mapping[str, Value]) -> str:
    """Return a sentence on the quantities for which a measurement returned NaN or infinity, "" if there are none."""
    bad = []
    for key in values:
        given = found[key][0] if isinstance(found[key], tuple) else getattr(found[key], "value", found[key])
        if given is not None and values[key].value is None:
            bad.append(f"{key} = {given}")
    return f"{entry.name!r} returned {', '.join(bad)}, which is stored as no value." if bad else ""


def as_value(given: Any, precision: str) -> Value:
    """Return what a measurement returned for one quantity as a Value; numbers that are not finite become None.

    Args:
        given: A number, a pair (value, standard error), or a Value, which is needed for other kinds of error.
        precision: Precision of the computation, unless the Value has its own.
    """
    if isinstance(given, Value):
        value, error, kind, precision = given.value, given.error, given.error_kind, given.precision or precision
    elif isinstance(given, tuple):
        # An error without a kind is taken as a standard error; only a Value can declare a certified bound.
        (value, error), kind = given, "statistical"
    else:
        value, error, kind = given, None, ""

    def finite(number: Any) -> float | None:
        return float(number) if number is not None and np.isfinite(number) else None

    return Value(finite(value), finite(error), kind, precision)


def sentence(error: BaseException) -> str:
    """Return an error as one readable line."""
    if isinstance(error, NtkbenchError):
        return message_of(error)
    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" (in {at.name}, line {at.lineno} of {Path(at.filename).name})" for at in where)
    return f"{reason_of(error)}{place}."


def last_lines(error: BaseException) -> str:
    """Return the end of an error's traceback for the cell's file; "" for an NtkbenchError without a cause."""
    if isinstance(error, NtkbenchError) and error.__cause__ is None:
        return ""
    lines = "".join(traceback.format_exception(error)).strip().splitlines()
    return "\n".join(lines[-TRACEBACK_LINES:])


def provenance() -> dict[str, Any]:
    """Return the hardware, the software versions and the threads of the computation."""
    return {
        **machine(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
        "tensor_float_32": tf.config.experimental.tensor_float_32_execution_enabled(),
    }

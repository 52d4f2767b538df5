"""Plan a run: list its cells in the order in which they are measured."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from attrs import asdict, evolve, field, frozen

from .. import nests
from ..errors import NtkbenchError, UnknownName
from ..registry.code import Code, code_of_entry
from ..registry.manager import Registry
from ..registry.specs import SEED_BITS, Architecture, Dataset
from ..types import Cell, Settings, Width, digest
from .arch_spec import ArchitectureRequest, parse_arches, parse_params
from .data import form_for, load_data, load_task, task_hash
from .options import RunOptions
from .preset import preset
from .user_model import KerasArchitecture

KERAS_WIDTHS = (1,)
SHORT_SEEDS = 4
"""Numerics version of cells whose build function takes fewer than SEED_BITS bits of seed. They draw other weights than
under `Cell.numerics_version`; this is one above it, so the next `Cell.numerics_version` must skip this number."""


@frozen(kw_only=True)
class Plan:
    """The cells of a run and the settings under which they are measured.

    Attributes:
        cells: All cells; the cells of a group are adjacent.
        settings: The settings of the first radius.
        options: The options that were planned.
        requests: The architectures that are measured, in order.
        input_shapes: Shape of one input, or a nest of the shapes of its parts, by the label of the request.
        vocabulary: Number of different tokens of the dataset, None if its inputs are not tokens.
        notes: Sentences about what was left out, and why.
        code: Code that the architectures (by label) and the measurements (by name) depend on, outside ntkbench.
    """

    cells: tuple[Cell, ...]
    settings: Settings
    options: RunOptions
    requests: tuple[ArchitectureRequest, ...]
    input_shapes: Mapping[str, Any] = field(repr=False)
    vocabulary: int | None = None
    notes: tuple[str, ...] = ()
    code: Mapping[str, Code] = field(factory=dict, repr=False)

    def groups(self, without: Collection[str] = ()) -> list[tuple[Cell, ...]]:
        """Return the cells by group: all seeds of one architecture with its params at one width.

        Args:
            without: Keys of the cells to leave out.
        """
        cells = [cell for cell in self.cells if cell.key not in without] if without else self.cells
        return [tuple(group) for _, group in groupby(cells, key=lambda cell: cell.group)]

    def own_architectures(self) -> dict[str, Architecture]:
        """Return the architectures from the user's own files, by name; no plugin registers them."""
        return {request.name: request.entry for request in self.requests if not request.registered}


def make_plan(options: RunOptions, registry: Registry) -> Plan:
    """Return the plan of a run.

    The data of each form and seed are loaded once, to be checked and hashed. An architecture of "all" whose input form
    the dataset does not provide is left out with a note.

    Args:
        options: The options of the run.
        registry: The registered architectures, measurements and datasets.

    Raises:
        NtkbenchError: A name is unknown, or an architecture requested by name does not fit the dataset.
    """
    sizes = preset(options.preset)
    settings = Settings(**sizes.settings)
    if options.probes is not None:
        settings = evolve(settings, n_probes=options.probes)
    radii = options.radius or (settings.radius,)
    settings = evolve(settings, radius=radii[0])
    seeds = range(sizes.seeds if options.seeds is None else options.seeds)
    measured = choose_quantities(options.measure or sizes.measure, registry)
    # When requested by name it is planned for every architecture; cells where it does not apply end as `unsupported`
    # with the reason. "all" plans it only where the limit kernel may be known.
    everything = "all" in (options.measure or sizes.measure)
    without_limit = [m for m in measured if everything and "limit" in registry.measurements[m].needs]
    no_limit: list[str] = []
    named = choose_quantities([word for word in options.measure or () if word != "all"], registry)
    at_infinity = {m for m in measured if registry.measurements[m].at_infinity or m in named}
    name, _, words = options.dataset.partition(":")
    dataset: Dataset = registry.get("datasets", name)
    dataset_params = dataset.resolve(parse_params(words, options.dataset))
    # Last, so that the cells of a seed that share a model are adjacent; see `Measurement.needs_task`.
    measured = dict(sorted(measured.items(), key=lambda item: registry.measurements[item[0]].needs_task))
    on_tasks = {m for m in measured if registry.measurements[m].needs_task}
    if on_tasks and dataset.task is None:
        able = ", ".join(name for name, entry in registry.datasets.items() if entry.task is not None)
        raise NtkbenchError(
            f"{', '.join(sorted(on_tasks))} trains on a task, and the dataset {dataset.name!r} has none. Choose one of "
            f"these with --dataset: {able}."
        )
    requests = parse_arches(options.arch, registry, reinit=options.reinit)
    if options.reinit and all(request.kind != "keras" for request in requests):
        raise NtkbenchError(
            "--reinit redraws the weights of a saved model, but --arch names no MODEL.keras. Leave out --reinit."
        )

    probes = _Probes(dataset, dataset_params, settings.n_probes, seeds)
    left_out: dict[str, NtkbenchError] = {}
    cells: list[Cell] = []
    shapes: dict[str, Any] = {}
    # Measurements that do not depend on the radius run once, with the first radius.
    each_radius = [asdict(evolve(settings, radius=radius)) for radius in radii]
    code_of = {m: code_of_entry(registry.measurements[m]) for m in measured}
    settings_of = {m: each_radius if registry.measurements[m].depends_on_radius else each_radius[:1] for m in measured}
    for request in requests:
        entry = request.entry.resolved(request.params)
        params = entry.resolve(request.params)
        try:
            hashes, shapes[request.label] = probes.of(entry, params)
            with_task = probes.with_task(entry, params) if on_tasks else hashes
        except NtkbenchError as error:
            if not request.expanded:
                raise
            left_out[request.label] = error
            continue
        numerics = {"numerics_version": SHORT_SEEDS} if entry.seed_bits < SEED_BITS else {}
        cells += [
            Cell(
                architecture=request.name,
                params=params,
                width=width,
                seed=seed,
                dataset=dataset.name,
                dataset_params=dataset_params,
                measurement=measurement,
                quantities=quantities,
                settings=plain_settings,
                precision=options.precision,
                architecture_plugin=entry.distribution,
                architecture_version=entry.version,
                measurement_plugin=registry.measurements[measurement].distribution,
                measurement_version=registry.measurements[measurement].version,
                data_hash=(with_task if measurement in on_tasks else hashes)[seed],
                source_hash="" if request.registered else request.code.fingerprint,
                architecture_code=request.code.fingerprint if request.registered else "",
                measurement_code=code_of[measurement].fingerprint,
                **numerics,
                reinit=options.reinit and request.kind == "keras",
                label=request.label,
            )
            for width in _widths(request, options, sizes.widths_for(entry.widths))
            for seed in seeds
            for measurement, quantities in measured.items()
            if measurement not in without_limit or entry.has_limit
            if measurement in at_infinity or width != math.inf
            for plain_settings in settings_of[measurement]
        ]
        if not entry.has_limit:
            no_limit.append(request.label)
    nothing = _nothing_at_infinity(requests, options, measured, at_infinity, registry)
    if not cells:
        reasons = [*left_out.values(), *map(NtkbenchError, nothing)]
        raise next(iter(reasons), NtkbenchError("No architecture is registered; there is nothing to run."))
    requests = [request for request in requests if request.label not in left_out]
    return Plan(
        cells=tuple(cells),
        settings=settings,
        options=options,
        requests=tuple(requests),
        code={request.label: request.code for request in requests} | code_of,
        input_shapes=shapes,
        vocabulary=dataset.vocabulary,
        notes=(
            *_left_out(left_out),
            *_without_limit(without_limit, no_limit),
            *_without_radius(radii, settings_of),
            *_without_finite_width(requests, options),
            *nothing,
        ),
    )


def choose_quantities(wanted: Sequence[str], registry: Registry) -> dict[str, tuple[str, ...]]:
    """Return the result keys to measure, sorted, by measurement.

    Args:
        wanted: Names of measurements or of quantities, or "all" for every measurement that needs no task. The name of a
            quantity selects all its reductions.
        registry: The registered measurements.

    Raises:
        UnknownName: A name is neither a measurement nor a quantity.
    """
    chosen: dict[str, set[str]] = {}
    names = {"all"}
    for name, entry in registry.measurements.items():
        names |= {name} | {word for quantity in entry.quantities for word in (quantity.name, quantity.key)}
        for quantity in entry.quantities:
            # A measurement takes precedence over a quantity of its name: "gd" selects everything that "gd" returns.
            by_quantity = {quantity.name, quantity.key} - set(registry.measurements)
            names_it = {name, *by_quantity} | (set() if entry.needs_task else {"all"})
            if not names_it.isdisjoint(wanted):
                chosen.setdefault(name, set()).add(quantity.key)
    for word in wanted:
        if word not in names:
            raise UnknownName("measurement or quantity", word, names)
    return {name: tuple(sorted(keys)) for name, keys in chosen.items()}


def _without_radius(radii: Sequence[float], settings_of: Mapping[str, Sequence[Any]]) -> Iterable[str]:
    if len(radii) > 1 and all(len(settings) == 1 for settings in settings_of.values()):
        yield f"None of these measurements depends on the radius; they run once, with R = {radii[0]:g}."


def _widths(request: ArchitectureRequest, options: RunOptions, otherwise: tuple[int, ...]) -> tuple[Width, ...]:
    if request.kind == "kernel":
        return (math.inf,)
    if request.kind == "keras":
        asked = options.widths or KERAS_WIDTHS
        return tuple(dict.fromkeys(width if width == math.inf else KERAS_WIDTHS[0] for width in asked))
    return options.widths or tuple(sorted(otherwise))


def _without_finite_width(requests: Sequence[ArchitectureRequest], options: RunOptions) -> Iterable[str]:
    """Yield a sentence on the kernels that are not measured at the requested finite widths."""
    finite = [str(width) for width in options.widths or () if width < math.inf]
    kernels = [request.label for request in requests if request.kind == "kernel"]
    if finite and kernels:
        yield (
            f"{', '.join(kernels)}: registered kernels exist only at infinite width; skipped for them: "
            f"{'width' if len(finite) == 1 else 'widths'} {', '.join(finite)}."
        )


def _nothing_at_infinity(
    requests: Sequence[ArchitectureRequest],
    options: RunOptions,
    measured: Iterable[str],
    at_infinity: Collection[str],
    registry: Registry,
) -> list[str]:
    """Return a sentence if the run has subjects at infinite width, but no measurement for them."""
    wanted = math.inf in (options.widths or ()) or any(request.kind == "kernel" for request in requests)
    if not wanted or at_infinity:
        return []
    able = [name for name, entry in registry.measurements.items() if entry.at_infinity]
    return [
        f"Nothing is measured at infinite width, because {', '.join(measured)} cannot measure a kernel. Add a "
        f"measurement that can, with --measure: {', '.join(able)}."
    ]


class _Probes:
    """Hashes of the data and the shape of one input, for each form; the data of a form and seed are loaded once."""

    def __init__(self, dataset: Dataset, params: Mapping[str, Any], n: int, seeds: Iterable[int]):
        self.dataset, self.params, self.n, self.seeds = dataset, params, n, seeds
        self._known: dict[str, tuple[dict[int, str], Any]] = {}
        self._tasks: dict[str, dict[int, str]] = {}

    def of(self, architecture: Architecture, params: Mapping[str, Any]) -> tuple[dict[int, str], Any]:
        """Return {seed: hash} and the shape of one input, in the form of this architecture."""
        form = form_for(architecture, params, self.dataset)
        if form not in self._known:
            hashes = {}
            for seed in self.seeds:
                x, y = load_data(self.dataset, self.params, form=form, n=self.n, seed=seed)
                hashes[seed] = nests.data_hash(x, y)
            self._known[form] = hashes, nests.shapes(x)
        hashes, shape = self._known[form]
        if isinstance(architecture, KerasArchitecture) and not fits(shape, architecture.input_shape):
            raise NtkbenchError(
                f"{architecture.name} takes inputs of shape {_shape(architecture.input_shape)}, but the dataset "
                f"{self.dataset.name!r} provides {_shape(shape)}. Choose another --dataset."
            )
        return hashes, shape

    def with_task(self, architecture: Architecture, params: Mapping[str, Any]) -> dict[int, str]:
        """Return {seed: hash of the probes and of the task}, in the form of this architecture."""
        hashes, shape = self.of(architecture, params)
        form = form_for(architecture, params, self.dataset)
        if form not in self._tasks:
            found = {}
            for seed in self.seeds:
                task = load_task(self.dataset, self.params, form=form, seed=seed)
                if (found_shape := nests.shapes(task.train[0])) != shape:
                    raise NtkbenchError(
                        f"The task of {self.dataset.name!r} has inputs of shape {_shape(found_shape)}, but "
                        f"its probes have {_shape(shape)}; they must agree. Its author must fix this."
                    )
                found[seed] = digest([hashes[seed], task_hash(task)])
            self._tasks[form] = found
        return self._tasks[form]


def fits(shape: Any, wanted: Any) -> bool:
    """Return whether the shape of one input, or of each part of a nest, is the wanted one (None: any size)."""
    if isinstance(wanted, dict):
        return (
            isinstance(shape, dict) and shape.keys() == wanted.keys() and all(fits(shape[k], wanted[k]) for k in wanted)
        )
    if isinstance(wanted, list) or not isinstance(shape, tuple):
        return type(shape) is type(wanted) and len(shape) == len(wanted) and all(map(fits, shape, wanted))
    return len(shape) == len(wanted) and all(w in (None, s) for s, w in zip(shape, wanted, strict=True))


def _shape(shape: Any) -> str:
    if isinstance(shape, tuple):
        return "×".join("any" if size is None else str(size) for size in shape)
    pairs = shape.items() if isinstance(shape, dict) else enumerate(shape)
    return " and ".join(f"{key!r} {_shape(each)}" for key, each in pairs)


def _left_out(errors: Mapping[str, NtkbenchError]) -> Iterable[str]:
    """Yield one sentence on the architectures that were left out, with the reason of the first."""
    if errors:
        label, error = next(iter(errors.items()))
        others = f" (and also {', '.join(list(errors)[1:])})" if len(errors) > 1 else ""
        yield f"Left out {label}{others}: {error}"


def _without_limit(measurements: Sequence[str], labels: Sequence[str]) -> Iterable[str]:
    """Yield a sentence on measurements that are skipped because no infinite-width kernel is known."""
    if measurements and labels:
        yield f"No infinite-width kernel is known for {', '.join(labels)}; skipped for them: {', '.join(measurements)}."

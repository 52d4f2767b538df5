"""Plan a run: list its cells in the order in which they are measured."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Any

from attrs import asdict, evolve, field, frozen

from ..errors import NtkbenchError
from ..registry.code import Code, code_of_entry
from ..registry.manager import Registry
from ..registry.specs import SEED_BITS, Architecture, Dataset
from ..types import NUMERICS, Cell, Settings, Width
from . import notes
from .arch_spec import ArchitectureRequest, parse_arches
from .datasets import ChosenDataset, choose_datasets
from .options import RunOptions
from .preset import preset
from .probes import Before, Probes
from .quantities import choose_quantities

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
        parts: With several datasets, the plan of each of them.
        seconds: Rough time of a cell of a small network, by measurement, where one declares it.
    """

    cells: tuple[Cell, ...]
    settings: Settings
    options: RunOptions
    requests: tuple[ArchitectureRequest, ...]
    input_shapes: Mapping[str, Any] = field(repr=False)
    vocabulary: int | None = None
    notes: tuple[str, ...] = ()
    code: Mapping[str, Code] = field(factory=dict, repr=False)
    parts: tuple[Plan, ...] = field(default=(), repr=False)
    seconds: Mapping[str, float] = field(factory=dict, repr=False)

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


def make_plan(options: RunOptions, registry: Registry, before: Before | None = None) -> Plan:
    """Return the plan of a run.

    The data of each form and seed are loaded once, to be checked and hashed. An architecture of "all" whose input form
    the dataset does not provide is left out with a note, and so is a dataset of a group that does not fit. With several
    datasets, an architecture requested by name is left out where it does not fit, and must fit one of them.

    Args:
        options: The options of the run.
        registry: The registered architectures, measurements and datasets.
        before: Called before data are loaded; see `Before`.

    Raises:
        NtkbenchError: A name is unknown, or an architecture requested by name does not fit the dataset, or none of
            several.
    """
    requests = parse_arches(options.arch, registry, reinit=options.reinit or options.redraw == "fan-in")
    if options.reinit and all(request.kind != "keras" for request in requests):
        raise NtkbenchError(
            "--reinit redraws the weights of a saved model, but --arch names no MODEL.keras. Leave out --reinit."
        )
    parts: list[Plan] = []
    left_out: dict[str, NtkbenchError] = {}
    unfit: dict[str, NtkbenchError] = {}
    datasets = choose_datasets(options.dataset, registry)
    for chosen in datasets:
        try:
            parts.append(_plan_on(chosen, requests, options, registry, before, unfit if len(datasets) > 1 else None))
        except NtkbenchError as error:
            if not chosen.of_group:
                raise
            left_out[chosen.label] = error
    said = list(notes.datasets_left_out(left_out))
    planned = {request.label for part in parts for request in part.requests}
    for label, reason in unfit.items():
        if parts and label not in planned:
            raise reason
    if not parts:
        raise notes.all_missing(left_out) or NtkbenchError(said[0])
    plan = parts[0] if len(parts) == 1 and not said else _joined(parts, said)
    return evolve(plan, notes=(*plan.notes, *notes.takes_long(plan.cells, plan.seconds)))


def _joined(parts: Sequence[Plan], notes: Sequence[str]) -> Plan:
    """Return the plan of several datasets, with `notes` after those of its parts."""
    requests = {request.label: request for part in parts for request in part.requests}
    return evolve(
        parts[0],
        cells=tuple(cell for part in parts for cell in part.cells),
        requests=tuple(requests.values()),
        code={name: code for part in parts for name, code in part.code.items()},
        notes=tuple(dict.fromkeys([*(note for part in parts for note in part.notes), *notes])),
        parts=tuple(parts) if len(parts) > 1 else (),
    )


def _plan_on(
    chosen: ChosenDataset,
    requests: Sequence[ArchitectureRequest],
    options: RunOptions,
    registry: Registry,
    before: Before | None,
    unfit: dict[str, NtkbenchError] | None = None,
) -> Plan:
    """Return the plan of a run on one dataset.

    Args:
        chosen: The dataset.
        requests: The requested architectures.
        options: The options of the run.
        registry: The registered entries.
        before: As in `make_plan`.
        unfit: Receives the architectures requested by name that do not fit the dataset; None to raise their errors.
    """
    dataset, dataset_params = chosen.dataset, chosen.params
    sizes = preset(options.preset)
    settings = Settings(**sizes.settings)
    if options.probes is not None:
        settings = evolve(settings, n_probes=options.probes)
    radii = options.radius or (settings.radius,)
    settings = evolve(settings, radius=radii[0])
    seeds = range(sizes.seeds if options.seeds is None else options.seeds)
    words = options.measure or sizes.measure
    measured_by = _measured_by(requests, words, registry, sizes.adds_decisive and options.measure is None)
    measured = {name: each for by_name in measured_by.values() for name, each in by_name.items()}
    # When requested by name it is planned for every architecture; cells where it does not apply end as `unsupported`
    # with the reason. "all" plans it only where the limit kernel may be known.
    everything = "all" in words
    without_limit = [m for m in measured if everything and "limit" in registry.measurements[m].needs]
    no_limit: list[str] = []
    named = choose_quantities([word for word in options.measure or () if word != "all"], registry)
    at_infinity = {m for m in measured if registry.measurements[m].at_infinity or m in named}
    on_tasks = {m for m in measured if registry.measurements[m].needs_task}
    _require_task(dataset, on_tasks, registry)
    probes = Probes(dataset, dataset_params, settings.n_probes, seeds, before)
    left_out: dict[str, NtkbenchError] = {}
    cells: list[Cell] = []
    shapes: dict[str, Any] = {}
    # Measurements that do not depend on the radius run once, with the first radius.
    each_radius = [asdict(evolve(settings, radius=radius)) for radius in radii]
    code_of = {m: code_of_entry(registry.measurements[m]) for m in measured}
    settings_of = {m: each_radius if registry.measurements[m].depends_on_radius else each_radius[:1] for m in measured}
    for request in requests:
        entry = request.entry.resolved(request.params)
        params = entry.params_of_cells(request.params)
        try:
            hashes, shapes[request.label] = probes.of(entry, params)
            with_task = probes.with_task(entry, params) if on_tasks else hashes
        except NtkbenchError as error:
            if not request.expanded:
                if unfit is None:
                    raise
                unfit.setdefault(request.label, error)
            left_out[request.label] = error
            continue
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
                numerics_version=numerics_version(entry),
                reinit=options.reinit and request.kind == "keras",
                units=_own_or(entry.units, options.units),
                redraw=_own_or(entry.redraw, options.redraw),
                label=request.label,
            )
            for width in _widths(request, options, sizes.widths_for(entry.widths))
            for seed in seeds
            for measurement, quantities in measured_by[request.label].items()
            if measurement not in without_limit or entry.has_limit
            if measurement in at_infinity or width != math.inf
            for plain_settings in settings_of[measurement]
        ]
        if not entry.has_limit:
            no_limit.append(request.label)
    nothing = notes.nothing_at_infinity(requests, options, measured, at_infinity, registry)
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
        seconds={m: registry.measurements[m].seconds for m in measured if registry.measurements[m].seconds},
        notes=(
            *notes.left_out(left_out),
            *notes.without_limit(without_limit, no_limit),
            *notes.without_radius(radii, settings_of),
            *notes.without_finite_width(requests, options),
            *nothing,
        ),
    )


def numerics_version(entry: Architecture) -> int:
    """Return the numerics version of an architecture's cells."""
    return SHORT_SEEDS if entry.seed_bits < SEED_BITS else NUMERICS


def _measured_by(
    requests: Sequence[ArchitectureRequest], words: Sequence[str], registry: Registry, adds_decisive: bool
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the result keys to measure, by the label of the architecture and by measurement.

    Args:
        requests: The architectures.
        words: The words of `--measure`, for every architecture.
        registry: The registered measurements.
        adds_decisive: Whether to add what an architecture is judged by; see `Architecture.decided_by`.
    """

    def chosen(more: Sequence[str]) -> dict[str, tuple[str, ...]]:
        found = choose_quantities([*words, *more], registry)
        # Last, so that the cells of a seed that share a model are adjacent; see `Measurement.needs_task`.
        return dict(sorted(found.items(), key=lambda item: registry.measurements[item[0]].needs_task))

    if not adds_decisive:
        return dict.fromkeys((request.label for request in requests), chosen(()))
    return {request.label: chosen(request.entry.resolved(request.params).decided_by) for request in requests}


def _own_or(own: str, asked: str | None) -> str:
    """Return what was asked for of units or weights, otherwise the architecture's own choice; "" for none."""
    chosen = own if asked is None else asked
    return "" if chosen == "none" else chosen


def _require_task(dataset: Dataset, on_tasks: Collection[str], registry: Registry) -> None:
    """Raise NtkbenchError if a measurement needs a task and the dataset has none."""
    if on_tasks and dataset.task is None:
        able = ", ".join(name for name, entry in registry.datasets.items() if entry.task is not None)
        raise NtkbenchError(
            f"The measurement {' and '.join(map(repr, sorted(on_tasks)))} needs a task, but the dataset "
            f"{dataset.name!r} has none. Choose one of these with --dataset: {able}."
        )


def _widths(request: ArchitectureRequest, options: RunOptions, otherwise: tuple[int, ...]) -> tuple[Width, ...]:
    if request.kind == "kernel":
        return (math.inf,)
    if request.kind == "keras":
        asked = options.widths or KERAS_WIDTHS
        return tuple(dict.fromkeys(width if width == math.inf else KERAS_WIDTHS[0] for width in asked))
    return options.widths or tuple(sorted(otherwise))

"""Rerun cells of a receipt on the reader's machine."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from ..errors import NtkbenchError
from ..nests import data_hash
from ..plan.data import form_for, load_data
from ..registry.manager import Registry
from ..store.manifest import catalogue, new_manifest, theory
from ..types import Cell, CellResult, Quantity, Status, Theory, Value, quantity_of
from .receipt import Receipt, minor

RTOL = 1e-3
RTOL_DESCENT = 0.05
"""Relative tolerance of gradient-descent quantities: a path of many steps amplifies rounding."""


GAINS = ("search_gain",)
"""Quantities that are a ratio minus one: rounding affects the ratio, so reruns are compared by the ratio."""
WIDEST = 8192
MOST = {"n_probes": 256, "ball_probes": 64, "draws": 64, "max_steps": 10_000, "radius": 100.0}
"""Upper limits for reruns: receipts are untrusted, so their sizes are limited to somewhat more than the presets'."""


@frozen
class Finding:
    """The comparison of a rerun cell with the receipt.

    Attributes:
        cell: The cell.
        problem: A sentence if it disagrees, "" if it agrees.
    """

    cell: Cell
    problem: str = ""


def choose(receipt: Receipt, count: int | None, seed: int | None = None) -> list[CellResult]:
    """Return a random choice of finished cells that the submitter cannot predict.

    Args:
        receipt: The receipt.
        count: Number of cells; None for all.
        seed: Seed of a repeatable choice; default: the system's randomness.
    """
    cells = [result for result in receipt.results if result.status == Status.OK]
    if count is None or count >= len(cells):
        return cells
    draw = random.SystemRandom() if seed is None else random.Random(seed)
    return draw.sample(cells, count)


def data_problems(receipt: Receipt, registry: Registry) -> list[str]:
    """Return a sentence for each seed whose data differ from those of the same seed here (a swapped seed)."""
    known: dict[tuple[Any, ...], str] = {}
    problems = {}
    for result in receipt.results:
        cell = result.cell
        if cell.architecture not in registry.subjects or cell.dataset not in registry.datasets:
            continue
        entry, dataset = registry.subjects[cell.architecture], registry.datasets[cell.dataset]
        form = form_for(entry, cell.params, dataset)
        n = int(cell.settings.get("n_probes", 0))
        place = (cell.dataset, tuple(sorted(cell.dataset_params.items())), form, n, cell.seed)
        if place not in known:
            x, y = load_data(dataset, cell.dataset_params, form=form, n=n, seed=cell.seed)
            known[place] = data_hash(x, y)
        if known[place] != cell.data_hash:
            problems[place] = f"the data of {cell.label} with seed {cell.seed} are not those that the seed gives here"
    return list(problems.values())


def plan_problems(receipt: Receipt, registry: Registry) -> list[str]:
    """Return a sentence for each label and measurement whose description in the receipt differs from the one here.

    The verdict and its agreement with theory depend on these descriptions, and rerunning cells would not reveal an
    edited one. A later version may claim something about quantities that the receipt did not measure.
    """
    cells = [result.cell for result in receipt.results]
    plugins = {cell.label: cell.architecture_plugin for cell in cells}
    measured = {key for cell in cells for key in cell.quantities}
    here = new_manifest(cells, architectures=registry.architectures, measurements=registry.measurements)
    ours, theirs = catalogue(here), catalogue(receipt.manifest)
    problems = [
        f"the theory of {label} differs from the one that {plugins[label]} registers here"
        for label, claims in theory(here).items()
        if _differ(_claims(theory(receipt.manifest).get(label, {})), _claims(claims), measured)
    ]
    return problems + [
        f"the quantities of {name} differ from those that {registry.measurements[name].distribution} registers here"
        for name in ours
        if _meaning(theirs.get(name, {})) != _meaning(ours[name])
    ]


def value_problems(receipt: Receipt, registry: Registry) -> list[str]:
    """Return a sentence for each quantity with a value outside the bounds that it has here."""
    problems = {}
    for result in receipt.results:
        entry = registry.measurements.get(result.cell.measurement)
        declared = {} if entry is None else {quantity.key: quantity for quantity in entry.quantities}
        for key, value in result.values.items():
            quantity = quantity_of(declared, key)
            if quantity is None or value.value is None or quantity.bounds[0] <= value.value <= quantity.bounds[1]:
                continue
            low, high = quantity.bounds
            problems[quantity.key] = (
                f"{key} of {result.cell.label} is {value.value:g}, outside its bounds [{low:g}, {high:g}]"
            )
    return list(problems.values())


def _differ(theirs: Mapping[str, Theory], ours: Mapping[str, Theory], measured: Collection[str]) -> bool:
    """Return whether a receipt's claims differ from ours, apart from claims on what was not measured."""
    return theirs != {key: law for key, law in ours.items() if key in theirs or key in measured}


def _claims(laws: Mapping[str, Theory]) -> dict[str, Theory]:
    """Return theory's claims without the wording of their sources, which later versions may improve."""
    return {key: evolve(law, source="") for key, law in laws.items()}


def _meaning(quantities: Mapping[str, Quantity]) -> dict[str, Quantity]:
    return {key: evolve(quantity, symbol="", summary="") for key, quantity in quantities.items()}


def rerun(results: Sequence[CellResult], registry: Registry, device: str) -> Iterable[Finding]:
    """Measure cells again with their seeds, and yield how they compare with the receipt.

    Only registered entries are run: a receipt names architectures, but contains no code.

    Args:
        results: Results of a receipt.
        registry: The registered entries.
        device: Device, recorded with every result.

    Raises:
        NtkbenchError: An architecture or a measurement is not installed, or belongs to another package here.
    """
    from ..runner.agenda import Agenda
    from ..runner.executors.serial import Serial
    from ..runner.progress import Progress

    _require_installed(results, registry)
    for result in results:
        _refuse_excess(result.cell, registry)
    groups: dict[str, dict[str, CellResult]] = {}
    for result in results:
        groups.setdefault(result.cell.group, {})[result.cell.key] = result
    agenda = Agenda([result.cell for result in group.values()] for group in groups.values())
    for again in Serial(registry, device).results(agenda, Progress()):
        yield Finding(again.cell, _problem(groups[again.cell.group][again.cell.key], again))


def _require_installed(results: Sequence[CellResult], registry: Registry) -> None:
    """Raise NtkbenchError if an architecture or a measurement is not installed, or belongs to another package here."""
    missing = set()
    for cell in (result.cell for result in results):
        for kind, entries in (("architecture", registry.subjects), ("measurement", registry.measurements)):
            name, plugin, version = (getattr(cell, f"{kind}{of}") for of in ("", "_plugin", "_version"))
            here = entries.get(name)
            if here is None:
                missing.add(f"the {kind} {name} of {plugin} {version}")
            elif here.distribution != plugin:
                raise NtkbenchError(
                    f"{name} belongs to {plugin} in the receipt, but to {here.distribution} here; install the "
                    "receipt's package instead."
                )
            elif minor(here.version) != minor(version):
                raise NtkbenchError(
                    f"{name} belongs to {plugin} {version} in the receipt, but version {here.version} is installed; "
                    f"install {version} to rerun its cells."
                )
    if missing:
        raise NtkbenchError(
            f"The cells to rerun need {', '.join(sorted(missing))}, not installed here. Install these packages if you "
            "trust them (they will run code), and verify again."
        )


def _refuse_excess(cell: Cell, registry: Registry) -> None:
    """Raise NtkbenchError if a cell exceeds the limits of reruns, or its parameters are out of bounds."""
    if WIDEST < cell.width < math.inf:
        raise NtkbenchError(f"{cell.label} at width {cell.width} cannot be rerun: the maximum width is {WIDEST}.")
    for name, most in MOST.items():
        if not 0 < float(cell.settings.get(name, most)) <= most:
            raise NtkbenchError(
                f"{cell.label} with {name} = {cell.settings[name]} cannot be rerun: the maximum is {most:g}."
            )
    resolved = registry.subjects[cell.architecture].params_of_cells(cell.params)
    if resolved != dict(cell.params):
        raise NtkbenchError(
            f"{cell.label}: the receipt lacks some of the parameters that {cell.architecture} has here."
        )


def tolerance(cell: Cell, key: str, value: Value, again: Value) -> float:
    """Return the tolerance of a rerun value: its rounding errors and bounds, or rtol 1e-3 (gradient descent: 5 %).

    The spread over seeds does not count, because a rerun has the same seed.
    """
    relative = RTOL_DESCENT if cell.measurement == "gd" else RTOL
    return max(relative * _size(key, again), _certain(value), _certain(again))


def _size(key: str, value: Value) -> float:
    """Return the magnitude that relative tolerances refer to."""
    return abs((value.value or 0.0) + (key in GAINS))


def _certain(value: Value) -> float:
    """Return the error if it bounds rounding, otherwise 0: a statistical error is reproduced by the same seed."""
    return (value.error or 0.0) if value.error_kind in ("rounding", "bound") else 0.0


def _problem(result: CellResult, again: CellResult) -> str:
    cell = result.cell
    where = f"{cell.label} at width {cell.width}, seed {cell.seed}"
    if again.status != result.status:
        return f"{where}: {cell.measurement} is {result.status} in the receipt and {again.status} here: {again.message}"
    for key, value in result.values.items():
        other = again.values.get(key, Value(None))
        if value.value is None or other.value is None:
            if value.value is not other.value:
                return f"{where}: {key} is {value.value} in the receipt and {other.value} here"
        elif abs(value.value - other.value) > _allowed(cell, key, value, other):
            return f"{where}: {key} is {value.value:.6g} in the receipt and {other.value:.6g} here"
    for name, curve in result.curves.items():
        again_at = dict(zip(again.curves[name].x, again.curves[name].y, strict=True)) if name in again.curves else {}
        common = [(x, y, again_at[x]) for x, y in zip(curve.x, curve.y, strict=True) if x in again_at]
        if 2 * len(common) < len(curve.x):  # the last steps of gradient descent may differ by rounding
            return f"{where}: the curve {name} has other abscissas in the receipt than here"
        for x, one, other_y in common:
            if abs(one - other_y) > tolerance(cell, name, Value(one), Value(other_y)):
                return f"{where}: {name} at {x:g} is {one:.6g} in the receipt and {other_y:.6g} here"
    return ""


def _allowed(cell: Cell, key: str, value: Value, again: Value) -> float:
    # Errors stated in the receipt are untrusted, so they count only up to a tenth of the value.
    return min(tolerance(cell, key, value, again), 0.1 * _size(key, again) + 1e-9)

"""Re-running cells of a receipt on the reader's machine."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from ..errors import NtkbenchError
from ..plan.data import data_hash, form_for, load_data
from ..registry.manager import Registry
from ..store.manifest import catalogue, new_manifest, theory
from ..types import Cell, CellResult, Quantity, Status, Theory, Value
from .receipt import Receipt, minor

RTOL = 1e-3
RTOL_DESCENT = 0.05
"""Of gradient-descent quantities: a path of many steps amplifies rounding."""


GAINS = ("search_gain",)
"""Ratios less one: rounding moves the ratio, so a re-run is compared by the ratio."""
WIDEST = 8192
MOST = {"n_probes": 256, "ball_probes": 64, "draws": 64, "max_steps": 10_000, "radius": 100.0}
"""What a receipt, data from outside, may ask a reader's machine to run: the presets' sizes, and some room."""


@frozen
class Finding:
    """What a re-run cell gave. problem: a sentence where it disagrees, empty where it agrees."""

    cell: Cell
    problem: str = ""


def choose(receipt: Receipt, count: int | None, seed: int | None = None) -> list[CellResult]:
    """Return `count` of the finished cells, drawn without the submitter's knowledge; all for None.

    seed: for a repeatable draw; without it the system's own randomness.
    """
    cells = [result for result in receipt.results if result.status == Status.OK]
    if count is None or count >= len(cells):
        return cells
    draw = random.SystemRandom() if seed is None else random.Random(seed)
    return draw.sample(cells, count)


def data_problems(receipt: Receipt, registry: Registry) -> list[str]:
    """Return a sentence for each seed whose data are not those that the seed gives here (a swapped seed)."""
    known: dict[tuple[Any, ...], str] = {}
    problems = {}
    for result in receipt.results:
        cell = result.cell
        if cell.architecture not in registry.architectures or cell.dataset not in registry.datasets:
            continue
        entry, dataset = registry.architectures[cell.architecture], registry.datasets[cell.dataset]
        form = form_for(entry, cell.params, dataset)
        n = int(cell.settings.get("n_probes", 0))
        place = (cell.dataset, tuple(sorted(cell.dataset_params.items())), form, n, cell.seed)
        if place not in known:
            x, y = load_data(dataset, cell.dataset_params, form=form, n=n, seed=cell.seed)
            known[place] = data_hash(x, y)
        if known[place] != cell.data_hash:
            problems[place] = f"seed {cell.seed} of {cell.label} does not have the data that the seed gives"
    return list(problems.values())


def plan_problems(receipt: Receipt, registry: Registry) -> list[str]:
    """Return a sentence for each label and measurement of which the receipt's plan says other things than here.

    The verdict and its agreement with theory follow from the plan, and no re-run of a cell would show an edited one.
    """
    cells = [result.cell for result in receipt.results]
    plugins = {cell.label: cell.architecture_plugin for cell in cells}
    here = new_manifest(cells, architectures=registry.architectures, measurements=registry.measurements)
    ours, theirs = catalogue(here), catalogue(receipt.manifest)
    problems = [
        f"the theory of {label} is not what {plugins[label]} says here"
        for label, claims in theory(here).items()
        if _claims(theory(receipt.manifest).get(label, {})) != _claims(claims)
    ]
    return problems + [
        f"the quantities of {name} are not what {registry.measurements[name].distribution} says here"
        for name in ours
        if _meaning(theirs.get(name, {})) != _meaning(ours[name])
    ]


def _claims(laws: Mapping[str, Theory]) -> dict[str, Theory]:
    """Return theory's claims without the words of their sources, which later versions may improve."""
    return {key: evolve(law, source="") for key, law in laws.items()}


def _meaning(quantities: Mapping[str, Quantity]) -> dict[str, Quantity]:
    return {key: evolve(quantity, symbol="", summary="") for key, quantity in quantities.items()}


def rerun(results: Sequence[CellResult], registry: Registry, device: str) -> Iterable[Finding]:
    """Measure the cells again with their seeds, and yield how they compare.

    Only what is registered here is run: a receipt names architectures, it brings no code. Raises NtkbenchError for one
    that is not installed, or is another package's here.
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
    """Raise NtkbenchError when a cell's architecture or measurement is not installed, or of another package here."""
    missing = set()
    for cell in (result.cell for result in results):
        for kind, entries in (("architecture", registry.architectures), ("measurement", registry.measurements)):
            name, plugin, version = (getattr(cell, f"{kind}{of}") for of in ("", "_plugin", "_version"))
            here = entries.get(name)
            if here is None:
                missing.add(f"the {kind} {name} of {plugin} {version}")
            elif here.distribution != plugin:
                raise NtkbenchError(f"{name} is {plugin}'s in the receipt and {here.distribution}'s here.")
            elif minor(here.version) != minor(version):
                raise NtkbenchError(
                    f"{name} is of {plugin} {version} in the receipt and of {here.version} here; install the receipt's "
                    "version to run its cells again."
                )
    if missing:
        raise NtkbenchError(
            f"The cells to run again need what is not installed here: {', '.join(sorted(missing))}. Install these "
            "packages if you trust them (installing runs their code), and verify again."
        )


def _refuse_excess(cell: Cell, registry: Registry) -> None:
    """Raise NtkbenchError for a cell that asks for more than any preset, or for parameters that are out of bounds."""
    if cell.width > WIDEST:
        raise NtkbenchError(f"{cell.label} at width {cell.width} is not run again: the widest that is, is {WIDEST}.")
    for name, most in MOST.items():
        if not 0 < float(cell.settings.get(name, most)) <= most:
            raise NtkbenchError(f"{cell.label} with {name} {cell.settings[name]} is not run again: at most {most:g}.")
    resolved = registry.architectures[cell.architecture].resolve(cell.params)
    if resolved != dict(cell.params):
        raise NtkbenchError(f"{cell.label}: the receipt's parameters are not all that {cell.architecture} has here.")


def tolerance(cell: Cell, key: str, value: Value, again: Value) -> float:
    """Return by how much a re-run value may differ: errors that came with it, or rtol 1e-3 (gradient descent 5 %).

    Never the spread of seeds: a re-run has the same seed.
    """
    relative = RTOL_DESCENT if cell.measurement == "gd" else RTOL
    return max(relative * _size(key, again), _certain(value), _certain(again))


def _size(key: str, value: Value) -> float:
    """Return the number of which a re-run may miss a fraction."""
    return abs((value.value or 0.0) + (key in GAINS))


def _certain(value: Value) -> float:
    """Return an error that bounds rounding; a statistical one is the spread of draws, which a seed repeats."""
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
    return ""


def _allowed(cell: Cell, key: str, value: Value, again: Value) -> float:
    # An error that the receipt itself states cannot be taken at its word beyond a tenth of the value.
    return min(tolerance(cell, key, value, again), 0.1 * _size(key, again) + 1e-9)

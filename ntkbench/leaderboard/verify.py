"""Rerun cells of a receipt on the reader's machine."""

from __future__ import annotations

import contextlib
import math
import random
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from ..errors import NtkbenchError
from ..plan.arch_spec import code_of_architecture, label_of
from ..plan.data import form_for
from ..plan.plan import numerics_version
from ..plan.probes import Probes
from ..registry.code import Code, code_of_entry
from ..registry.manager import Registry
from ..store.manifest import catalogue, new_manifest, theory
from ..types import Cell, CellResult, Quantity, Status, Theory, Value, canonical_json
from .receipt import Receipt, minor

RTOL = 1e-3
RTOL_DESCENT = 0.05
"""Relative tolerance of gradient-descent quantities: a path of many steps amplifies rounding."""


GAINS = ("search_gain",)
"""Quantities that are a ratio minus one: rounding affects the ratio, so reruns are compared by the ratio."""
WIDEST = 8192
MOST = {"n_probes": 256, "ball_probes": 64, "draws": 64, "max_steps": 10_000, "radius": 100.0}
"""Upper limits for reruns: receipts are untrusted, so their sizes are limited to somewhat more than the presets'."""
_NAMED = re.compile(r"(?:^|,)(\w+)=")
"""The names of the parameters in a label."""


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
    """Return a sentence for each seed whose data differ from those of the same seed here (a swapped seed).

    Raises:
        NtkbenchError: The data are larger than reruns allow, or the dataset does not have such parameters here.
    """
    seeds = sorted({result.cell.seed for result in receipt.results})
    known: dict[tuple[Any, ...], Probes] = {}
    problems: dict[tuple[Any, ...], str] = {}
    for cell in (result.cell for result in receipt.results):
        if cell.architecture not in registry.subjects or cell.dataset not in registry.datasets:
            continue
        entry, dataset = registry.subjects[cell.architecture], registry.datasets[cell.dataset]
        place = (cell.dataset_label, cell.settings["n_probes"])
        if place not in known:
            _refuse_sizes(cell)
            known[place] = Probes(dataset, dataset.resolve(cell.dataset_params), cell.settings["n_probes"], seeds)
        measurement = registry.measurements.get(cell.measurement)
        on_task = measurement is not None and measurement.needs_task
        probes = known[place]
        hashes = probes.with_task(entry, cell.params) if on_task else probes.of(entry, cell.params)[0]
        if hashes[cell.seed] != cell.data_hash:
            what = f"the data of {cell.label} with seed {cell.seed} are not those that the seed gives here"
            problems.setdefault((*place, form_for(entry, cell.params, dataset), cell.seed), what)
    return list(problems.values())


def plan_problems(receipt: Receipt, registry: Registry) -> list[str]:
    """Return a sentence for each label and measurement whose description in the receipt differs from the one here.

    A label may also name other parameters than its cells have, or its cells other coordinates than its architecture
    declares: a board shows the label. The verdict and its agreement with theory depend on these descriptions, and
    rerunning cells would not reveal an edited one. A later version may claim something about quantities that the
    receipt did not measure.
    """
    cells = [result.cell for result in receipt.results]
    if problems := _label_problems(cells, registry):
        return problems
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


def _label_problems(cells: Sequence[Cell], registry: Registry) -> list[str]:
    """Return a sentence for each label whose cells are not those that `ntkbench run --arch LABEL` would measure."""
    subjects, problems = registry.subjects, {}
    seen: set[tuple[str, ...]] = set()
    for cell in cells:
        shown = (cell.label, cell.architecture, canonical_json(dict(cell.params)), cell.units, cell.redraw)
        entry = subjects.get(cell.architecture)
        if entry is None or shown in seen:
            continue
        seen.add(shown)
        if (cell.units, cell.redraw) != (entry.units, entry.redraw):
            problems[cell.label] = f"{cell.label} was not measured in the coordinates that {cell.architecture} declares"
        with contextlib.suppress(NtkbenchError):  # parameters that it does not have, which `rerun` refuses
            named = {
                name: cell.params.get(name, entry.params[name].default)
                for name in _NAMED.findall(cell.label.partition(":")[2])
                if name in entry.params
            }
            params = entry.params_of_cells(named)
            other = any(params.get(name, value) != value for name, value in cell.params.items())
            if other or label_of(cell.architecture, named) != cell.label:
                problems[cell.label] = (
                    f"the cells that are called {cell.label} are of {label_of(cell.architecture, cell.params)}"
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


def installed_code(results: Sequence[CellResult], registry: Registry) -> dict[str, Code]:
    """Return the installed code that cells depend on, by label of the architecture and by name of the measurement.

    Checking plans and data imports some of it, so this is called before.

    Args:
        results: Results of a receipt.
        registry: The registered entries.
    """
    code: dict[str, Code] = {}
    subjects = registry.subjects
    for cell in (result.cell for result in results):
        if cell.measurement not in code and cell.measurement in registry.measurements:
            code[cell.measurement] = code_of_entry(registry.measurements[cell.measurement])
        if cell.label not in code and cell.architecture in subjects:
            entry = subjects[cell.architecture]
            with contextlib.suppress(NtkbenchError):  # parameters that it does not have, which `rerun` refuses
                code[cell.label] = code_of_architecture(entry, entry.resolve(cell.params), registry)
    return code


def rerun(
    results: Sequence[CellResult], registry: Registry, device: str, code: Mapping[str, Code]
) -> Iterable[Finding]:
    """Measure cells again with their seeds, and yield how they compare with the receipt.

    Only registered entries are run: a receipt names architectures, but contains no code.

    Args:
        results: Results of a receipt.
        registry: The registered entries.
        device: Device, recorded with every result.
        code: The installed code, from `installed_code`.

    Raises:
        NtkbenchError: An architecture or a measurement is not installed, or belongs to another package here, or its
            code changed while its cells were measured: a result of edited code says nothing about a receipt.
    """
    from ..runner.agenda import Agenda
    from ..runner.executors.serial import Serial
    from ..runner.progress import Progress

    _require_installed(results, registry)
    for result in results:
        _refuse_excess(result.cell, registry)
    groups: dict[str, list[Cell]] = {}
    receipts: dict[str, CellResult] = {}
    for result in results:
        cell = _with_code(result.cell, code)
        groups.setdefault(cell.group, []).append(cell)
        receipts[cell.key] = result
    executor = Serial(registry, device, code)
    for again in executor.results(Agenda(groups.values()), Progress()):
        if executor.watch.noticed:
            raise NtkbenchError(executor.watch.noticed)
        problem = _problem(receipts[again.cell.key], again)
        yield Finding(again.cell, problem and problem + _other_code(receipts[again.cell.key].cell, again.cell))


def _with_code(cell: Cell, code: Mapping[str, Code]) -> Cell:
    """Return a cell as it would be planned here: with the fingerprints of the installed code."""
    of_architecture, of_measurement = (code.get(name, Code()).fingerprint for name in (cell.label, cell.measurement))
    return evolve(cell, architecture_code=of_architecture, measurement_code=of_measurement)


def _other_code(theirs: Cell, ours: Cell) -> str:
    """Return a remark if a plugin's installed code is not that of the receipt, although its version is; "" if it is."""
    other = [theirs.architecture_plugin] * (theirs.architecture_code != ours.architecture_code)
    other += [theirs.measurement_plugin] * (theirs.measurement_code != ours.measurement_code)
    names = " and ".join(dict.fromkeys(other))
    return f" (the installed code of {names} is not the code that the receipt was measured with)" if names else ""


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
    """Raise NtkbenchError if a cell exceeds the limits of reruns, has other numerics, or other parameters."""
    if WIDEST < cell.width < math.inf:
        raise NtkbenchError(f"{cell.label} at width {cell.width} cannot be rerun: the maximum width is {WIDEST}.")
    _refuse_sizes(cell)
    entry = registry.subjects[cell.architecture]
    here = numerics_version(entry)
    if cell.numerics_version != here:
        raise NtkbenchError(
            f"{cell.label} has the numerics version {cell.numerics_version} in the receipt and {here} here, so its "
            "cells cannot be rerun. Install the version of ntkbench that measured them."
        )
    resolved = entry.params_of_cells(cell.params)
    if resolved != dict(cell.params):
        raise NtkbenchError(
            f"{cell.label}: the receipt lacks some of the parameters that {cell.architecture} has here."
        )


def _refuse_sizes(cell: Cell) -> None:
    """Raise NtkbenchError if a setting of a cell exceeds the limits of reruns."""
    for name, most in MOST.items():
        if not 0 < float(cell.settings.get(name, most)) <= most:
            raise NtkbenchError(
                f"{cell.label} with {name} = {cell.settings[name]} cannot be rerun: the maximum is {most:g}."
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
    for name in ("n_parameters", "n_probes"):
        if (getattr(result, name) or 0) != (getattr(again, name) or 0):
            counted = name.removeprefix("n_")
            return f"{where}: it has {getattr(result, name)} {counted} in the receipt and {getattr(again, name)} here"
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

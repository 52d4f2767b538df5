"""Compare two runs: which values differ, whether the difference exceeds the noise, and possible causes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from attrs import evolve, frozen

from ..store.manifest import catalogue, theory
from ..types import Cell, CellResult, Status, Value, canonical_json, written_width
from .groups import radius_of
from .scaling import EPSILON, student_t
from .verdicts import Name, Verdict, verdicts

EQUAL = 1e-5
"""Relative tolerance on values of equal runs; a value's own stated error applies where it is larger."""
LEVEL = 0.05


@frozen
class Change:
    """Comparison of one quantity of one architecture, over the cells that both runs have.

    Attributes:
        label: Label of the architecture.
        key: Result key of the quantity.
        cells: Number of common cells.
        differ: Number of cells that differ by more than rounding.
        largest: Largest relative difference of values that exceed their rounding errors.
        shift: Mean of log(b/a) over cells, or over the means of seeds if the data of the runs differ; None if fewer
            than two of these have values that exceed their rounding errors in both runs.
        low: Lower end of its 95 % interval.
        high: Upper end of its 95 % interval.
        moved: Whether the shift differs significantly from 0. The family-wise error rate of the whole comparison is at
            most 5 % (Holm).
    """

    label: str
    key: str
    cells: int
    differ: int
    largest: float
    shift: float | None = None
    low: float | None = None
    high: float | None = None
    moved: bool = False


@frozen
class VerdictChange:
    """One architecture whose verdict differs between two runs. reason: the reason of the second verdict."""

    label: str
    before: Name
    after: Name
    reason: str


@frozen
class Comparison:
    """All differences between two runs.

    Attributes:
        changes: Comparison of each quantity; those that moved come first.
        only_a: Cells that only the first run has.
        only_b: Cells that only the second run has.
        causes: Differences in code, versions, settings and hardware, as "name: a → b".
        statuses: Cells that ended with different statuses.
        judged: Number of architectures with a verdict in both runs. Each verdict rests on all cells of its own run.
        verdicts: Verdicts that differ.
    """

    changes: tuple[Change, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    causes: tuple[str, ...]
    statuses: tuple[str, ...]
    judged: int = 0
    verdicts: tuple[VerdictChange, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether all values agree to rounding, and both runs have the same cells with the same statuses."""
        same = all(change.differ == 0 for change in self.changes)
        return same and not (self.only_a or self.only_b or self.statuses)


def compare(
    a: Sequence[CellResult],
    b: Sequence[CellResult],
    manifest_a: Mapping[str, Any] | None = None,
    manifest_b: Mapping[str, Any] | None = None,
) -> Comparison:
    """Compare two runs cell by cell.

    Cells match if they have the same architecture, params, width, seed, dataset and measurement. Settings, versions,
    precision and hardware may differ; such differences are reported as possible causes.

    Args:
        a: Results of the first run.
        b: Results of the second run.
        manifest_a: Manifest of the first run, for theory, the declared quantities and the provenance.
        manifest_b: Manifest of the second run.
    """
    several = _at_several_radii(a) | _at_several_radii(b)
    first, second = (_by_place(results, several) for results in (a, b))
    common = [place for place in first if place in second]
    several_datasets = len({each.cell.dataset_label for each in (*a, *b)}) > 1
    values: dict[tuple[str, str], list[tuple[Value, Value]]] = {}
    seeds: dict[tuple[str, str], list[int]] = {}
    other_data: set[tuple[str, str]] = set()
    statuses = []
    for place in common:
        one, other = first[place], second[place]
        if one.status != other.status:
            statuses.append(f"{_name(one.cell)}: {one.status} → {other.status}")
        if one.status == other.status == Status.OK:
            for key in filter(one.cell.wants, one.values.keys() & other.values.keys()):
                radius = one.cell.settings.get("radius", 1.0)
                label = one.cell.label + (_at(radius) if one.cell.measurement in several else "")
                label += f" {one.cell.dataset_label}" if several_datasets else ""
                values.setdefault((label, key), []).append((one.values[key], other.values[key]))
                seeds.setdefault((label, key), []).append(one.cell.seed)
                if one.cell.data_hash != other.cell.data_hash:
                    other_data.add((label, key))
    changes, tests = [], []
    for (label, key), pairs in sorted(values.items()):
        # Other data change the level of a seed at all widths alike, so that its cells are one draw, not several.
        draws = seeds[label, key] if (label, key) in other_data else range(len(pairs))
        change, p = _change(label, key, pairs, draws)
        tests.append(p)
        changes.append(change)
    moved = _holm(tests)

    changes = [evolve(change, moved=i in moved) for i, change in enumerate(changes)]
    changes.sort(key=lambda change: (not change.moved, change.differ == 0, -abs(change.shift or 0)))
    before, after = (_verdicts(*run, bool(several)) for run in ((a, manifest_a), (b, manifest_b)))
    both = [place for place in before if place in after]
    return Comparison(
        changes=tuple(changes),
        only_a=tuple(_name(first[place].cell) for place in first if place not in second),
        only_b=tuple(_name(second[place].cell) for place in second if place not in first),
        causes=tuple(_causes([first[p] for p in common], [second[p] for p in common], manifest_a, manifest_b)),
        statuses=tuple(statuses),
        judged=len(both),
        verdicts=tuple(
            VerdictChange(
                one.series.label + place[0] + (f" {one.series.dataset}" if several_datasets else ""),
                one.name,
                other.name,
                other.reason,
            )
            for place in both
            for one, other in [(before[place], after[place])]
            if one.name != other.name
        ),
    )


def _verdicts(
    results: Sequence[CellResult], manifest: Mapping[str, Any] | None, several: bool
) -> dict[tuple[str, str], Verdict]:
    """Return the verdicts by radius and identity of the series. several: whether a run has several radii."""
    found = {}
    for each in verdicts(results, catalogue(manifest or {}), theory(manifest or {})):
        cell = each.series.results[0].cell
        data = cell.dataset_label
        place = canonical_json([cell.architecture, dict(cell.params), data, cell.reinit, cell.units, cell.redraw])
        found[_at(radius_of(each.series)) if several else "", place] = each
    return found


def _at(radius: float) -> str:
    return f" R = {radius:g}"


def differs(a: Value, b: Value) -> bool:
    """Return whether two values of one cell differ by more than rounding and their stated errors."""
    if a.value is None or b.value is None:
        return a.value is not b.value
    return abs(a.value - b.value) > max(EQUAL * max(abs(a.value), abs(b.value)), a.error or 0, b.error or 0, _tiny(a))


def _exceeds_error(value: Value) -> bool:
    """Return whether the size of a value is known: a share of 1e-14 that is rounding alone has no ratio to another."""
    error = 0.0 if value.error_kind == "statistical" else value.error or 0.0
    return value.value is not None and abs(value.value) > max(error, _tiny(value))


def _tiny(value: Value) -> float:
    return EPSILON.get(value.precision or "", EPSILON["float32"]) ** 2


def _change(label: str, key: str, pairs: Sequence[tuple[Value, Value]], draws: Sequence[int]) -> tuple[Change, float]:
    """Return the change before the multiple test, and the p-value of its shift (1 if there is nothing to test).

    Args:
        label: Label of the architecture.
        key: Result key of the quantity.
        pairs: The values of both runs in each common cell.
        draws: The draw to which each cell belongs. The shifts of different draws are independent.
    """
    differ = sum(differs(a, b) for a, b in pairs)
    known = [
        (a.value, b.value, _exceeds_error(a), _exceeds_error(b), draw)
        for (a, b), draw in zip(pairs, draws, strict=True)
        if a.value is not None and b.value is not None
    ]
    numbers = [(a, b) for a, b, of_a, of_b, _ in known if of_a or of_b]
    largest = max((abs(b - a) / max(abs(a), abs(b)) for a, b in numbers if a != b), default=0.0)
    change = Change(label=label, key=key, cells=len(pairs), differ=differ, largest=largest)
    shifts: dict[int, list[float]] = {}
    for a, b, of_a, of_b, draw in known:
        if of_a and of_b and a > 0 and b > 0:
            shifts.setdefault(draw, []).append(math.log(b / a))
    means = [fmean(each) for each in shifts.values()]
    if not differ or len(means) < 2:
        return change, 1.0
    from scipy.special import stdtr

    mean, error, freedom = fmean(means), stdev(means) / math.sqrt(len(means)), len(means) - 1
    half = student_t(freedom) * error
    p = 2 * float(stdtr(freedom, -abs(mean) / error)) if error > 0 else float(mean == 0)
    return evolve(change, shift=mean, low=mean - half, high=mean + half), p


def _holm(tests: Sequence[float]) -> set[int]:
    found: set[int] = set()
    for done, (p, place) in enumerate(sorted((p, place) for place, p in enumerate(tests) if p < 1)):
        if p > LEVEL / (len(tests) - done):
            break
        found.add(place)
    return found


def _at_several_radii(results: Sequence[CellResult]) -> set[str]:
    """Return the measurements that have results at several radii."""
    radii: dict[str, set[Any]] = {}
    for result in results:
        radii.setdefault(result.cell.measurement, set()).add(result.cell.settings.get("radius"))
    return {measurement for measurement, found in radii.items() if len(found) > 1}


def _place(cell: Cell, several: Collection[str] = ()) -> str:
    """Return the identity by which cells of two runs match. several: measurements with several radii in one run."""
    place = [
        cell.architecture,
        dict(cell.params),
        written_width(cell.width),
        cell.seed,
        cell.dataset_label,
        cell.measurement,
        cell.reinit,
        cell.units,
        cell.redraw,
    ]
    return canonical_json([*place, cell.settings.get("radius") if cell.measurement in several else None])


def _by_place(results: Sequence[CellResult], several: Collection[str]) -> dict[str, CellResult]:
    """Return the results by place, with the values of cells that hold different quantities of one measurement."""
    found: dict[str, CellResult] = {}
    for result in results:
        place = _place(result.cell, several)
        known = found.get(place)
        if known is None or known.status != Status.OK or result.status != Status.OK:
            found[place] = result
        else:
            found[place] = _joined(known, result)
    return found


def _joined(one: CellResult, other: CellResult) -> CellResult:
    quantities = tuple(sorted({*one.cell.quantities, *other.cell.quantities}))
    return evolve(other, cell=evolve(other.cell, quantities=quantities), values={**one.values, **other.values})


def _name(cell: Cell) -> str:
    return f"{cell.label or cell.architecture} width {cell.width} seed {cell.seed} {cell.measurement}"


def _causes(
    a: Sequence[CellResult],
    b: Sequence[CellResult],
    manifest_a: Mapping[str, Any] | None,
    manifest_b: Mapping[str, Any] | None,
) -> Iterable[str]:
    facts_a, facts_b = _facts(a, manifest_a), _facts(b, manifest_b)
    for name in dict.fromkeys([*facts_a, *facts_b]):
        one, other = facts_a.get(name, set()), facts_b.get(name, set())
        if not (one and other):  # the cells do not say, and a manifest was lost
            yield f"{name}: {_few(one) or 'not recorded'} → {_few(other) or 'not recorded'}"
        elif one != other:
            yield f"{name}: {_few(one - other) or 'the same'} → {_few(other - one) or 'no more'}"


def _few(words: set[str]) -> str:
    listed = sorted(words)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _facts(results: Sequence[CellResult], manifest: Mapping[str, Any] | None) -> dict[str, set[str]]:
    """Return everything that can change numbers (code, versions, settings, data, hardware), each as a set of values."""
    facts: dict[str, set[str]] = {}

    def add(name: str, value: Any) -> None:
        if value not in (None, ""):
            facts.setdefault(name, set()).add(str(value))

    for result in results:
        cell = result.cell
        add("precision", cell.precision)
        add("numerics_version", cell.numerics_version)
        add("architecture's plugin", f"{cell.architecture_plugin} {cell.architecture_version}".strip())
        add("measurement's plugin", f"{cell.measurement_plugin} {cell.measurement_version}".strip())
        add("user code", cell.source_hash[:8])
        add(f"code of {cell.architecture_plugin}", cell.architecture_code[:8])
        add(f"code of {cell.measurement_plugin}", cell.measurement_code[:8])
        add(f"data of seed {cell.seed}", cell.data_hash[:8])
        add("device", result.device)
        for name, value in cell.settings.items():
            add(name, value)
    known = (manifest or {}).get("provenance", {})
    for name in ("ntkbench", "tensorflow", "keras", "numpy", "python", "platform", "cpu", "threads"):
        add(name, known.get(name))
    return facts

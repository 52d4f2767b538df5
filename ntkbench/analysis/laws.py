"""Split results into series and fit the scaling laws of a run: one for each architecture and quantity."""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from ..store.manifest import Catalogue, find_quantity
from ..types import Cell, CellResult, Quantity, Theory, canonical_json
from .agreement import Agreement, agreement, theory_of
from .scaling import ROUNDED, Fit, fit_power_law, rounding_level
from .states import State, state_of

if TYPE_CHECKING:
    import pandas


@frozen
class Series:
    """The results of one model family under one condition: one row of the table.

    Attributes:
        architecture: Name of the architecture.
        label: The architecture as it was requested, with its parameters.
        params: Its parameters.
        condition: Differences from other series with the same label ("float64", "diabetes"); usually empty.
        results: The results of its cells.
        one_model: Whether it is a saved model, which has a single width.
    """

    architecture: str
    label: str
    params: Mapping[str, Any]
    condition: tuple[str, ...]
    results: tuple[CellResult, ...]
    one_model: bool = False

    @property
    def name(self) -> str:
        """The label, with the condition that distinguishes it from other series with the same label."""
        return " ".join([self.label, *self.condition])

    @property
    def widths(self) -> list[int]:
        """The measured finite widths, ascending; empty for a kernel."""
        return sorted({int(result.cell.width) for result in self.results if not result.cell.infinite})

    @property
    def infinite(self) -> bool:
        """Whether the limit of infinite width was measured."""
        return any(result.cell.infinite for result in self.results)

    @property
    def dataset(self) -> str:
        """Label of the dataset."""
        return self.results[0].cell.dataset_label

    @property
    def place(self) -> tuple[str, str]:
        """Labels of the architecture and of the dataset."""
        return self.label, self.dataset

    @functools.cached_property
    def by_key(self) -> Mapping[str, Sequence[CellResult]]:
        """Results at finite widths by result key: those that hold the quantity or were planned to."""
        return _by_key(result for result in self.results if not result.cell.infinite)

    @functools.cached_property
    def at_infinity(self) -> Mapping[str, Sequence[CellResult]]:
        """Results at infinite width by result key."""
        return _by_key(result for result in self.results if result.cell.infinite)

    @property
    def seeds(self) -> list[int]:
        """The measured seeds, ascending."""
        return sorted({result.cell.seed for result in self.results})


@frozen
class Law:
    """The scaling law of one quantity of one series, and theory's claim on it.

    Attributes:
        series: The series.
        key: Result key of the quantity.
        quantity: The quantity.
        fit: The fitted power law.
        theory: Theory's claim, or None.
        agrees: Whether the fit agrees with the claim.
        points: Width, seed and value of each result at a finite width. Only these are fitted.
        limits: Seed and value of each result at infinite width.
    """

    series: Series
    key: str
    quantity: Quantity
    fit: Fit
    theory: Theory | None = None
    agrees: Agreement | None = None
    points: tuple[tuple[int, int, float | None], ...] = field(default=(), repr=False)
    limits: tuple[tuple[int, float | None], ...] = field(default=(), repr=False)

    @property
    def limit(self) -> float | None:
        """Median over seeds of the values at infinite width; None if there is none."""
        known = [value for _, value in self.limits if value is not None]
        return median(known) if known else None

    @property
    def measured(self) -> bool:
        """Whether the quantity was measured, or planned to be, at any width."""
        return bool(self.points or self.limits)

    @functools.cached_property
    def state(self) -> State:
        """State of the quantity over its widths, at 95 % confidence."""
        return state_of(self.fit, self.positive)

    @property
    def positive(self) -> list[tuple[int, int, float]]:
        """The points with a positive value: width, seed, value."""
        return [(width, seed, value) for width, seed, value in self.points if value is not None and value > 0]


def _by_key(results: Iterable[CellResult]) -> dict[str, list[CellResult]]:
    found: dict[str, list[CellResult]] = {}
    for result in results:
        for key in dict.fromkeys((*result.cell.quantities, *result.values)):
            found.setdefault(key, []).append(result)
    return found


MOVED_BY_RADIUS = frozenset({"ball", "random"})
"""Built-in measurements that perturb the weights by R, whose results depend on the radius."""
_IDENTITY = operator.attrgetter(
    "architecture", "params", "dataset", "dataset_params", "precision", "settings", "architecture_plugin",
    "architecture_version", "architecture_code", "source_hash", "numerics_version", "reinit", "units", "redraw",
)  # fmt: skip


def series(results: Iterable[CellResult]) -> list[Series]:
    """Split results into series, in the order of their first appearance.

    Results of one architecture that differ in dataset, precision, settings, version or code belong to different series;
    how its parameters were written does not matter. Results of two versions of one measurement also belong to different
    series (see `_one_version`). Series that differ only in the radius share the results that do not depend on it (see
    `_share_over_radii`).
    """
    groups: dict[str, list[CellResult]] = {}
    known: dict[str, list[tuple[Any, list[CellResult]]]] = {}
    for result in results:
        cell, of_name = result.cell, known.setdefault(result.cell.architecture, [])
        condition = _IDENTITY(cell)
        # A linear search is fast: many cells share few conditions.
        group = next((group for other, group in of_name if other == condition), None)
        if group is None:
            group = groups.setdefault(canonical_json(_condition(cell)), [])
            of_name.append((condition, group))
        group.append(result)
    _share_over_radii(groups.values())
    found = [part for group in groups.values() for part in _one_version(group)]
    several = len({group[0].cell.dataset_label for group, _ in found}) > 1
    by_label: dict[str, list[list[CellResult]]] = {}
    for group, _ in found:
        by_label.setdefault(group[0].cell.label, []).append(group)
    return [
        Series(
            architecture=group[0].cell.architecture,
            label=group[0].cell.label or group[0].cell.architecture,
            params=dict(group[0].cell.params),
            condition=(*_what_differs(group, by_label[group[0].cell.label], several), *version),
            results=tuple(group),
            one_model=group[0].cell.architecture.endswith(".keras"),
        )
        for group, version in found
    ]


def _one_version(group: list[CellResult]) -> list[tuple[list[CellResult], tuple[str, ...]]]:
    """Split the results of a series into parts with one version of every measurement; return parts and conditions.

    The first part holds the latest version of each measurement. Results of an earlier version form a part of their own.
    """
    versions: dict[str, list[tuple[str, str]]] = {}
    for result in group:
        of_measurement = versions.setdefault(result.cell.measurement, [])
        if (version := version_of(result.cell)) not in of_measurement:
            of_measurement.append(version)
    if all(len(several) == 1 for several in versions.values()):
        return [(group, ())]
    latest = {name: several[-1] for name, several in versions.items()}
    newest = [result for result in group if version_of(result.cell) == latest[result.cell.measurement]]
    parts: list[tuple[list[CellResult], tuple[str, ...]]] = [(newest, ())]
    for name, (*earlier, _) in versions.items():
        for version in earlier:
            own = [r for r in group if r.cell.measurement == name and version_of(r.cell) == version]
            parts.append((own, (_version_name(version, latest[name]),)))
    return parts


def version_of(cell: Cell) -> tuple[str, str]:
    """Return the plugin and version of a cell's measurement, such as "ntkbench 0.1.0", and its code hash."""
    return f"{cell.measurement_plugin} {cell.measurement_version}".strip(), cell.measurement_code


def _version_name(of: tuple[str, str], latest: tuple[str, str]) -> str:
    return of[0] if of[0] != latest[0] else f"{of[0]}, code {of[1][:6] or 'unknown'}"


def _share_over_radii(groups: Iterable[list[CellResult]]) -> None:
    """Add to each group the radius-independent results of the groups that differ from it only in the radius.

    A run with several radii performs a measurement that does not depend on the radius once, at the first radius. So if
    some measurements have results at several radii, one with results at a single radius does not depend on it. The
    exception are the built-in measurements that perturb the weights by R: another command may have run them at one
    radius only.
    """
    alike: dict[str, list[list[CellResult]]] = {}
    for group in groups:
        cell = group[0].cell
        condition = _condition(evolve(cell, settings={**cell.settings, "radius": None}))
        alike.setdefault(canonical_json(condition), []).append(group)
    for several in alike.values():
        counts = Counter(name for group in several for name in {result.cell.measurement for result in group})
        if max(counts.values()) > 1:
            once = {name for name, count in counts.items() if count == 1} - MOVED_BY_RADIUS
            own = [[result for result in group if result.cell.measurement in once] for group in several]
            for place, group in enumerate(several):
                group += [result for other, shared in enumerate(own) if other != place for result in shared]


def law(of: Series, key: str, quantity: Quantity, theory: Mapping[str, Mapping[str, Theory]]) -> Law:
    """Fit the scaling law of one quantity of a series.

    Args:
        of: The series.
        key: Result key of the quantity.
        quantity: The quantity.
        theory: Theory's claims by label and quantity.
    """
    values: dict[tuple[int, int], tuple[float | None, float]] = {}
    for result in of.by_key.get(key, ()):
        place = (int(result.cell.width), result.cell.seed)
        value = result.values.get(key)
        if value is not None and value.value is not None:
            floor = rounding_level(value.precision or result.cell.precision) if quantity.direction == "lower" else 0.0
            if value.error_kind == "rounding" and value.error is not None:
                floor = max(floor, value.error)
            values[place] = (value.value, floor)
        else:
            values.setdefault(place, (None, 0.0))
    found = law_of_points(of, key, quantity, [(*place, *values[place]) for place in sorted(values)])
    claim = theory_of(theory, of.label, key, found.fit)
    limits = {result.cell.seed: result.values.get(key) for result in of.at_infinity.get(key, ())}
    return evolve(
        found,
        theory=claim,
        agrees=agreement(found.fit, claim, key),
        limits=tuple((seed, None if value is None else value.value) for seed, value in sorted(limits.items())),
    )


def law_of_points(
    of: Series, key: str, quantity: Quantity, points: Sequence[tuple[int, int, float | None, float]]
) -> Law:
    """Fit the scaling law of given points.

    Args:
        of: The series of the points.
        key: Result key of the quantity.
        quantity: The quantity.
        points: Width, seed, value, and the level up to which the value counts as 0 (rounding).
    """
    fit = fit_power_law(*map(list, zip(*points, strict=True))) if points else fit_power_law([], [], [])
    if of.one_model and fit.note == "one width":
        fit = evolve(fit, note="a saved model has one width")
    if fit.note == ROUNDED and quantity.direction != "lower":
        # The smallest eigenvalue of a kernel may be 0, but its condition number may not.
        fit = evolve(fit, is_zero=False, note=f"all {fit.n} values are within their rounding errors")
    return Law(of, key, quantity, fit, points=tuple((width, seed, value) for width, seed, value, _ in points))


def result_keys(results: Iterable[CellResult], catalogue: Catalogue) -> dict[str, Quantity]:
    """Return the quantities that the results hold or were planned to, by result key, in the order of the catalogue.

    Curves, and quantities with one number per variable, are left out, because no law is fitted to them.
    """
    found: dict[str, str] = {}
    for result in results:
        for key in (*result.cell.quantities, *result.values):
            if key not in result.curves:
                found.setdefault(key, result.cell.measurement)
    declared = [key for quantities in catalogue.values() for key in quantities if key in found]
    quantities = {key: find_quantity(catalogue, found[key], key) for key in dict.fromkeys([*declared, *found])}
    return {key: quantity for key, quantity in quantities.items() if not quantity.per}


def fits_frame(
    results: Sequence[CellResult],
    catalogue: Catalogue,
    theory: Mapping[str, Mapping[str, Theory]],
    posterior: bool = False,
) -> pandas.DataFrame:
    """Return the scaling laws as a DataFrame, one row for each series and measured quantity.

    Args:
        results: Results of a run.
        catalogue: Declared quantities by measurement.
        theory: Theory's claims by label and quantity.
        posterior: Whether to add the posterior of each law (`analysis.posterior`), in columns that begin with
            posterior_. Requires TensorFlow.
    """
    import pandas

    found = all_laws(results, catalogue, theory)
    rows = [_row(each) for each in found]
    columns = list(_FITS_COLUMNS)
    if posterior:
        rows = [row | extra for row, extra in zip(rows, _posteriors(found), strict=True)]
        columns += _POSTERIOR_COLUMNS
    return pandas.DataFrame(rows, columns=columns)


def all_laws(
    results: Sequence[CellResult], catalogue: Catalogue, theory: Mapping[str, Mapping[str, Theory]]
) -> list[Law]:
    """Return the law of every series and measured quantity."""
    keys = result_keys(results, catalogue)
    laws = (law(each, key, quantity, theory) for each in series(results) for key, quantity in keys.items())
    return [each for each in laws if each.points]


def _posteriors(laws: Sequence[Law]) -> list[dict[str, Any]]:
    """Return the posterior columns of each law; empty if the law has no interval or too few values."""
    from .posterior import enough, posteriors

    usable = [place for place, each in enumerate(laws) if each.fit.low is not None and enough(each.positive)]
    found = posteriors([laws[place].positive for place in usable])
    rows: list[dict[str, Any]] = [{} for _ in laws]
    for place, each in zip(usable, found, strict=True):
        rows[place] = {name: getattr(each, name.removeprefix("posterior_")) for name in _POSTERIOR_COLUMNS}
    return rows


_FITS_COLUMNS = (
    "architecture", "label", "condition", "quantity", "reduction", "slope", "low", "high", "stderr", "r_squared",
    "theory", "theory_kind", "source", "agrees", "first_width", "first_value", "last_width", "last_value", "n",
    "n_widths", "n_seeds", "from_width", "misfit", "misfit_p", "floor", "floor_low", "floor_high",
    "floored_slope", "floored_low", "floored_high", "state", "note",
)  # fmt: skip
_POSTERIOR_COLUMNS = [
    f"posterior_{name}"
    for name in ("slope", "low", "high", "floor", "floor_low", "floor_high", "decays", "plateaus", "grows", "tail")
]


def _row(law: Law) -> dict[str, Any]:
    of_fit = {name: getattr(law.fit, name) for name in _FITS_COLUMNS if hasattr(law.fit, name)}
    floors, claim = law.state.floors, law.theory
    of_floor = (
        {
            "floor": floors.share,
            "floor_low": floors.low,
            "floor_high": floors.high,
            "floored_slope": floors.slope,
            "floored_low": floors.slope_low,
            "floored_high": floors.slope_high,
        }
        if floors is not None
        else {}
    )
    return {
        **of_fit,
        **of_floor,
        "state": law.state.name,
        "architecture": law.series.architecture,
        "label": law.series.label,
        "condition": " ".join(law.series.condition),
        "quantity": law.quantity.name,
        "reduction": law.quantity.reduction,
        "theory": None if claim is None else claim.exponent,
        "theory_kind": "" if claim is None else claim.kind,
        "source": "" if claim is None else claim.source,
        "agrees": law.agrees,
    }


def _condition(cell: Cell) -> dict[str, str]:
    return {
        "architecture": cell.architecture,
        "params": ",".join(f"{name}={value}" for name, value in sorted(cell.params.items())),
        "dataset": cell.dataset_label,
        "precision": cell.precision,
        **{name: _setting(name, value) for name, value in sorted(cell.settings.items())},
        "version": f"{cell.architecture_plugin} {cell.architecture_version}",
        "source": f"code {(cell.source_hash or cell.architecture_code)[:6]}",
        "numerics": f"numerics {cell.numerics_version}",
        "reinit": "new weights" if cell.reinit else "saved weights",
        "units": "units of the initial weights" if cell.units else "own units",
        "redraw": f"weights by {cell.redraw}" if cell.redraw else "own weights",
    }


def _setting(name: str, value: Any) -> str:
    return f"R = {value:g}" if name == "radius" and value is not None else f"{name}={value}"


def _what_differs(group: list[CellResult], others: list[list[CellResult]], several: bool) -> tuple[str, ...]:
    """Return the condition of a group in which it differs from others. several: whether there are several datasets."""
    conditions = [_condition(other[0].cell) for other in others]
    own = _condition(group[0].cell)
    return tuple(
        text
        for name, text in own.items()
        if (name == "dataset" and several) or len({condition.get(name) for condition in conditions}) > 1
    )

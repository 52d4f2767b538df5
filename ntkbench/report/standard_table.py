"""Build the standard table of a run: one row for each architecture, one column for each headline quantity."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from .. import numbers
from ..analysis.agreement import MARGIN, MARKS
from ..analysis.laws import Law, Series, law, result_keys, series, version_of
from ..analysis.verdicts import CURVATURE, SLOPE, Verdict, record, verdicts_of
from ..store.manifest import catalogue, theory
from ..types import INFINITE, Cell, CellResult, Quantity, Status, written_width
from .choice import chosen, curves_in
from .table import Column, Table
from .task_words import task_notes
from .verdict_words import meaning, name_of, what_would_decide

WIDTH = 100
_NAME = 18
_NAME_LINES = 3
_REASON = 300
_PROBLEMS = 5
_DATASETS = 2  # more are counted in the title
LIMIT = " │ "
"""Separates what belongs to infinite width."""


def standard_table(
    results: Iterable[CellResult],
    manifest: Mapping[str, Any] | None = None,
    quantities: Sequence[str] = (),
    problems: Sequence[str] = (),
    missing: Collection[str] = (),
) -> Table:
    """Return the standard table of a finished or unfinished run.

    Args:
        results: Results of the run.
        manifest: Manifest of the run, for theory, units and the planned cells.
        quantities: Names or result keys to show. By default, the headline quantities that were measured, with
            kernel_slope if a verdict rests on it, or all quantities if none of these was.
        problems: Sentences on files that are not cells of the run.
        missing: Plugins that are not installed here.

    Raises:
        NtkbenchError: If a quantity was not measured.
    """
    results, manifest = list(results), manifest or {}
    declared = catalogue(manifest)
    keys = result_keys(results, declared)
    shown = chosen(keys, quantities, curves_in(results))
    claims = theory(manifest)
    order = {dataset: place for place, dataset in enumerate(dict.fromkeys(each.cell.dataset_label for each in results))}
    all_series = sorted(series(results), key=lambda each: order[each.dataset])
    judged = {id_of(each.series): each for each in verdicts_of(all_series, keys, claims)}
    if not quantities and any(SLOPE in each.laws for each in judged.values()):
        shown[SLOPE] = keys[SLOPE]
    found = [(each, {key: law(each, key, quantity, claims) for key, quantity in shown.items()}) for each in all_series]
    planned = Counter(manifest.get("labels", {}).values())
    labels = [{result.cell.label for result in each.results} for each, _ in found]
    rows_of = Counter(label for several in labels for label in several)
    totals = [sum(planned[label] for label in several if rows_of[label] == 1) for several in labels]
    totals = [max(total, len(each.results)) for total, (each, _) in zip(totals, found, strict=True)]

    ok_column = [
        (f"{_count_ok(each)}/{total}", *_verdict_lines(judged.get(id_of(each))))
        for (each, _), total in zip(found, totals, strict=True)
    ]
    last = ("cells", " ok,", " judged") if judged else ("cells", " ok")
    # tabulate pads headers by 2 characters.
    ok_width = max([max(len(line.strip()) for line in last) + 2, *(len(line) for cell in ok_column for line in cell)])
    budget = max((WIDTH - _NAME - ok_width - 2 * (len(shown) + 1)) // max(len(shown), 1), 10)
    columns = [Column(("architecture",), outside=True)]
    columns += [Column(_header(key, budget - 2)) for key in shown]
    columns += [Column(last, align="right")]
    rows = [
        (_name_lines(each, missing), *(_law_lines(laws[key], budget) for key in shown), ok)
        for (each, laws), ok in zip(found, ok_column, strict=True)
    ]
    settings = _settings([each for each, _ in found])
    return Table(
        title=_title(settings),
        columns=tuple(columns),
        rows=tuple(rows),
        blocks=_blocks([each for each, _ in found]),
        block_name="dataset",
        notes=(
            *_notes(results, manifest, found, shown, problems, list(judged.values()), settings),
            *_missing_notes(results, missing),
            *(() if quantities else _hidden_note(results, keys, shown)),
        ),
        settings=settings,
        records=tuple(
            _record(each, laws, total, missing, judged.get(id_of(each)))
            for (each, laws), total in zip(found, totals, strict=True)
        ),
    )


def _blocks(all_series: Sequence[Series]) -> dict[int, str]:
    """Return the datasets by the place of their first row; empty for a single dataset."""
    datasets = [each.dataset for each in all_series]
    blocks = {place: name for place, name in enumerate(datasets) if place == 0 or datasets[place - 1] != name}
    return blocks if len(blocks) > 1 else {}


_WORDS = {"linear": "linear", "falling": "falling", "non-linear": "non-lin", "open": "open"}


def id_of(of: Series) -> tuple[str, ...]:
    """Return the label and condition of a series, which identify it within its run."""
    return (of.label, *of.condition)


def _verdict_lines(of: Verdict | None) -> tuple[str, ...]:
    return () if of is None else (_WORDS[of.name],)


def _header(key: str, budget: int) -> tuple[str, ...]:
    if len(key) <= budget:
        return (key,)
    cut = max(key.rfind("_", 0, budget), key.rfind(":", 0, budget))
    cut = cut if cut > 0 else budget - 1
    return (key[:cut], *_header(key[cut:], budget))


def _name_lines(of: Series, missing: Collection[str] = ()) -> tuple[str, ...]:
    name = [of.label[start : start + _NAME] for start in range(0, len(of.label), _NAME)]
    if len(name) > _NAME_LINES:
        name = [*name[: _NAME_LINES - 1], "…" + name[-1][-_NAME + 1 :]]
    condition = [word for word in of.condition if word != of.dataset]  # the heading of the block names the dataset
    below = [widths_of(of), *condition, *(["not installed"] * (_plugin(of) in missing))]
    return (*name, *(f"  {line}" for text in below for line in textwrap.wrap(text, _NAME - 2)[:_NAME_LINES]))


def _plugin(of: Series) -> str:
    return of.results[0].cell.architecture_plugin


def _missing_notes(results: Sequence[CellResult], missing: Collection[str]) -> Iterable[str]:
    pairs = [(cell.architecture_plugin, cell.architecture_version, cell.architecture) for cell in _cells(results)]
    pairs += [(cell.measurement_plugin, cell.measurement_version, cell.measurement) for cell in _cells(results)]
    for plugin in sorted(missing):
        versions = ", ".join(sorted({version for name, version, _ in pairs if name == plugin}))
        names = ", ".join(dict.fromkeys(what for name, _, what in pairs if name == plugin))
        yield (
            f"Not installed: {plugin} {versions}, which provided {names}. Its results are kept; to measure more, "
            "install it again."
        )


def _cells(results: Iterable[CellResult]) -> list[Cell]:
    return [result.cell for result in results]


def widths_of(of: Series) -> str:
    """Return the widths of a series as text: "64…512", "64…512 │ ∞", or "∞"."""
    ends = [str(width) for width in dict.fromkeys(of.widths[:1] + of.widths[-1:])]
    finite = "saved model" if of.one_model and ends else "…".join(ends)
    return LIMIT.join(filter(None, [finite, "∞" * of.infinite]))


def _law_lines(law: Law, budget: int) -> tuple[str, ...]:
    fit = law.fit
    limit = () if law.limit is None else (numbers.value(law.limit),)
    if fit.first_value is None:
        return limit or ("–",)
    if fit.is_zero:
        return ("0", *(f"{LIMIT.lstrip()}{value}" for value in limit))
    half = None if fit.low is None or fit.high is None else (fit.high - fit.low) / 2
    first = [numbers.exponent(fit.slope, half)]
    if law.theory is not None and fit.slope is not None:
        first.append(f"({numbers.theory_claim(law.theory)}) {MARKS[law.agrees]}".rstrip())
    if fit.first_width == fit.last_width:
        second = [numbers.value(fit.first_value)]
    else:
        second = [f"{numbers.value(fit.first_value)}→", numbers.value(fit.last_value)]
    second += [f"{LIMIT}{value}" for value in limit]
    return (*_pack(first, " ", budget), *(line.strip() for line in _pack(second, "", budget)))


def _pack(words: Sequence[str], space: str, budget: int) -> list[str]:
    """Join words into the smallest number of lines of at most `budget` characters."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(space) + len(word) <= budget:
            lines[-1] += space + word
        else:
            lines.append(word)
    return lines


def _count_ok(of: Series) -> int:
    return sum(result.status == Status.OK for result in of.results)


def _settings(all_series: Sequence[Series]) -> dict[str, Any]:
    """Return the settings of the cells: one value each, or a list of values if series differ."""
    seen: dict[str, dict[Any, None]] = {}
    for cell in (each.results[0].cell for each in all_series):
        fields = {"dataset": cell.dataset_label, "precision": cell.precision}
        fields |= {"units": cell.units or "own", "redraw": cell.redraw or "none"}
        for name, value in (fields | dict(cell.settings)).items():
            seen.setdefault(name, {})[value] = None
    for name, usual in (("units", "own"), ("redraw", "none")):
        if list(seen.get(name, ())) == [usual]:
            del seen[name]
    settings = {name: next(iter(values)) if len(values) == 1 else list(values) for name, values in seen.items()}
    return settings | {"seeds": len({result.cell.seed for each in all_series for result in each.results})}


def _title(settings: Mapping[str, Any]) -> str:
    words = ["How quantities scale with width"]
    texts = {
        "dataset": "{}",
        "n_probes": "{} probes",
        "radius": "R = {:g}",
        "precision": "{}",
        "units": "{} units",
        "redraw": "redraw {}",
    }
    for name, text in texts.items():
        if name in settings:
            values = settings[name] if isinstance(settings[name], list) else [settings[name]]
            many = name == "dataset" and len(values) > _DATASETS
            words.append(f"{len(values)} datasets" if many else " and ".join(map(text.format, values)))
    seeds = settings["seeds"]
    return " · ".join([*words, f"{seeds} seed{'s' * (seeds != 1)}"])


def _version_notes(results: Sequence[CellResult]) -> Iterable[str]:
    """Yield a sentence for each measurement with results of several versions."""
    versions: dict[str, dict[tuple[str, str], None]] = {}
    for cell in _cells(results):
        versions.setdefault(cell.measurement, {})[version_of(cell)] = None
    for measurement, several in versions.items():
        if len(several) > 1:
            names = dict.fromkeys(name for name, _ in several)
            by = ", ".join(names) if len(names) > 1 else f"{len(several)} versions of the code of {next(iter(names))}"
            yield f"{measurement} was measured by {by}; each version has its own row."


def _notes(
    results: Sequence[CellResult],
    manifest: Mapping[str, Any],
    found: Sequence[tuple[Series, Mapping[str, Law]]],
    shown: Mapping[str, Quantity],
    problems: Sequence[str],
    judged: Sequence[Verdict],
    settings: Mapping[str, Any],
) -> Iterable[str]:
    laws = [each for _, row in found for each in row.values()]
    if any(each.fit.slope is not None for each in laws):
        yield (
            "First line: exponent in quantity = c·width^exponent ± half its 95 % interval (least squares on logs, "
            "one intercept per seed), and theory's exponent in parentheses (≤: upper bound). ✓: the interval overlaps "
            f"theory ± {MARGIN} and excludes the rival claim (0, or a fall if theory claims 0); ·: it overlaps both; "
            "✗: it does not overlap theory. Second line: median over seeds at the smallest→largest width."
        )
    if any(each.limit is not None for each in laws):
        yield "│: value at infinite width (∞), median over seeds, alone for a kernel; exponents do not use it."
    yield from _verdict_notes(judged)
    yield from task_notes(found)
    stopping = manifest.get("stopping")
    if isinstance(stopping, Mapping):
        yield (
            "Seeds and widths were added while a verdict was open or falling, after "
            f"{len(stopping.get('looks', ()))} interim analyses; {stopping.get('ended', '')}."
        )
    if any(each.fit.is_zero for each in laws):
        yield "0: every value is 0, exactly or to rounding (50 units of roundoff)."
    yield from _version_notes(results)
    yield from _meanings(found, manifest)
    yield from _settings_note(settings)
    for note, places in _grouped((each.fit.note, f"{each.series.label} {each.key}") for each in laws if _odd(each)):
        yield f"{note}: {places}."
    if curves := curves_in(results):
        yield (
            f"Curves: {', '.join(curves)}. `ntkbench plot RUN --curves` draws them, and `ntkbench export RUN --curves` "
            "writes them."
        )
    keys = {result.cell.key for result in results}
    missing = [key for key in manifest.get("cells", ()) if key not in keys]
    if missing:
        yield (
            f"{len(missing)} of {len(manifest['cells'])} planned cells are missing. "
            "Rerun the same `ntkbench run` command with this --out to resume."
        )
    yield from problems[:_PROBLEMS]
    if len(problems) > _PROBLEMS:
        yield f"{len(problems) - _PROBLEMS} more files have such problems."
    for status in Status:
        bad = [result for result in results if result.status == status != Status.OK]
        for message, places in _grouped((_reason(result), _place(result)) for result in bad):
            yield f"{status}: {places}: {message}"
    remarked = [result for result in results if result.status == Status.OK and result.message]
    for message, places in _grouped((_reason(result), _place(result)) for result in remarked):
        yield f"{places}: {message}"
    hardware = _hardware(results, manifest)
    if hardware:
        yield hardware


def _hidden_note(results: Iterable[CellResult], keys: Collection[str], shown: Collection[str]) -> Iterable[str]:
    """Name the quantities of the measurements of which the table shows nothing."""
    measured: dict[str, dict[str, None]] = {}
    for result in results:
        found = (key for key in result.values if key in keys)
        measured.setdefault(result.cell.measurement, {}).update(dict.fromkeys(found))
    hidden = [key for of in measured.values() if not any(key in shown for key in of) for key in of]
    if hidden:
        yield f"Measured but not shown: {', '.join(hidden)}. `ntkbench table RUN --quantity NAME` shows them."


def _verdict_notes(judged: Sequence[Verdict]) -> Iterable[str]:
    if not judged:
        return
    yield meaning("non-lin")
    falling = [each for each in judged if each.name == "falling"]
    if falling:
        yield f"Falling, with the largest floor that is not excluded: {'; '.join(map(_floors, falling))}."
    if those := [each for each in judged if each.name == "non-linear"]:
        yield f"Non-linear: {'; '.join(f'{name_of(each)}, {each.reason}' for each in those)}."
    if those := [each for each in judged if each.name == "open"]:
        yield f"Open: {'; '.join(f'{name_of(each)}, {each.reason}' for each in those)}."
    yield from what_would_decide([each for each in judged if not each.decided])
    remarks = _grouped(((remark, name_of(each)) for each in judged for remark in each.remarks), limit=len(judged))
    for remark, names in remarks:
        yield f"{names}: {remark}."


def _floors(of: Verdict) -> str:
    shares = [
        f"{state.floors.left} of {key}"
        for key, state in of.states.items()
        if state.name == "falls" and key != CURVATURE and state.floors is not None
    ]
    return f"{name_of(of)} {' and '.join(shares) or of.reason}"


def _odd(law: Law) -> bool:
    return bool(law.fit.note and law.points) and not law.fit.is_zero


def _meanings(found: Sequence[tuple[Series, Mapping[str, Law]]], manifest: Mapping[str, Any]) -> Iterable[str]:
    means = manifest.get("width_means", {})
    pairs = dict.fromkeys(
        (str(means[each.architecture]), each.architecture) for each, _ in found if each.architecture in means
    )
    grouped = _grouped(pairs, limit=len(pairs))
    if not grouped:
        return
    # The most common meaning is shown without a list of architectures.
    common = max(grouped, key=lambda group: group[1].count(","))[0]
    others = "; ".join(f"{names}: {meaning}" for meaning, names in grouped if meaning != common)
    yield f"Width: {common}{'; ' + others if others else ''}."


def _settings_note(settings: Mapping[str, Any]) -> Iterable[str]:
    texts = {
        "ball_probes": "Hessian followed in the ball for {} probes",
        "draws": "{} random directions",
        "tol": "Hessian norms to {:g}",
        "target_ratio": "gradient descent to {:g} of the first loss",
        "max_steps": "or {} steps",
    }
    words = [
        text.format(settings[name])
        for name, text in texts.items()
        if name in settings and not isinstance(settings[name], list)
    ]
    if words:
        yield f"Settings: {', '.join(words)}."


def _grouped(pairs: Iterable[tuple[str, str]], limit: int = 4) -> list[tuple[str, str]]:
    """Group pairs by their first member and join the second members; count repetitions, and members over `limit`."""
    groups: dict[str, Counter[str]] = {}
    for head, tail in pairs:
        groups.setdefault(head, Counter())[tail] += 1
    joined = []
    for head, tails in groups.items():
        words = [f"{tail} ({count}×)" if count > 1 else tail for tail, count in tails.items()]
        more = f" and {len(words) - limit} more" if len(words) > limit else ""
        joined.append((head, ", ".join(words[:limit]) + more))
    return joined


def _place(result: CellResult) -> str:
    cell = result.cell
    return f"{cell.label or cell.architecture} width {written_width(cell.width)} {cell.measurement}"


def _reason(result: CellResult) -> str:
    message = " ".join(result.message.split()) or "no reason given"
    return message if len(message) <= _REASON else message[: _REASON - 1] + "…"


_HARDWARE = {
    "tensorflow": "TensorFlow {}",
    "keras": "Keras {}",
    "cpu": "{}",
    "cpu_count": "{} cores",
    "device": "on {}",
    "intra_op_threads": "threads {}",
}


def _hardware(results: Sequence[CellResult], manifest: Mapping[str, Any]) -> str:
    """Return a sentence on the hardware and versions of the cells, with a breakdown where they differ."""
    known = manifest.get("provenance", {})
    groups: dict[tuple[str, str], list[CellResult]] = {}
    for result in results:
        groups.setdefault((result.device, repr(result.provenance)), []).append(result)
    kinds: Counter[tuple[str, ...]] = Counter()
    for group in groups.values():
        kinds[tuple(_hardware_of(group[0], known))] += len(group)
    if not kinds:
        return ""
    alike = [len(set(values)) == 1 for values in zip(*kinds, strict=True)]
    shared = next(iter(kinds))
    words = [f"ntkbench {known['ntkbench']}"] if known.get("ntkbench") else []
    # The last entry, the number of threads, is shown only where it differs.
    words += [word for word, same in list(zip(shared, alike, strict=True))[:-1] if same and word]
    seconds = sum(result.seconds for result in results)
    text = f"{', '.join(words)}; measurement time {seconds:.0f} s." if words else ""
    if len(kinds) > 1:
        parts = [
            f"{count} cells ({', '.join(w or 'unknown' for w, same in zip(kind, alike, strict=True) if not same)})"
            for kind, count in kinds.most_common(_PROBLEMS)
        ]
        text += f" Cells differ: {'; '.join(parts)}{'; …' if len(kinds) > _PROBLEMS else ''}."
    return text.strip()


def _hardware_of(result: CellResult, known: Mapping[str, Any]) -> Iterable[str]:
    own = {**known, **result.provenance, "device": result.device}
    return (text.format(own[name]) if own.get(name) else "" for name, text in _HARDWARE.items())


def _record(
    of: Series, laws: Mapping[str, Law], total: int, missing: Collection[str], judged: Verdict | None
) -> dict[str, Any]:
    return {
        "architecture": of.architecture,
        "label": of.label,
        "params": dict(of.params),
        "condition": list(of.condition),
        "dataset": of.dataset,
        "plugin": _plugin(of),
        "installed": _plugin(of) not in missing,
        "widths": [*of.widths, *([INFINITE] if of.infinite else [])],
        "seeds": of.seeds,
        "cells_ok": _count_ok(of),
        "cells_total": total,
        "quantities": {key: _quantity_record(law) for key, law in laws.items() if law.measured},
        "verdict": None if judged is None else record(judged),
    }


def _quantity_record(law: Law) -> dict[str, Any]:
    names = (
        "slope",
        "low",
        "high",
        "stderr",
        "n",
        "first_width",
        "first_value",
        "last_width",
        "last_value",
        "note",
    )
    return {name: getattr(law.fit, name) for name in names} | {
        "limit": law.limit,
        "state": law.state.name,
        "theory": None if law.theory is None else law.theory.exponent,
        "kind": None if law.theory is None else law.theory.kind,
        "source": None if law.theory is None else law.theory.source,
        "agrees": law.agrees,
    }

"""Sentences on what a plan leaves out, and why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from .. import numbers
from ..errors import MissingData, NtkbenchError
from ..registry.manager import Registry
from ..types import Cell
from .arch_spec import ArchitectureRequest
from .options import RunOptions

MOST_NAMED = 8
"""Number of architectures that a note names."""
LONG = 60.0
"""Seconds from which on a note says how long measurements take."""


def without_radius(radii: Sequence[float], settings_of: Mapping[str, Sequence[Any]]) -> Iterable[str]:
    """Yield a sentence if several radii were requested, and no measurement depends on the radius."""
    if len(radii) > 1 and all(len(settings) == 1 for settings in settings_of.values()):
        yield f"None of these measurements depends on the radius; they run once, with R = {radii[0]:g}."


def without_finite_width(requests: Sequence[ArchitectureRequest], options: RunOptions) -> Iterable[str]:
    """Yield a sentence on the kernels that are not measured at the requested finite widths."""
    finite = [str(width) for width in options.widths or () if width < math.inf]
    kernels = [request.label for request in requests if request.kind == "kernel"]
    if finite and kernels:
        yield (
            f"{', '.join(kernels)}: registered kernels exist only at infinite width; skipped for them: "
            f"{'width' if len(finite) == 1 else 'widths'} {', '.join(finite)}."
        )


def nothing_at_infinity(
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


def left_out(errors: Mapping[str, NtkbenchError]) -> Iterable[str]:
    """Yield one sentence on the architectures that were left out, with the reason of the first."""
    if errors:
        (label, error), others = next(iter(errors.items())), list(errors)[1:]
        more = f", … ({len(others)} in all)" if len(others) > MOST_NAMED else ""
        also = f" (and also {', '.join(others[:MOST_NAMED])}{more})" if others else ""
        yield f"Left out {label}{also}: {error}"


def takes_long(cells: Iterable[Cell], seconds: Mapping[str, float]) -> Iterable[str]:
    """Yield a sentence on the time of measurements that declare one, if it is long.

    Args:
        cells: The cells.
        seconds: Rough time of a cell of a small network, by measurement.
    """
    counts = Counter(cell.measurement for cell in cells)
    total = sum(seconds.get(name, 0.0) * count for name, count in counts.items())
    if total >= LONG:
        each = ", ".join(f"{name} {seconds[name]:.0f} s" for name in counts if name in seconds)
        yield (
            f"Rough time of a cell of a small network on one core: {each}; {numbers.clock(total)} for all of them, and "
            "several times as long for wide networks."
        )


def datasets_left_out(errors: Mapping[str, NtkbenchError]) -> Iterable[str]:
    """Yield a sentence on each dataset of a group that was left out, and one on all whose files have one remedy."""
    missing: dict[str, list[str]] = {}
    for label, error in errors.items():
        if isinstance(error, MissingData):
            missing.setdefault(error.remedy, []).append(label)
        else:
            yield f"Left out the dataset {label}: {error}"
    for remedy, labels in missing.items():
        what = "the dataset" if len(labels) == 1 else f"{len(labels)} datasets"
        yield f"Left out {what} whose files were not found: {', '.join(labels)}. {remedy}"


def all_missing(errors: Mapping[str, NtkbenchError]) -> MissingData | None:
    """Return the error for a group none of whose datasets has files, None if there is another reason."""
    missing = [error for error in errors.values() if isinstance(error, MissingData)]
    if len(missing) < len(errors):
        return None
    remedies = dict.fromkeys(error.remedy for error in missing)
    return MissingData(f"all {len(errors)} datasets" if len(errors) > 1 else missing[0].what, " ".join(remedies))


def without_limit(measurements: Sequence[str], labels: Sequence[str]) -> Iterable[str]:
    """Yield a sentence on measurements that are skipped because no infinite-width kernel is known."""
    if measurements and labels:
        yield f"No infinite-width kernel is known for {', '.join(labels)}; skipped for them: {', '.join(measurements)}."

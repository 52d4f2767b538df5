"""Find the command that measures a row again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from attrs import asdict

from ...analysis.groups import radius_of
from ...analysis.laws import Series
from ...store.manifest import Catalogue
from ...types import Quantity, Settings, written_width


def command_of(of: Series, catalogue: Catalogue) -> str:
    """Return the `ntkbench run` command that measures the cells of a series again, "" if options cannot express it.

    Args:
        of: The series.
        catalogue: Declared quantities by measurement.
    """
    cells = [result.cell for result in of.results]
    first = cells[0]
    asked = {name for cell in cells for name in words_of(cell.quantities, catalogue.get(cell.measurement, {}))}
    by_option = ("n_probes", "radius")
    others = asdict(Settings()).items()
    if any(
        cell.settings.get(name, value) != value for cell in cells for name, value in others if name not in by_option
    ):
        return ""
    radius = radius_of(of)
    words = ["ntkbench", "run", "--arch", of.label]
    widths = sorted({cell.width for cell in cells})
    words += ["--widths", ",".join(str(written_width(width)) for width in widths)]
    words += ["--seeds", str(len(of.seeds)), "--probes", str(first.settings.get("n_probes", Settings().n_probes))]
    if first.dataset_label != "digits":
        words += ["--dataset", first.dataset_label]
    if radius != Settings().radius:
        words += ["--radius", f"{radius:g}"]
    if first.precision != "float32":
        words += ["--precision", first.precision]
    return shlex.join([*words, *(word for name in sorted(asked) for word in ("--measure", name))])


def words_of(requested: Sequence[str], declared: Mapping[str, Quantity]) -> list[str]:
    """Return the words of `--measure` for the result keys that a cell requested.

    The name of a quantity selects all its reductions, so it is used only where all of them were requested.
    """
    whole: dict[str, set[str]] = {}
    for key, quantity in declared.items():
        whole.setdefault(quantity.name, set()).add(key)
    words = []
    for key in requested:
        name = declared[key].name if key in declared else key
        words.append(name if whole.get(name, set()) <= set(requested) else key)
    return list(dict.fromkeys(words))


def packages_of(of: Series) -> list[str]:
    """Return the packages that the cells of a series need, as "name version"."""
    cells = [result.cell for result in of.results]
    named = {(cell.architecture_plugin, cell.architecture_version) for cell in cells}
    named |= {(cell.measurement_plugin, cell.measurement_version) for cell in cells}
    return sorted(f"{name} {version}".strip() for name, version in named if name)

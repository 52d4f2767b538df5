"""A run on disk."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NtkbenchError
from ..registry.sources import not_installed
from ..types import CellResult, Panel
from .frame import curve_frame, curve_rows, frame, rows
from .manifest import catalogue, curve_specs
from .panels import decode
from .run_store import RunStore

if TYPE_CHECKING:
    import pandas


class StoredRun:
    """A finished or unfinished run. The folder is read once, when results are first requested.

    Args:
        path: The run's folder.
        store: An open store of the folder, to reuse the results that it has read.

    Raises:
        NtkbenchError: There is no run in the folder.
    """

    def __init__(self, path: str | os.PathLike[str], store: RunStore | None = None):
        if not isinstance(path, str | os.PathLike):
            raise NtkbenchError(f"path={path!r} is not a path; pass the folder of a run, such as 'runs/first'.")
        self.path = Path(path)
        self._store = store or RunStore(self.path)
        if not self.path.exists():
            raise NtkbenchError(f"There is no run at {self.path}: it does not exist.{_neighbours(self.path)}")
        if not self.path.is_dir() or not self._store.is_run():
            raise NtkbenchError(
                f"{self.path} is not a run: a run is a directory with a manifest.json.{_neighbours(self.path)}"
            )
        self.manifest: dict[str, Any] = self._store.manifest()

    @functools.cached_property
    def results(self) -> tuple[CellResult, ...]:
        """The results of all stored cells, in the order of the plan."""
        return tuple(self._store.read())

    @property
    def problems(self) -> list[str]:
        """One sentence per file in the cells folder that is not a cell of this run."""
        return list(self._store.problems) if self.results is not None else []

    @property
    def set_aside(self) -> list[str]:
        """One sentence per file that was moved to `set-aside/`."""
        return self._store.set_aside()

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The plots that a suite stored with the run; empty for other runs."""
        return decode(self.manifest)

    def rows(self) -> list[dict[str, Any]]:
        """Return the tidy results as dicts, one per quantity of a cell."""
        return list(rows(self.results, catalogue(self.manifest)))

    def frame(self) -> pandas.DataFrame:
        """Return the tidy results, one row per quantity of a cell, with the columns of `ntkbench export`."""
        return frame(self.results, catalogue(self.manifest))

    def curve_rows(self) -> list[dict[str, Any]]:
        """Return the points of all measured curves as dicts."""
        return list(curve_rows(self.results, curve_specs(self.manifest)))

    def curves(self) -> pandas.DataFrame:
        """Return the measured curves, one row per point, with the columns of `ntkbench export --curves`."""
        return curve_frame(self.results, curve_specs(self.manifest))

    def missing_plugins(self) -> set[str]:
        """Return the plugins of these results that are not installed.

        A plugin name without a version is not a distribution: it comes from a decorator or a user's own file.
        """
        cells = [result.cell for result in self.results]
        named = {(cell.architecture_plugin, cell.architecture_version) for cell in cells}
        named |= {(cell.measurement_plugin, cell.measurement_version) for cell in cells}
        return not_installed(name for name, version in named if name and version and name != "ntkbench")

    def __repr__(self) -> str:
        planned = len(self.manifest.get("cells", self.results))
        return f"{type(self).__name__}({str(self.path)!r}: {len(self.results)} of {planned} cells)"


def _neighbours(path: Path) -> str:
    """Return a sentence that suggests the runs inside `path` or next to it, "" if there are none."""
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        return ""
    runs = sorted(str(each) for each in folder.iterdir() if each.is_dir() and RunStore(each).is_run())
    return f" Did you mean {' or '.join(runs[-3:])}?" if runs else ""

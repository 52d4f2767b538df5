"""A run on disk: RUN/manifest.json, and RUN/cells/<key>.json for every finished cell."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import threading
import time
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import NtkbenchError, RunStopped
from ..types import CellResult
from . import curves
from .atomic import is_temporary, remove_leftovers, replace, sync_directory
from .cell_file import SCHEMA_VERSION, encode, plain
from .lock import NAME as LOCK, WriterLock
from .manifest import catalogue, changed_code, merge, theory
from .strangers import move_aside, read_cell, told

SYNC_SECONDS = 0.1
"""So often the names of new cells reach the disk: what a power cut can cost took no longer to measure."""
_updating = threading.RLock()


class RunStore:
    """The directory of a run. Any number of readers, one writing process at a time.

    path: the directory.
    notes: sentences on what `create_or_open` found to have changed since the directory was last written to.
    problems: a sentence for each file among the cells that the latest `read` found to hold none of this run.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self.notes: list[str] = []
        self.problems: list[str] = []
        self._strangers: list[Path] = []
        self._known: dict[str, tuple[Any, CellResult]] = {}  # of one that was a writer, who reads more than once
        self._stock: list[CellResult] | None = None  # of a writer that has written nothing since it took stock
        self._end: weakref.finalize[Any, RunStore] | None = None
        self._synced = float("-inf")

    @property
    def cells(self) -> Path:
        """The directory of the cells' files."""
        return self.path / "cells"

    @property
    def aside(self) -> Path:
        """The directory of the files that were found among the cells and hold none; there when there are any."""
        return self.path / "set-aside"

    def create_or_open(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Make the directory a run that plans `manifest`, added to what was planned there; return the whole manifest.

        From here on this process is the only one that writes there, until `close` or the end of this object. Leftovers
        of a killed writer are removed, and cells whose manifest was lost are planned again. Raises NtkbenchError for a
        directory that holds something else or that another process writes to, a manifest that is damaged, and a
        system that refuses to write.
        """
        if self.path.exists() and not self.path.is_dir():
            raise NtkbenchError(f"{self.path} is a file; a run needs a directory. Choose another --out.")
        self._stock = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not self.is_run() and not all(_ours(file.name) for file in self.path.iterdir()):
                raise NtkbenchError(
                    f"{self.path} is not empty and holds no run (no manifest.json). "
                    "Choose another --out, or an empty directory."
                )
            self._begin()
            with _updating:
                old = self.manifest()
                self.notes = changed_code(old, manifest)
                merged = merge(old, plain(manifest))
                if not old:
                    merged = merge(merged, self._found())
                replace(self.path / "manifest.json", _text(merged))
        except OSError as error:
            raise NtkbenchError(
                f"The run cannot be kept in {self.path}: {error.strerror or error}. Choose another --out."
            ) from error
        return merged

    def _begin(self) -> None:
        """Become the writer here. What a killed one left goes, unless another store of this process writes too."""
        if self._end is not None:
            return
        lock = WriterLock.take(self.path)
        self._end = weakref.finalize(self, _end, lock, self.cells)
        self.cells.mkdir(exist_ok=True)
        sync_directory(self.path.parent)
        if lock.stores == 1:
            remove_leftovers(self.path)
            remove_leftovers(self.cells)

    def close(self) -> None:
        """Let other processes write here."""
        if self._end is not None:
            self._end()
        self._end = None

    def note(self, name: str, value: Any) -> None:
        """Set one entry of the manifest, beside the plan: what is known of the run as a whole."""
        file = self.path / "manifest.json"
        with _updating, self._told(file):
            replace(file, _text(self.manifest() | {name: plain(value)}))

    def is_run(self) -> bool:
        """Tell whether the directory holds a run."""
        return (self.path / "manifest.json").is_file() or self.cells.is_dir()

    def manifest(self) -> dict[str, Any]:
        """Return the manifest, empty when there is none. Raises NtkbenchError when it is damaged."""
        file = self.path / "manifest.json"
        try:
            manifest = json.loads(file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise _damaged(file, str(error)) from None
        if not isinstance(manifest, dict):
            raise _damaged(file, "it is not a JSON object")
        if manifest.get("schema_version") != SCHEMA_VERSION:
            raise NtkbenchError(
                f"{file} has schema_version {manifest.get('schema_version')!r}; this ntkbench reads {SCHEMA_VERSION}. "
                "Read it with the ntkbench that wrote it."
            )
        for name, kind in _MANIFEST_TYPES.items():
            if not isinstance(manifest.get(name, kind()), kind):
                raise _damaged(file, f"{name!r} is not {'a list' if kind is list else 'an object'}")
        try:
            catalogue(manifest), theory(manifest), curves.decode(manifest)
            dict.fromkeys(manifest.get("cells", ()))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(file, f"its plan is not understood ({type(error).__name__}: {error})") from None
        return manifest

    def take_stock(self) -> list[CellResult]:
        """Return the stored results, as `read` does.

        What is among the cells and holds none of this run, the writer sets aside: it moves to RUN/set-aside.
        """
        self._stock = None
        results = list(self.read())
        if self._end is not None:
            for file in self._strangers:
                with self._told(file):
                    move_aside(file, self.aside)
            self._stock = results
        return results

    def write(self, result: CellResult) -> None:
        """Store `result` as one whole file, in place of an earlier result of the same cell.

        Raises RunStopped when the system refuses; the earlier result is kept.
        """
        self._stock = None
        file = self.cells / f"{result.cell.key}.json"
        due = time.monotonic() - self._synced >= SYNC_SECONDS
        with self._told(file):
            replace(file, encode(result).encode(), sync_name=due)
        if due:
            self._synced = time.monotonic()

    def read(self) -> Iterator[CellResult]:
        """Yield the stored results in plan order; where no plan is known, sorted by what the cell is.

        A writer that has written nothing since it took stock yields what it found then.
        """
        if self._stock is not None:
            yield from self._stock
            return
        names = self._names()
        # Read after the names of the files: it plans every cell that a run has written so far.
        planned = dict.fromkeys(self.manifest().get("cells", ()))
        with _no_garbage():
            found = self._read_files(names, planned)
        if planned:
            yield from (found[key] for key in planned if key in found)
        else:
            yield from sorted(found.values(), key=_order)

    def set_aside(self) -> list[str]:
        """Return a sentence for each file that was set aside, saying why."""
        return told(self.aside, self.manifest().get("cells", ()))

    def _read_files(self, names: Iterable[str], planned: Collection[str]) -> dict[str, CellResult]:
        """Return the results in files, and remember which files hold none."""
        self.problems, self._strangers = [], []
        found, folder = {}, os.path.join(self.cells, "")
        read = self._read_once if self._end is not None or self._known else read_cell
        for name in names:
            file, key = folder + name, name.removesuffix(".json")
            try:
                found[key] = read(file, key, planned)
            except FileNotFoundError:  # a writer has set it aside
                continue
            except NtkbenchError as error:
                self._strangers.append(Path(file))
                self.problems.append(f"{error} It counts for nothing; the next `ntkbench run` here sets it aside.")
        return found

    def _read_once(self, file: str, key: str, planned: Collection[str]) -> CellResult:
        """Return the result in a file as `read_cell` does; a file that is as it was is not read again."""
        status = os.stat(file)
        version = status.st_ino, status.st_mtime_ns, status.st_size
        known = self._known.get(key)
        if known is None or known[0] != version or (planned and key not in planned):
            self._known[key] = known = version, read_cell(file, key, planned)
        return known[1]

    def _names(self) -> list[str]:
        """Return the names of the cells' files."""
        try:
            names = sorted(os.listdir(self.cells))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise NtkbenchError(f"{self.cells} could not be read: {error.strerror or error}.") from None
        return [name for name in names if name.endswith(".json") and not name.startswith(".")]

    def _found(self) -> dict[str, Any]:
        """Return what a manifest says of the cells that are there, for one that was lost."""
        cells = [result.cell for result in self.read()]
        return {"cells": [cell.key for cell in cells], "labels": {cell.key: cell.label for cell in cells}}

    @contextmanager
    def _told(self, file: Path) -> Iterator[None]:
        """Raise RunStopped, saying what is kept, when the system refuses to write `file`."""
        try:
            yield
        except OSError as error:
            raise RunStopped(
                f"{file} could not be written: {error.strerror or error}. Finished cells are kept in {self.path}; "
                f"once that is mended, the same command with --out {self.path} goes on."
            ) from error


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Look for no garbage: among the million objects of ten thousand cells, all of which stay, it takes long."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _end(lock: WriterLock, cells: Path) -> None:
    """Bring the names of the last cells to the disk, and let others write."""
    with contextlib.suppress(OSError):
        sync_directory(cells)
    lock.release()


def _ours(name: str) -> bool:
    return name == LOCK or is_temporary(name)


_MANIFEST_TYPES: dict[str, type] = {
    "invocations": list,
    "cells": list,
    "curves": list,
    "labels": dict,
    "theory": dict,
    "width_means": dict,
    "quantities": dict,
    "settings": dict,
    "provenance": dict,
    "code": dict,
}


def _damaged(file: Path, what: str) -> NtkbenchError:
    return NtkbenchError(
        f"{file} is damaged: {what}. Delete it and give the same `ntkbench run` command again: finished cells are kept."
    )


def _text(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=1, allow_nan=False) + "\n").encode()


def _order(result: CellResult) -> tuple[Any, ...]:
    cell = result.cell
    params = json.dumps(cell.params, sort_keys=True, default=str)
    return (cell.architecture, params, cell.width, cell.seed, cell.measurement, cell.key)

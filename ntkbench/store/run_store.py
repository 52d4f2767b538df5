"""Store a run on disk: RUN/manifest.json, and RUN/cells/<key>.json for every finished cell."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import threading
import time
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..atomic import is_temporary, remove_leftovers, replace, sync_directory
from ..errors import NtkbenchError, RunStopped
from ..reading import read_regular
from ..types import CellResult, Status
from . import panels
from .cell_file import READABLE, encode, plain
from .foreign_files import describe_set_aside, move_aside, read_cell
from .lock import NAME as LOCK, WriterLock
from .manifest import changed_code, merge
from .manifest_types import check_types

SYNC_SECONDS = 0.1
"""Seconds between directory syncs; a power cut loses at most the cells finished within one interval."""
MANIFEST = "manifest.json"
DONE = (Status.OK, Status.UNSUPPORTED)
"""Statuses of cells that are not measured again."""
_updating = threading.RLock()


class RunStore:
    """The directory of a run, with any number of readers and one writing process at a time.

    Attributes:
        path: The directory.
        notes: Sentences on code that has changed since the directory was last written to, from `create_or_open`.
        problems: A sentence for each foreign file that the latest `read` found among the cells.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self.notes: list[str] = []
        self.problems: list[str] = []
        self._foreign: list[Path] = []
        # Results with the versions of their files, for writers, which read more than once.
        self._known: dict[str, tuple[Any, CellResult]] = {}
        self._stock: list[CellResult] | None = None  # the results of `take_stock`, until the next write
        self._end: weakref.finalize[Any, RunStore] | None = None
        self._synced = float("-inf")

    @property
    def cells(self) -> Path:
        """The directory of the cell files."""
        return self.path / "cells"

    @property
    def aside(self) -> Path:
        """The directory of the foreign files that were set aside; it exists only if there are any."""
        return self.path / "set-aside"

    @property
    def workspaces(self) -> Path:
        """The directory of the workspaces of unfinished cells; it exists only if there are any."""
        return self.path.resolve() / "workspace"

    def create_or_open(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create the run, or add to an existing one, and become its only writer.

        Other processes cannot write until `close` is called or this object is deleted. Temporary files of a killed
        writer are removed. If the manifest was lost, it is rebuilt from the cells.

        Args:
            manifest: The plan to add.

        Returns:
            The complete manifest of the directory.

        Raises:
            NtkbenchError: The directory contains something else, is in use by another process or is not writable, or
                the manifest is damaged.
        """
        self._stock = None
        self.require_place()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._begin()
            with _updating:
                old = self.manifest()
                self.notes = changed_code(old, manifest)
                merged = merge(old, plain(manifest))
                if not old:
                    merged = merge(merged, self._found())
                replace(self.path / MANIFEST, _text(merged))
        except OSError as error:
            raise self._not_stored(error) from error
        return merged

    def require_place(self) -> None:
        """Raise NtkbenchError if the directory, which need not exist, cannot hold a run. Nothing is written."""
        try:
            there = next(place for place in (self.path, *self.path.absolute().parents) if place.exists())
            if not there.is_dir():
                raise NtkbenchError(f"{there} is a file; a run needs a directory. Choose another --out.")
            if there is self.path:
                self._require_ours()
        except OSError as error:
            raise self._not_stored(error) from error

    def _not_stored(self, error: OSError) -> NtkbenchError:
        return NtkbenchError(f"The run could not be stored in {self.path}: {_reason(error)}. Choose another --out.")

    def _require_ours(self) -> None:
        """Raise NtkbenchError if the directory contains something else, or a name that a run needs is taken."""
        if not self.is_run() and not all(_ours(file.name) for file in self.path.iterdir()):
            raise NtkbenchError(
                f"{self.path} is not empty and contains no run (no manifest.json). "
                "Choose another --out or an empty directory."
            )
        for place in (self.cells, self.aside, self.workspaces):
            if os.path.lexists(place) and not place.is_dir():
                raise NtkbenchError(f"{place} is not a folder, but a run needs one of this name. Move it away.")
        lock = self.path / LOCK
        if os.path.lexists(lock) and not lock.is_file():
            raise NtkbenchError(f"{lock} is not a file, but a run needs one of this name. Move it away.")
        self.manifest()  # that of another program is refused

    def _begin(self) -> None:
        """Become the writer; remove the temporary files of a killed one unless a store of this process is writing."""
        if self._end is not None:
            return
        lock = WriterLock.take(self.path)
        self._end = weakref.finalize(self, _end, lock, self.cells, self.workspaces)
        self.cells.mkdir(exist_ok=True)
        sync_directory(self.path.parent)
        if lock.stores == 1:
            remove_leftovers(self.path)
            remove_leftovers(self.cells)

    def close(self) -> None:
        """Stop writing, so that other processes may write."""
        if self._end is not None:
            self._end()
        self._end = None

    def note(self, name: str, value: Any) -> None:
        """Set one entry of the manifest, for facts about the whole run."""
        file = self.path / MANIFEST
        with _updating, self._stopping_run_on_oserror(file):
            replace(file, _text(self.manifest() | {name: plain(value)}))

    def is_run(self) -> bool:
        """Return whether the directory contains a run."""
        return (self.path / MANIFEST).is_file() or self.cells.is_dir()

    def manifest(self) -> dict[str, Any]:
        """Return the manifest, empty when there is none.

        Raises:
            NtkbenchError: The manifest is damaged or has another schema version.
        """
        file = self.path / MANIFEST
        try:
            manifest = json.loads(read_regular(file))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise _damaged(file, str(error)) from None
        if not isinstance(manifest, dict):
            raise _damaged(file, "it is not a JSON object")
        if "schema_version" not in manifest:
            raise NtkbenchError(
                f"{self.path} contains no run: its {MANIFEST} is not one that ntkbench has written for a run. Choose "
                "another folder."
            )
        if manifest["schema_version"] not in READABLE:
            raise NtkbenchError(
                f"{file} has schema_version {manifest['schema_version']!r:.60}; this ntkbench reads "
                f"{' and '.join(map(str, READABLE))}. "
                "Read it with the version of ntkbench that wrote it."
            )
        for name, kind in _MANIFEST_TYPES.items():
            if not isinstance(manifest.get(name, kind()), kind):
                raise _damaged(file, f"{name!r} is not {'a list' if kind is list else 'an object'}")
        try:
            check_types(manifest)
            panels.decode(manifest)
        except (ValueError, OverflowError, RecursionError) as error:
            raise _damaged(file, f"its plan is not valid ({error})") from None
        return manifest

    def take_stock(self) -> list[CellResult]:
        """Return the stored results, as `read` does.

        The writer also moves foreign files from the cells to RUN/set-aside.
        """
        self._stock = None
        results = list(self.read())
        if self._end is not None:
            for file in self._foreign:
                with self._stopping_run_on_oserror(self.aside):
                    move_aside(file, self.aside)
            self._stock = results
            for key in _names(self.workspaces) & {result.cell.key for result in results if result.status in DONE}:
                self._remove_workspace(key)
        return results

    def write(self, result: CellResult) -> None:
        """Store `result` atomically, replacing an earlier result of the same cell, and remove a finished workspace.

        Raises:
            RunStopped: The file could not be written; the earlier result is kept.
        """
        self._stock = None
        file = self.cells / f"{result.cell.key}.json"
        due = time.monotonic() - self._synced >= SYNC_SECONDS
        with self._stopping_run_on_oserror(file):
            replace(file, encode(result).encode(), sync_name=due)
        if due:
            self._synced = time.monotonic()
        if result.status in DONE:
            self._remove_workspace(result.cell.key)

    def _remove_workspace(self, key: str) -> None:
        """Remove the workspace of a finished cell."""
        folder = self.workspaces / key
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)

    def read(self) -> Iterator[CellResult]:
        """Yield the stored results in plan order, or sorted by cell when the plan is not known.

        After `take_stock` and until the next write, the results come from memory.
        """
        if self._stock is not None:
            yield from self._stock
            return
        names = self._names()
        # Read after the file names, so that the manifest plans every cell that was written before.
        planned = dict.fromkeys(self.manifest().get("cells", ()))
        with _no_garbage():
            found = self._read_files(names, planned)
        if planned:
            yield from (found[key] for key in planned if key in found)
        else:
            yield from sorted(found.values(), key=_order)

    def set_aside(self) -> list[str]:
        """Return a sentence for each file that was set aside, with the reason."""
        return describe_set_aside(self.aside, self.manifest().get("cells", ()))

    def _read_files(self, names: Iterable[str], planned: Collection[str]) -> dict[str, CellResult]:
        """Return the results in the files by key, and record the foreign files."""
        self.problems, self._foreign = [], []
        found, folder = {}, os.path.join(self.cells, "")
        read = self._read_once if self._end is not None or self._known else read_cell
        for name in names:
            file, key = folder + name, name.removesuffix(".json")
            try:
                found[key] = read(file, key, planned)
            except FileNotFoundError:  # a writer has set it aside meanwhile
                continue
            except NtkbenchError as error:
                self._foreign.append(Path(file))
                self.problems.append(f"{error} It is ignored; the next `ntkbench run` here sets it aside.")
        return found

    def _read_once(self, file: str, key: str, planned: Collection[str]) -> CellResult:
        """Return the result in a file as `read_cell` does, without reading an unchanged file again."""
        status = os.stat(file)
        version = status.st_ino, status.st_mtime_ns, status.st_size
        known = self._known.get(key)
        if known is None or known[0] != version or (planned and key not in planned):
            self._known[key] = known = version, read_cell(file, key, planned)
        return known[1]

    def _names(self) -> list[str]:
        """Return the names of the cell files."""
        try:
            names = sorted(os.listdir(self.cells))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise NtkbenchError(f"{self.cells} could not be read: {error.strerror or error}.") from None
        return [name for name in names if name.endswith(".json") and not name.startswith(".")]

    def _found(self) -> dict[str, Any]:
        """Return the manifest entries for the stored cells, to rebuild a lost manifest."""
        cells = [result.cell for result in self.read()]
        return {"cells": [cell.key for cell in cells], "labels": {cell.key: cell.label for cell in cells}}

    @contextmanager
    def _stopping_run_on_oserror(self, file: Path) -> Iterator[None]:
        """Turn an OSError while writing `file` into RunStopped."""
        try:
            yield
        except OSError as error:
            raise RunStopped(
                f"{file} could not be written: {error.strerror or error}. Finished cells are kept in {self.path}. "
                f"Fix the problem and rerun the command with --out {self.path} to resume."
            ) from error


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Disable garbage collection, which is slow with the million live objects of ten thousand cells."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _end(lock: WriterLock, cells: Path, workspaces: Path) -> None:
    """Sync the names of the last cells to disk, remove the directory of workspaces if it is empty, release the lock."""
    with contextlib.suppress(OSError):
        sync_directory(cells)
    with contextlib.suppress(OSError):
        workspaces.rmdir()
    lock.release()


def _names(directory: Path) -> set[str]:
    """Return the names in a directory, none if it does not exist."""
    try:
        return set(os.listdir(directory))
    except OSError:
        return set()


def _reason(error: OSError) -> str:
    """Return the reason of an error with the name of the file, unless that is a temporary one."""
    name = os.path.basename(str(error.filename or ""))
    reason = str(error.strerror or error)
    return reason if not name or is_temporary(name) else f"{reason} ({name})"


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
        f"{file} is damaged: {what}. Delete it and rerun the same `ntkbench run` command; finished cells are kept."
    )


def _text(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=1, allow_nan=False) + "\n").encode()


def _order(result: CellResult) -> tuple[Any, ...]:
    cell = result.cell
    params = json.dumps(cell.params, sort_keys=True, default=str)
    return (cell.architecture, params, cell.width, cell.seed, cell.measurement, cell.key)

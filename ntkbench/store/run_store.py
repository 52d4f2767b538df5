"""A run on disk: RUN/manifest.json, and RUN/cells/<key>.json for every finished cell."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import NtkbenchError
from ..types import CellResult, Status
from . import curves
from .atomic import SUFFIX, remove_leftovers, write_atomically
from .cell_file import SCHEMA_VERSION, decode, encode, plain
from .manifest import catalogue, merge, theory


class RunStore:
    """The directory of a run. Any number of readers, one writer at a time.

    path: the directory.
    problems: a sentence for each file that could not be read by the latest `read`; its cell counts as missing.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self.problems: list[str] = []

    @property
    def cells(self) -> Path:
        """The directory of the cells' files."""
        return self.path / "cells"

    def create_or_open(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Make the directory a run that plans `manifest`, added to what was planned there; return the whole manifest.

        Leftovers of a killed writer are removed. Raises NtkbenchError for a directory that holds something else,
        a manifest that is damaged, and a system that refuses to write.
        """
        if self.path.exists() and not self.path.is_dir():
            raise NtkbenchError(f"{self.path} is a file; a run needs a directory. Choose another --out.")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.path)
            if not self.is_run() and any(self.path.iterdir()):
                raise NtkbenchError(
                    f"{self.path} is not empty and holds no run (no manifest.json). "
                    "Choose another --out, or an empty directory."
                )
            merged = merge(self.manifest(), plain(manifest))
            write_atomically(self.path / "manifest.json", _text(merged))
            self.cells.mkdir(exist_ok=True)
            remove_leftovers(self.cells)
        except OSError as error:
            raise NtkbenchError(
                f"The run cannot be kept in {self.path}: {error.strerror or error}. Choose another --out."
            ) from error
        return merged

    def note(self, name: str, value: Any) -> None:
        """Set one entry of the manifest, beside the plan: what is known of the run as a whole."""
        write_atomically(self.path / "manifest.json", _text(self.manifest() | {name: plain(value)}))

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

    def finished_keys(self) -> set[str]:
        """Return the keys of the cells that need no further run: those that are ok or unsupported."""
        return {result.cell.key for result in self.read() if result.status in (Status.OK, Status.UNSUPPORTED)}

    def write(self, result: CellResult) -> None:
        """Store `result` as one whole file, in place of an earlier result of the same cell."""
        write_atomically(self.cells / f"{result.cell.key}.json", encode(result).encode())

    def read(self) -> Iterator[CellResult]:
        """Yield the stored results: in plan order, then what no plan names, sorted by what the cell is."""
        self.problems = []
        found = {result.cell.key: result for result in self._read_files()}
        for key in self.manifest().get("cells", ()):
            if key in found:
                yield found.pop(key)
        yield from sorted(found.values(), key=_order)

    def _read_files(self) -> Iterator[CellResult]:
        for file in sorted(self.cells.glob("*.json")):
            if file.name.startswith(".") or file.name.endswith(SUFFIX):
                continue
            try:
                result = decode(file.read_bytes(), str(file))
                if result.cell.key != file.stem:
                    raise NtkbenchError(f"{file} holds the cell {result.cell.key}, not the one it is named after.")
            except OSError as error:
                self.problems.append(f"{file} could not be read: {error.strerror or error}.")
            except NtkbenchError as error:
                self.problems.append(str(error))
            else:
                yield result


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

"""Check that the source files of a run are still the ones that were hashed when it was planned."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..errors import NtkbenchError
from ..registry.code import Code, hash_of
from ..types import Cell


class CodeWatch:
    """Notices when a source file changes during a run.

    A file is read once. It is read again only if its time, size or inode is another one.

    Args:
        code: The planned code, by label of the architecture and by name of the measurement; see `Plan.code`.

    Attributes:
        noticed: The sentence on the first change; "" while there is none.
    """

    def __init__(self, code: Mapping[str, Code] | None = None):
        self.noticed = ""
        self._code = dict(code or {})
        self._fingerprints = {name: each.fingerprint for name, each in self._code.items()}
        self._stamps: dict[tuple[Path, str], tuple[int, int, int]] = {}

    def require_unchanged(self, cell: Cell) -> None:
        """Raise NtkbenchError if a file that a cell depends on differs from the one in the cell's fingerprint."""
        rests_on = {cell.label: cell.source_hash or cell.architecture_code, cell.measurement: cell.measurement_code}
        for name, fingerprint in rests_on.items():
            if name not in self._code:
                continue
            changed = next(self._changed(self._code[name]), None)
            if changed is None and self._fingerprints[name] != fingerprint:  # planned again after an edit
                changed = f"The code of {name}"
            if changed is not None:
                sentence = f"{changed} changed during the run; run the command again."
                self.noticed = self.noticed or sentence
                raise NtkbenchError(sentence)

    def _changed(self, code: Code) -> Iterator[str]:
        """Yield the names of the files that have changed."""
        for name, path in code.paths.items():
            planned = code.files[name]
            try:
                stat = os.stat(path)
                stamp = stat.st_mtime_ns, stat.st_size, stat.st_ino
                if self._stamps.get((path, planned)) != stamp:
                    if hash_of(path.read_bytes()) != planned:
                        yield name
                    else:
                        self._stamps[path, planned] = stamp
            except OSError:  # removed
                yield name

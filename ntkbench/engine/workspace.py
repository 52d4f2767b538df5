"""Folders for the intermediate files of cells."""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path

from ..errors import NtkbenchError


class Workspace:
    """Folder of one cell for its intermediate files, created on first use.

    Args:
        path: The folder, which may hold files of an interrupted measurement of the same cell. None for a new temporary
            folder that is removed with this object.
    """

    def __init__(self, path: Path | None = None):
        self._path = path

    @cached_property
    def folder(self) -> Path:
        """The folder, which exists.

        Raises:
            NtkbenchError: The folder could not be created.
        """
        try:
            if self._path is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="ntkbench-", ignore_cleanup_errors=True)
                return Path(self._temporary.name)
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NtkbenchError(
                f"The workspace {self._path or tempfile.gettempdir()} could not be created: "
                f"{error.strerror or error}. Free some space or check its permissions."
            ) from error
        return self._path

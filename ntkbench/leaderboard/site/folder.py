"""Write the files of a site into a folder, and remove those of an earlier build."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from pathlib import Path
from types import TracebackType
from typing import Any

from ...atomic import create_folder, write_atomically
from ...errors import NtkbenchError
from ...reading import read_regular

LISTING = "files.json"
_NAME = re.compile(r"(?:rows/|submissions/)?[^/\\\x00]+\Z")


class SiteFolder:
    """The folder of a site, as a context manager.

    The names and hashes of the files are kept in files.json. At the end, the files that an earlier build listed there
    and this one did not write are removed if their contents are still those that were written.

    Args:
        path: The folder; created if it does not exist.

    Raises:
        NtkbenchError: If the path is not a folder.
    """

    def __init__(self, path: Path):
        if path.exists() and not path.is_dir():
            raise NtkbenchError(f"{path} is not a folder. Choose another folder for the site.")
        self.path = path
        self.files: dict[str, str] = {}
        self._earlier = _listed(path / LISTING)

    def write(self, name: str, data: bytes) -> None:
        """Write a file.

        Args:
            name: Path inside the folder, with "/".
            data: Contents.

        Raises:
            NtkbenchError: If there is another file of this name that no build of a site has written.
        """
        path, own = self.path / name, hashlib.sha256(data).hexdigest()
        if path.exists() and name not in self._earlier:
            if _hash_of(path) == own:
                return  # somebody else's file, which stays when the site no longer has it
            raise NtkbenchError(
                f"{path} exists and was not written by `ntkbench leaderboard site`, so it is kept. Choose an empty "
                "folder, or move this file away."
            )
        self.files[name] = own
        if _hash_of(path) != own:
            create_folder(path.parent)
            write_atomically(path, data)

    def __enter__(self) -> SiteFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            for name in self._earlier.keys() - self.files.keys():
                path = self.path / name
                if not path.parent.is_symlink() and _hash_of(path) == self._earlier[name]:
                    path.unlink()
        elif not self.path.is_dir():
            return
        listed = self.files if kind is None else self._earlier | self.files
        text = json.dumps({"kind": "ntkbench-site", "files": listed}, indent=1, sort_keys=True) + "\n"
        with contextlib.suppress(NtkbenchError) if kind is not None else contextlib.nullcontext():
            write_atomically(self.path / LISTING, text.encode())


def _listed(path: Path) -> dict[str, str]:
    """Return the files that an earlier build wrote, with their hashes; empty without a readable list."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found: Any = json.loads(read_regular(path))
        if isinstance(found, dict) and found.get("kind") == "ntkbench-site" and isinstance(found.get("files"), dict):
            return {
                name: str(value) for name, value in found["files"].items() if _NAME.match(name) and ".." not in name
            }
    return {}


def _hash_of(path: Path) -> str:
    """Return the SHA-256 of a regular file; "" for anything else."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

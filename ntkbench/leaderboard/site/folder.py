"""Write the files of a site into a folder, and remove those of an earlier build."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...atomic import create_folder, write_atomically
from ...errors import NtkbenchError
from ...reading import read_regular

LISTING = "files.json"
_NAME = re.compile(r"(?:rows/|submissions/)?(?!\.\.?\Z)[^/\\\x00]+\Z")


def refuse_foreign(path: Path) -> None:
    """Raise NtkbenchError if a path is neither free, nor an empty folder, nor the folder of a site.

    Hidden files, such as .git, may be anywhere.
    """
    if path.exists() and not path.is_dir():
        raise NtkbenchError(f"{path} is not a folder. Choose another folder for the site.")
    if path.is_dir() and _listed(path / LISTING) is None:
        foreign = sorted(each.name for each in path.iterdir() if not each.name.startswith("."))
        if foreign:
            raise NtkbenchError(
                f"{path} contains {foreign[0]!r:.80} but no site (no {LISTING} of `ntkbench leaderboard site`), so "
                "nothing is written there. Choose an empty folder or a new one."
            )


def write_site(path: Path, files: Mapping[str, bytes]) -> int:
    """Write a site into a folder, which is created if it does not exist.

    The names and hashes of the files are kept in files.json. At the end, the files that an earlier build listed there
    and that are not part of the site any more are removed if their contents are still those that were written.

    Args:
        path: The folder.
        files: Contents by path inside the folder, with "/".

    Returns:
        The number of files of the site.

    Raises:
        NtkbenchError: If the folder holds something else than a site, or another file of a name that no build of a site
            has written; then nothing is written. Or if a file cannot be written.
    """
    refuse_foreign(path)
    earlier = _listed(path / LISTING) or {}
    own = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    for name in own.keys() - earlier.keys():
        if os.path.lexists(path / name):
            if _hash_of(path / name) != own[name]:
                raise NtkbenchError(
                    f"{path / name} exists and was not written by `ntkbench leaderboard site`, so it is kept. Choose "
                    "an empty folder, or move this file away."
                )
            del own[name]  # somebody else's file, which stays when the site no longer has it
    create_folder(path)
    _list(path, earlier | own)  # first, so that the next build knows the files of one that was interrupted
    for name, hash_ in own.items():
        if _hash_of(path / name) != hash_:
            create_folder((path / name).parent)
            write_atomically(path / name, files[name])
    for name in earlier.keys() - own.keys():
        if not (path / name).parent.is_symlink() and _hash_of(path / name) == earlier[name]:
            (path / name).unlink()
    _list(path, own)
    return len(own)


def _list(path: Path, files: Mapping[str, str]) -> None:
    text = json.dumps({"kind": "ntkbench-site", "files": files}, indent=1, sort_keys=True) + "\n"
    write_atomically(path / LISTING, text.encode())


def _listed(path: Path) -> dict[str, str] | None:
    """Return the files that an earlier build wrote, with their hashes; None without a readable list."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found: Any = json.loads(read_regular(path))
        if isinstance(found, dict) and found.get("kind") == "ntkbench-site" and isinstance(found.get("files"), dict):
            return {name: str(value) for name, value in found["files"].items() if _NAME.match(name)}
    return None


def _hash_of(path: Path) -> str:
    """Return the SHA-256 of a regular file; "" for anything else."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

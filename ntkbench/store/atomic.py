"""Files that are either whole or not there, also after a kill or a full disk."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..errors import NtkbenchError

SUFFIX = ".tmp"


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` through a temporary file in the same directory.

    A reader sees the old file or the new one, never a part. What exists and is no regular file (a terminal,
    a pipe) is written to directly. Raises NtkbenchError when the system refuses.
    """
    path = Path(os.path.realpath(path))
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        temporary = path.with_name(f".{path.name}.{os.getpid()}{SUFFIX}")
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise NtkbenchError(
            f"{path} could not be written: {error.strerror or error}. "
            "Make room or choose another place; what was written before is kept."
        ) from error


def remove_leftovers(directory: Path) -> None:
    """Remove the temporary files that a killed writer left in `directory`; only its one writer may call this."""
    for leftover in directory.glob(f".*{SUFFIX}"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def _sync_directory(directory: Path) -> None:
    # The new name itself reaches the disk with its directory. Not every system opens directories.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

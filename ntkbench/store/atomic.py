"""Files that are either whole or not there, also after a kill, a full disk or a power cut."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from pathlib import Path

from ..errors import NtkbenchError

_TEMPORARY = re.compile(r"\..+\.\d+(-[0-9a-f]+)?\.tmp")


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` through a temporary file in the same directory.

    A reader sees the old file or the new one, never a part. What exists and is no regular file (a terminal,
    a pipe) is written to directly. Raises NtkbenchError when the system refuses.
    """
    try:
        replace(path, data)
    except OSError as error:
        raise NtkbenchError(
            f"{path} could not be written: {error.strerror or error}. "
            "Make room or choose another place; what was written before is kept."
        ) from error


def replace(path: str | os.PathLike[str], data: bytes, *, sync_name: bool = True) -> None:
    """Do what `write_atomically` does, and raise OSError when the system refuses.

    The bytes are on the disk before the name is there. With `sync_name` the name is on the disk too; without, it is
    after `sync_directory`, which costs as much as all else.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if sync_name:
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Wait until the names in `directory` are on the disk, where the system can do that."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return  # Windows opens no directories
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def is_temporary(name: str) -> bool:
    """Tell whether a file of this name is one through which `write_atomically` writes."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_leftovers(directory: Path) -> None:
    """Remove the temporary files that a killed writer left in `directory`; only its one writer may call this."""
    for leftover in directory.glob(".*.tmp"):
        if is_temporary(leftover.name):
            with contextlib.suppress(OSError):
                leftover.unlink()

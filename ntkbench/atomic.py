"""Write files atomically: a file is complete or absent, even after a kill, on a full disk or after a power cut."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from pathlib import Path

from .errors import NtkbenchError

_TEMPORARY = re.compile(r"\..+\.\d+(-[0-9a-f]+)?\.tmp")


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` through a temporary file in the same directory.

    A reader sees either the old file or the new one, never a part. An existing path that is not a regular file (a
    terminal or a pipe) is written to directly.

    Raises:
        NtkbenchError: The file could not be written.
    """
    try:
        replace(path, data)
    except OSError as error:
        raise _not_written(path, error) from error


def create_atomically(path: str | os.PathLike[str], data: bytes) -> bool:
    """Write `data` to a new file as `write_atomically` does; return False, and write nothing, if the path exists.

    Of several processes that create the same path at once, one succeeds.

    Raises:
        NtkbenchError: The file could not be written.
    """
    try:
        replace(path, data, new=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise _not_written(path, error) from error
    return True


def _not_written(path: str | os.PathLike[str], error: OSError) -> NtkbenchError:
    return NtkbenchError(
        f"{path} could not be written: {error.strerror or error}. "
        "Free some space or choose another path; an existing file is kept."
    )


def create_folder(path: Path) -> None:
    """Create a folder and those above it, if they do not exist.

    Raises:
        NtkbenchError: The folder could not be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NtkbenchError(
            f"The folder {path} could not be created: {error.strerror or error}. Choose another one."
        ) from error


def replace(path: str | os.PathLike[str], data: bytes, *, sync_name: bool = True, new: bool = False) -> None:
    """Write `data` to `path` as `write_atomically` does, but raise OSError when writing fails.

    The bytes are on disk before the file appears under its name.

    Args:
        path: The file.
        data: Its content.
        sync_name: Whether to sync the directory as well, which takes as long as all the rest. Otherwise the name is on
            disk only after `sync_directory`.
        new: Whether to raise FileExistsError if the path exists.
    """
    path = Path(os.path.realpath(path))
    if not new and path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        (_create if new else os.replace)(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if sync_name:
        sync_directory(path.parent)


def _create(temporary: Path, path: Path) -> None:
    """Move a temporary file to a path, or raise FileExistsError if the path exists.

    On a file system without hard links the path is an empty file until the temporary one replaces it.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        path.touch(exist_ok=False)
        try:
            os.replace(temporary, path)
        except BaseException:
            path.unlink()  # an empty file would refuse the next attempt
            raise
    else:
        temporary.unlink()


def sync_directory(directory: Path) -> None:
    """Wait until the file names in `directory` are on disk; do nothing where the system does not support it."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return  # Windows cannot open directories
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def is_temporary(name: str) -> bool:
    """Return whether this is the name of a temporary file of `write_atomically`."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_leftovers(directory: Path) -> None:
    """Remove temporary files that a killed writer left in `directory`. Only the holder of the lock may call this."""
    for leftover in directory.glob(".*.tmp"):
        if is_temporary(leftover.name):
            with contextlib.suppress(OSError):
                leftover.unlink()

"""Read files that others may have put there, without waiting for a pipe that nobody writes to."""

from __future__ import annotations

import errno
import os
import stat

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """Return the contents of a regular file.

    Raises:
        OSError: The file could not be read, or is a folder, a pipe or a device. A pipe would block the command, and
            a device may never end.
    """
    with open(path, "rb", buffering=0, opener=lambda name, _: os.open(name, _FLAGS)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device", os.fspath(path))
        return file.read()

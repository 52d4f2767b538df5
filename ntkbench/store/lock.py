"""The lock of a run's folder: one process writes, any number read."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import filelock

from ..errors import NtkbenchError

NAME = ".lock"
_UNLOCKABLE = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
_held: dict[str, WriterLock] = {}
_guard = threading.RLock()  # a store that is collected while another one takes a lock releases its own


class WriterLock:
    """A hold on a folder that other processes respect. The stores of one process share it.

    The system gives it up when the process ends, however it ends, so that no hold outlives its holder. RUN/.lock says
    who holds it, and is empty when nobody does.

    stores: how many share it.
    """

    def __init__(self, folder: Path):
        self._key = os.path.realpath(folder)
        self._file = Path(self._key, NAME)
        # With on_acquired filelock never falls back to a file that only stands for a lock: one would outlive a kill.
        self._lock = filelock.FileLock(self._file, timeout=0, thread_local=False, on_acquired=_sign)
        self.stores = 0

    @classmethod
    def take(cls, folder: Path) -> WriterLock:
        """Return the hold on `folder`, one `release` of which is owed.

        Raises NtkbenchError, saying who writes there, when another process holds it, and OSError when the folder cannot
        be written. A file system that has no locks is used without: cells are whole files there too.
        """
        new = cls(folder)
        with _guard:
            lock = _held.setdefault(new._key, new)
            lock.stores += 1
            if lock is new:
                try:
                    lock._acquire()
                except BaseException:
                    del _held[lock._key]
                    raise
            return lock

    def release(self) -> None:
        """Give back one `take`; after the last one, other processes may write."""
        with _guard:
            self.stores -= 1
            if not self.stores:
                del _held[self._key]
                with contextlib.suppress(OSError):
                    if self._lock.is_locked:
                        os.truncate(self._file, 0)
                    self._lock.release()

    def _acquire(self) -> None:
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise NtkbenchError(
                f"{self._file.parent} is in use: {_holder(self._file)}. Wait for it or stop it, or choose another "
                "--out; `ntkbench table` can be read meanwhile."
            ) from None
        except OSError as error:
            if error.errno not in _UNLOCKABLE:
                raise


def _sign(descriptor: int) -> None:
    """Write who we are into the file that we locked."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    signature = {"host": socket.gethostname(), "pid": os.getpid(), "since": now}
    with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, (json.dumps(signature) + "\n").encode())


def _holder(file: Path) -> str:
    try:
        signature: Any = json.loads(file.read_bytes())
        return f"process {signature['pid']} on {signature['host']} has been writing there since {signature['since']}"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process writes there"

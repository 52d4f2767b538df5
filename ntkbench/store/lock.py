"""Lock of a run folder: one process writes, any number of processes read."""

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
_guard = threading.RLock()  # reentrant: a store that is garbage-collected in `take` releases its own lock there


class WriterLock:
    """Exclusive lock on a folder, shared by all stores of this process.

    The operating system releases the lock when the process ends, even when it is killed. RUN/.lock names the process
    that holds the lock, and is empty when it is free.

    Attributes:
        stores: Number of stores that share the lock.
    """

    def __init__(self, folder: Path):
        self._key = os.path.realpath(folder)
        self._file = Path(self._key, NAME)
        # With on_acquired, filelock never falls back to a lock by file existence, which would outlive a killed process.
        self._lock = filelock.FileLock(self._file, timeout=0, thread_local=False, on_acquired=_sign)
        self.stores = 0

    @classmethod
    def take(cls, folder: Path) -> WriterLock:
        """Acquire the lock on `folder`; every call needs one `release`.

        On a file system without locks, no lock is taken; cells are still written atomically.

        Raises:
            NtkbenchError: Another process holds the lock; the message names it.
            OSError: The folder is not writable.
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
        """Undo one `take`; after the last one, other processes may write."""
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
                f"{self._file.parent} is in use: {_holder(self._file)}. Wait for it, stop it or choose another "
                "--out; `ntkbench table` works in the meantime."
            ) from None
        except OSError as error:
            if error.errno not in _UNLOCKABLE:
                raise


def _sign(descriptor: int) -> None:
    """Write this process's host and id into the locked file."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    signature = {"host": socket.gethostname(), "pid": os.getpid(), "since": now}
    with contextlib.suppress(OSError):  # on a full disk the lock works without a signature
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, (json.dumps(signature) + "\n").encode())


def _holder(file: Path) -> str:
    try:
        signature: Any = json.loads(file.read_bytes())
        return f"process {signature['pid']} on {signature['host']} has been writing there since {signature['since']}"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process is writing there"

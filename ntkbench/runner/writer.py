"""Store results in background threads: disks sync several files at once faster than one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ..types import CellResult

THREADS = 4
MOST = 32  # results that may wait to be written


class Writer:
    """Calls `write` for each result in background threads.

    Leaving its context waits until all results are written. An error of `write` is raised by a later `put` or on
    leaving the context; nothing is written after it.

    Args:
        write: Stores one result.
    """

    def __init__(self, write: Callable[[CellResult], Any]):
        self._write = write
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ntkbench-writer")
        self._slots = threading.Semaphore(MOST)
        self._error: BaseException | None = None

    def put(self, result: CellResult) -> None:
        """Queue a result for writing; block while too many results are waiting."""
        self._slots.acquire()
        if self._error is not None:
            self._slots.release()
            raise self._error
        self._pool.submit(self._store, result).add_done_callback(self._done)

    def _store(self, result: CellResult) -> None:
        if self._error is None:
            self._write(result)

    def _done(self, future: Future[Any]) -> None:
        self._error = self._error or future.exception()
        self._slots.release()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self._pool.shutdown()
        if self._error is not None and kind is None:
            raise self._error

"""Storing results while the next ones are measured: a disk that is asked to keep several files at once is faster."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ..types import CellResult

THREADS = 4
MOST = 32  # results that are not yet on the disk


class Writer:
    """Calls `write` for each result, in other threads; a context manager, at whose end all results are on the disk.

    An error of `write` is raised by a later `put`, or at the end; nothing is written after it.
    """

    def __init__(self, write: Callable[[CellResult], Any]):
        self._write = write
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ntkbench-writer")
        self._room = threading.Semaphore(MOST)
        self._error: BaseException | None = None

    def put(self, result: CellResult) -> None:
        """Store a result soon; waits where many are not stored yet."""
        self._room.acquire()
        if self._error is not None:
            self._room.release()
            raise self._error
        self._pool.submit(self._store, result).add_done_callback(self._done)

    def _store(self, result: CellResult) -> None:
        if self._error is None:
            self._write(result)

    def _done(self, future: Future[Any]) -> None:
        self._error = self._error or future.exception()
        self._room.release()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self._pool.shutdown()
        if self._error is not None and kind is None:
            raise self._error

"""Scopes over process-wide settings: the first thread that enters makes the change, the last that leaves undoes it."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager


def shared(scope: Callable[[], Iterator[None]]) -> Callable[[], contextlib._GeneratorContextManager[None]]:
    """Turn a generator into a context manager, like `contextlib.contextmanager`, that threads may enter concurrently.

    A thread that enters while another is inside finds the change made; the change lasts until the last thread leaves.
    """
    manager, lock = contextlib.contextmanager(scope), threading.Lock()
    inside: list[AbstractContextManager[None]] = []  # holds the one active change
    count = 0

    @functools.wraps(scope)
    def entered() -> Iterator[None]:
        nonlocal count
        with lock:
            if not count:
                inside.append(manager())
                inside[0].__enter__()
            count += 1
        try:
            yield
        finally:
            with lock:
                count -= 1
                if not count:
                    inside.pop().__exit__(None, None, None)

    return contextlib.contextmanager(entered)

"""Scopes over what all threads share: changed by the first thread that enters, put back by the last that leaves."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager


def shared(scope: Callable[[], Iterator[None]]) -> Callable[[], contextlib._GeneratorContextManager[None]]:
    """Make a context manager of a generator, as `contextlib.contextmanager` does, that threads may be in together.

    One that enters while another one is inside finds the change made, and it stays for the one that leaves last.
    """
    manager, lock = contextlib.contextmanager(scope), threading.Lock()
    inside: list[AbstractContextManager[None]] = []  # the first one holds the change
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

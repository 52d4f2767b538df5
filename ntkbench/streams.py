"""The process's standard streams: standard output carries the answer, and no stream can stop a command."""

from __future__ import annotations

import functools
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, TextIO, TypeVar

from .errors import RunStopped

Function = TypeVar("Function", bound=Callable[..., Any])

# Characters that an encoding lacks are written as \u2713: "?" would make ✓ and ✗ the same.
LOSSLESS = "backslashreplace"

_answers: TextIO | None = None


class Forgiving(io.TextIOWrapper):
    """A text stream that drops what cannot be written, because a disk is full or a reader has gone."""

    def write(self, text: str) -> int:
        """Write the text, or drop it; return its length."""
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream if that is possible."""
        with suppress(OSError):
            super().flush()


def print_to_standard_error() -> None:
    """Send everything that this process and its children print, natively too, to standard error."""
    _open_closed()
    os.dup2(2, 1)
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    stream = Forgiving(os.fdopen(2, "wb", closefd=False), encoding=encoding, errors=LOSSLESS, line_buffering=True)
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        setattr(sys, name, stream)


def keep_standard_output() -> None:
    """Keep standard output for `sys.stdout` alone; descriptor 1 becomes standard error for the process's life.

    Native code and child processes write to descriptor 1, and C libraries flush it as late as at exit, so it is never
    restored. Does nothing where the streams have been replaced already, as in a test.
    """
    if sys.stdout is not sys.__stdout__ or sys.stderr is not sys.__stderr__:
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if sys.stdout is not None:
        sys.stdout.flush()
    _open_closed()
    kept = os.dup(1)
    print_to_standard_error()
    sys.stdout = os.fdopen(kept, "w", encoding=encoding, errors=LOSSLESS)


def _open_closed() -> None:
    """Open closed standard descriptors on the null device; the next file opened would take their numbers."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def answering(command: Function) -> Function:
    """Reserve standard output for `answer` while a command runs; other code's prints go to standard error."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        global _answers
        before, _answers = _answers, _answers or sys.stdout
        try:
            with redirect_stdout(sys.stderr):
                return command(*args, **kwargs)
        finally:
            _answers = before

    return run  # type: ignore[return-value]


def answer(text: str) -> None:
    """Write text and a line feed to standard output.

    Raises:
        RunStopped: When standard output cannot be written.
        BrokenPipeError: When its reader, such as `head`, has gone.
    """
    with writing_to(_answers or sys.stdout) as stream:
        stream.write(text + "\n")


def answer_json(found: Any) -> None:
    """Write `found` as JSON to standard output, in ASCII: valid in every encoding, and inert on a terminal.

    Raises as `answer` does.
    """
    answer(json.dumps(found, indent=1, allow_nan=False))


@contextmanager
def writing_to(stream: TextIO) -> Iterator[TextIO]:
    """Give and flush a stream of the answer; raise as `answer` does, leaving nothing in the buffer to fail at exit."""
    try:
        yield stream
        stream.flush()
    except OSError as error:
        with suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
        if isinstance(error, BrokenPipeError):
            raise
        raise RunStopped(
            f"Standard output cannot be written: {error.strerror or error}. Redirect it elsewhere."
        ) from None

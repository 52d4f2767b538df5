"""Standard streams of the process: keep standard output for results, and survive streams that cannot be written."""

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

# Characters that the encoding lacks are escaped, such as \u2713; "?" would make ✓ and ✗ look the same.
LOSSLESS = "backslashreplace"

_answers: TextIO | None = None


class Forgiving(io.TextIOWrapper):
    """A text stream that drops text that cannot be written, because the disk is full or the reader is gone."""

    def write(self, text: str) -> int:
        """Write the text, or drop it; return its length."""
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream, ignoring errors."""
        with suppress(OSError):
            super().flush()


class Answers(io.TextIOWrapper):
    """Standard output of the command line, where every text that cannot be written ends as `answer` says."""

    def write(self, text: str) -> int:
        """Write the text; return its length."""
        with _in_words(self):
            return super().write(text)

    def flush(self) -> None:
        """Flush the stream."""
        with _in_words(self):
            super().flush()


def print_to_standard_error() -> None:
    """Send all output of this process and its children to standard error, including output of native code."""
    _open_closed()
    os.dup2(2, 1)
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    stream = Forgiving(os.fdopen(2, "wb", closefd=False), encoding=encoding, errors=LOSSLESS, line_buffering=True)
    for name in ("stdout", "stderr", "__stdout__", "__stderr__"):
        setattr(sys, name, stream)


def keep_standard_output() -> None:
    """Keep standard output for `sys.stdout` alone; descriptor 1 becomes standard error for the process's life.

    It is never restored, because native code and child processes write to descriptor 1 and C libraries may flush it
    as late as at exit. Do nothing when the streams have already been replaced, as in tests.
    """
    if sys.stdout is not sys.__stdout__ or sys.stderr is not sys.__stderr__:
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if sys.stdout is not None:
        sys.stdout.flush()
    _open_closed()
    kept = os.dup(1)
    print_to_standard_error()
    stream = os.fdopen(kept, "wb")
    sys.stdout = Answers(stream, encoding=encoding, errors=LOSSLESS, line_buffering=stream.isatty())


def _open_closed() -> None:
    """Open closed standard descriptors on the null device, so that other files do not get their numbers."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def answering(command: Function) -> Function:
    """Decorate a command so that only `answer` writes to standard output; all other prints go to standard error."""

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
        RunStopped: When standard output cannot be written to.
        BrokenPipeError: When the reader, such as `head`, has closed the pipe.
    """
    with writing_to(_answers or sys.stdout) as stream:
        stream.write(text + "\n")


def answer_json(found: Any) -> None:
    """Write `found` as ASCII JSON to standard output: valid in every encoding, without control characters.

    Raises:
        RunStopped: When standard output cannot be written to.
        BrokenPipeError: When the reader has closed the pipe.
    """
    answer(json.dumps(found, indent=1, allow_nan=False))


@contextmanager
def writing_to(stream: TextIO) -> Iterator[TextIO]:
    """Yield a stream and flush it afterwards; raise as `answer` does."""
    with _in_words(stream):
        yield stream
        stream.flush()


@contextmanager
def _in_words(stream: TextIO) -> Iterator[None]:
    """Raise as `answer` does where writing to a stream fails.

    After an error the stream goes to the null device, so that flushing its buffer at exit does not fail again.
    """
    try:
        yield
    except OSError as error:
        with suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
        if isinstance(error, BrokenPipeError):
            raise
        raise RunStopped(
            f"Standard output could not be written: {error.strerror or error}. Redirect it elsewhere."
        ) from None

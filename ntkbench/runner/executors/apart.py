"""Run a user's code in a separate process, so that code that exits, crashes or hangs does not stop the command."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import psutil

from ...errors import NtkbenchError, message_of, reason_of
from ...registry.current import block, blocked
from ...streams import print_to_standard_error
from ..device import prepare
from ..limits import NO_LIMITS, Limits
from .child import end_with_parent, safe_path, started
from .processes import STOP_SECONDS, ending
from .watchdog import Worker

Item = TypeVar("Item")


class ProcessEnded(NtkbenchError):
    """Code that ran in a separate process ended that process, or exceeded the time limit."""


def apart(
    function: Callable[..., Iterator[Item]], *arguments: Any, device: str, limits: Limits = NO_LIMITS
) -> Iterator[Item]:
    """Yield what `function(*arguments)` yields in another process, and end that process and its children.

    Args:
        function: A generator function. The function, its arguments and its items must be picklable.
        *arguments: Arguments of the function.
        device: Device on which the process computes, as in `--device`.
        limits: Time limit of each item; the time in which TensorFlow starts does not count.

    Yields:
        The items of the function.

    Raises:
        ProcessEnded: The process ended before the function returned, or was killed because of its time limit.
        NtkbenchError: The function raised an NtkbenchError.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process: Any = context.Process(target=_answer, args=(theirs, function, arguments, blocked(), device), daemon=True)
    with safe_path():
        process.start()
    theirs.close()
    worker = Worker(process, ours, psutil.Process(process.pid))
    seconds = None
    try:
        while True:
            try:
                if not ours.poll(seconds):
                    raise ProcessEnded(f"It did not finish within --timeout {seconds:g} s, and its process was killed.")
                kind, value = ours.recv()
            except (EOFError, OSError):
                process.join(STOP_SECONDS)  # the process may outlive the pipe that it closed
                raise ProcessEnded(f"It ended its process; {ending(process)}.") from None
            if kind == "ready":
                seconds = limits.seconds
                continue
            if kind == "done":
                return
            if kind == "ended":
                raise ProcessEnded(f"It stopped its process; {value}.")
            if kind == "error":
                raise NtkbenchError(value)
            yield value
    finally:
        worker.end()
        process.join()
        ours.close()


def _answer(
    connection: Connection,
    function: Callable[..., Iterator[Any]],
    arguments: tuple[Any, ...],
    without: frozenset[str],
    device: str,
) -> None:
    """Run the function in the child process of `apart` and send its items to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of the terminal; the parent handles it
    started()
    end_with_parent()
    print_to_standard_error()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the parent has exited
        try:
            block(without)
            prepare(device, quiet=True)
            connection.send(("ready", None))
            for item in function(*arguments):
                connection.send(("item", item))
        except NtkbenchError as error:
            connection.send(("error", message_of(error)))
        except BaseException as error:  # includes KeyboardInterrupt, which only the user's code can raise here
            connection.send(("ended", reason_of(error)))
        else:
            connection.send(("done", None))

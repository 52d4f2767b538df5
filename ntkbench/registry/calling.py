"""Call the functions of plugins: pass only the arguments they accept, and keep them from ending the process."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import NtkbenchError, message_of


@contextmanager
def exit_as_error(what: str) -> Iterator[None]:
    """Turn an attempt to end the process (sys.exit, quit) into an NtkbenchError.

    Args:
        what: The code that runs in the block, as a noun for the message.
    """
    try:
        yield
    except SystemExit as error:
        asked = f"{type(error).__name__}: {message_of(error)}".rstrip(": ")
        raise NtkbenchError(f"{what} tried to end the process ({asked}). Its author must remove that call.") from error


@contextmanager
def recursion_limit_kept() -> Iterator[None]:
    """Undo a lowering of Python's recursion limit in the block, after which much of the caller's code would fail.

    A higher limit stays, because what the block returned may need it.
    """
    before = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(max(before, sys.getrecursionlimit()))


def takes(function: Callable[..., Any], name: str) -> bool:
    """Return whether `function` can be called with `name=…`."""
    parameters = inspect.signature(function).parameters.values()
    return any(
        p.kind is p.VAR_KEYWORD or (p.name == name and p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD))
        for p in parameters
    )


def vocabulary_for(build: Callable[..., Any], vocabulary: int | None) -> dict[str, int]:
    """Return {"vocabulary": …} if there is one and the build function names this argument, otherwise {}.

    A function with **options does not get it, because it may pass them on to one that knows nothing of tokens.
    """
    named = vocabulary is not None and "vocabulary" in inspect.signature(build).parameters
    return {"vocabulary": vocabulary} if named and vocabulary is not None else {}


def call_with_known_names(function: Callable[..., Any], *args: Any, **names: Any) -> Any:
    """Return `function(*args, **names)`, leaving out the names that `function` does not accept.

    So `build(width)` and `build(width, *, input_shape, seed)` are both valid architectures.

    Raises:
        NtkbenchError: The function tries to end the process.
    """
    names = {name: value for name, value in names.items() if takes(function, name)}
    with recursion_limit_kept(), exit_as_error(getattr(function, "__qualname__", type(function).__name__)):
        return function(*args, **names)

"""Calling a plugin's function with the names it takes, so that it cannot end the process."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import NtkbenchError


@contextmanager
def contained(what: str) -> Iterator[None]:
    """Turn an attempt to end the process (sys.exit, quit) into an NtkbenchError. what: who attempted it, as a noun."""
    try:
        yield
    except SystemExit as error:
        asked = f"{type(error).__name__}: {error}".rstrip(": ")
        raise NtkbenchError(f"{what} tried to end the process ({asked}); its author has to take that out.") from error


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether `function` can be called with `name=…`."""
    parameters = inspect.signature(function).parameters.values()
    return any(
        p.kind is p.VAR_KEYWORD or (p.name == name and p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD))
        for p in parameters
    )


def call_with_known_names(function: Callable[..., Any], *args: Any, **names: Any) -> Any:
    """Return `function(*args, **names)` without the names that `function` does not take.

    So `build(width)` and `build(width, *, input_shape, seed)` are both architectures. Raises NtkbenchError when it
    tries to end the process.
    """
    names = {name: value for name, value in names.items() if takes(function, name)}
    with contained(getattr(function, "__qualname__", type(function).__name__)):
        return function(*args, **names)

"""Calling a plugin's function with the names it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def call_with_known_names(function: Callable[..., Any], *args: Any, **names: Any) -> Any:
    """Return `function(*args, **names)` without the names that `function` does not take.

    So `build(width)` and `build(width, *, input_shape, seed)` are both architectures.
    """
    parameters = inspect.signature(function).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        taken = {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
        names = {name: value for name, value in names.items() if name in taken}
    return function(*args, **names)

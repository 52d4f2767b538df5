"""Temporarily replace the `call` methods of layers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any


@contextlib.contextmanager
def replaced_calls(calls: Sequence[tuple[Any, Callable[..., Any]]]) -> Iterator[None]:
    """Replace the `call` of each layer by the paired function within the scope."""
    before = [vars(layer).get("call") for layer, _ in calls]
    try:
        for layer, function in calls:
            vars(layer)["call"] = function
        yield
    finally:
        for (layer, _), own in zip(calls, before, strict=True):
            vars(layer).pop("call", None)
            if own is not None:
                vars(layer)["call"] = own

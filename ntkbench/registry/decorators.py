"""The decorators that register without a package: `@nb.architecture` and `@nb.measurement`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..types import Quantity
from .current import registry

Function = TypeVar("Function", bound=Callable[..., Any])


def architecture(name: str, **spec: Any) -> Callable[[Function], Function]:
    """Register the decorated ``build(width, *, input_shape, outputs=1, seed, **params) -> keras.Model``.

    spec: the fields of `ntkbench.registry.specs.Architecture`. Decorating the same function again replaces it,
    so that a notebook cell can be run twice. Raises RegistrationError when somebody else took the name.
    """
    return _decorator("architectures", name, spec)


def measurement(name: str, quantities: Sequence[Quantity], **spec: Any) -> Callable[[Function], Function]:
    """Register the decorated ``measure(ctx) -> {quantity: float | (value, error) | Value}``.

    spec: the fields of `ntkbench.registry.specs.Measurement`. Otherwise like `architecture`.
    """
    return _decorator("measurements", name, {"quantities": quantities, **spec})


def _decorator(kind: str, name: str, spec: dict[str, Any]) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        registry().register(kind, name, function, distribution=function.__module__, **spec)
        return function

    return register

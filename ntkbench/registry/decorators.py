"""Decorators that register a function without a plugin package: `@nb.architecture` and `@nb.measurement`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..types import Quantity
from .current import registry

Function = TypeVar("Function", bound=Callable[..., Any])


def architecture(name: str, **spec: Any) -> Callable[[Function], Function]:
    """Register the decorated function ``build(width, *, input_shape, outputs=1, seed, **params) -> keras.Model``.

    Decorating the same function again replaces it, so that a notebook cell can be run twice.

    Args:
        name: Name of the architecture.
        **spec: Fields of `ntkbench.registry.specs.Architecture`, such as summary, params, inputs, width_means and
            theory.

    Returns:
        The decorator, which returns the function unchanged.

    Raises:
        RegistrationError: The name is taken, or a field is not valid.
    """
    return _decorator("architectures", name, spec)


def measurement(name: str, quantities: Sequence[Quantity], **spec: Any) -> Callable[[Function], Function]:
    """Register the decorated function ``measure(ctx) -> {quantity: float | (value, error) | Value | Curve}``.

    Decorating the same function again replaces it, so that a notebook cell can be run twice.

    Args:
        name: Name of the measurement.
        quantities: The quantities that the function returns.
        **spec: Fields of `ntkbench.registry.specs.Measurement`, such as summary, params, curves and needs.

    Returns:
        The decorator, which returns the function unchanged.

    Raises:
        RegistrationError: The name is taken, or a field is not valid.
    """
    return _decorator("measurements", name, {"quantities": quantities, **spec})


def _decorator(kind: str, name: str, spec: dict[str, Any]) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        # None for functions that `exec` defines in a namespace without __name__
        module = getattr(function, "__module__", None) or "__main__"
        registry().register(kind, name, function, distribution=module, **spec)
        return function

    return register

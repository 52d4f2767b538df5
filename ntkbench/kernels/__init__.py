"""Infinite-width kernels: the public names of `ntkbench.kernels`, each imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..registry.hookspecs import Register, hookimpl

if TYPE_CHECKING:
    from .affine import Conv as Conv, Dense as Dense
    from .attention import LinearAttention as LinearAttention, SharedAttention as SharedAttention
    from .features import NoLimit as NoLimit
    from .graph import add as add, concatenate as concatenate, residual as residual
    from .inference import Ensemble as Ensemble, Prediction as Prediction
    from .infinite import InfiniteWidth as InfiniteWidth
    from .keras_model import infinite_width as infinite_width
    from .ragged import RAGGED as RAGGED
    from .recurrent import LastStep as LastStep, Recurrence as Recurrence, Reverse as Reverse
    from .unitwise import (
        Activation as Activation,
        AveragePooling as AveragePooling,
        Flatten as Flatten,
        GlobalAveragePooling as GlobalAveragePooling,
        Identity as Identity,
        LayerNormalization as LayerNormalization,
        Scale as Scale,
        ZeroPadding as ZeroPadding,
    )

_HOMES = {
    "affine": "Conv Dense",
    "attention": "LinearAttention SharedAttention",
    "features": "NoLimit",
    "graph": "add concatenate residual",
    "inference": "Ensemble Prediction",
    "infinite": "InfiniteWidth",
    "keras_model": "infinite_width",
    "ragged": "RAGGED",
    "recurrent": "LastStep Recurrence Reverse",
    "unitwise": "Activation AveragePooling Flatten GlobalAveragePooling Identity LayerNormalization Scale ZeroPadding",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}
__all__ = sorted([*_HOME, "named"])

ACTIVATIONS = (
    "relu", "leaky_relu", "abs", "erf", "sin", "cos", "gaussian", "gelu", "quadratic", "tanh", "sigmoid", "softplus",
    "silu", "linear",
)  # fmt: skip
COMMON = {
    "activation": {"default": "relu", "choices": ACTIVATIONS, "help": "activation of the hidden layers"},
    "weight_std": {"default": 1.0, "minimum": 0.0, "help": "standard deviation σ_w of the weights of every layer"},
    "bias_std": {"default": 0.0, "minimum": 0.0, "help": "standard deviation σ_b of the biases of every layer"},
    "kind": {"default": "ntk", "choices": ("ntk", "nngp"), "help": "tangent kernel (ntk) or output covariance (nngp)"},
}

BANDWIDTH = {"bandwidth": {"default": 1.0, "minimum": 1e-3, "help": "bandwidth b"}}


def _depth(default: int, what: str) -> dict[str, Any]:
    return {"depth": {"default": default, "minimum": 1, "maximum": 1000, "help": f"number of {what}"}}


@hookimpl
def ntkbench_register_kernels(register: Register) -> None:
    """Register the built-in kernels: of infinitely wide networks with a single activation, and classical ones."""
    here = f"{__name__}.catalogue"
    register(
        "fully-connected",
        f"{here}:fully_connected",
        summary="dense hidden layers; input: vectors",
        params=COMMON | _depth(2, "hidden layers"),
    )
    register(
        "convolutional",
        f"{here}:convolutional",
        inputs="image",
        summary="3×3 convolutions, then flattening or averaging over positions; input: images",
        params=COMMON
        | _depth(2, "convolutions")
        | {
            "pooled": {"default": False, "help": "average over all positions instead of flattening"},
            "padding": {"default": "same", "choices": ("same", "valid", "circular"), "help": "padding at the borders"},
        },
    )
    register(
        "residual",
        f"{here}:residual_network",
        summary="dense residual blocks; input: vectors",
        params=COMMON | _depth(3, "blocks"),
    )
    register(
        "densely-connected",
        f"{here}:densely_connected",
        summary="dense layers that read all earlier ones; input: vectors",
        params=COMMON | _depth(3, "hidden layers"),
    )
    classical = f"{__name__}.classical"
    register("rbf", f"{classical}:rbf", summary="exp(−‖x − x'‖²/(2b²d)); input: vectors of size d", params=BANDWIDTH)
    register(
        "laplace", f"{classical}:laplace", summary="exp(−‖x − x'‖/(b√d)); input: vectors of size d", params=BANDWIDTH
    )
    register(
        "polynomial",
        f"{classical}:polynomial",
        summary="(⟨x, x'⟩/d + c)^p; input: vectors of size d",
        params={
            "degree": {"default": 3, "minimum": 1, "maximum": 20, "help": "degree p"},
            "offset": {"default": 1.0, "minimum": 0.0, "help": "offset c"},
        },
    )


def named(name: str, **params: Any) -> Any:
    """Return a registered kernel, built-in or from a plugin.

    Args:
        name: Name of the kernel; `ntkbench list kernels` shows all.
        **params: Its parameters; `ntkbench list kernels --json` shows them.

    Returns:
        A `tfp.math.psd_kernels.PositiveSemidefiniteKernel`.

    Raises:
        NtkbenchError: The name or a parameter is unknown, or a value is not allowed.
    """
    from ..registry.calling import call_with_known_names
    from ..registry.current import registry

    entry = registry().get("kernels", name)
    return call_with_known_names(entry.load(), **entry.resolve(params))


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value

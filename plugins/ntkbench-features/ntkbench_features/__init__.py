"""Plugin for ntkbench: random features and sketches of the tangent kernel, as transformers and architectures."""

import importlib

ntkbench_hooks = "0.1"

_HOMES = {
    "gradient_features": "GradientFeatures",
    "ntk_sketch": "NTKSketch",
    "nystroem": "NystroemNTK",
    "random_features": "NTKRandomFeatures",
    "relu": "exact_features relu_ntk",
    "sketches": "CountSketch Outer PolySketch SRHT TensorCountSketch TensorSRHT",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME)


def __getattr__(name):
    """Import public names on first use, so that `ntkbench list` stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)

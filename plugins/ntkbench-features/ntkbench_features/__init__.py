"""Plugin for ntkbench: random features and sketches of the tangent kernel, as transformers and architectures."""

import importlib

from ntkbench import Quantity, hookimpl

ntkbench_hooks = "0.1"

INFINITY = float("inf")
SCATTER = "derived: inner products of m features scatter by 1/√m around their mean"
THEORY = {
    "gradient_norm": {"exponent": 0, "source": "derived: the tangent kernel has a limit"},
    "kernel_convergence": {"exponent": -0.5, "source": SCATTER},
    "spectral_error": {"exponent": -0.5, "source": SCATTER},
}
DEPTH = {
    "depth": {"default": 1, "minimum": 1, "maximum": 64, "help": "number of hidden layers of the kernel's network"}
}

_HOMES = {
    "approximation": "frobenius_error spectral_error statistical_dimension",
    "cntk_sketch": "CNTKSketch",
    "gradient_features": "GradientFeatures",
    "ntk_sketch": "NTKSketch",
    "nystroem": "NystroemNTK",
    "random_features": "NTKRandomFeatures",
    "tangent": "exact_features relu_ntk",
    "ridge": "StreamingRidge",
    "sketches": "CountSketch Outer PolySketch SRHT TensorCountSketch TensorSRHT",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME)


@hookimpl
def ntkbench_register_architectures(register):
    """Register the networks of fixed features with a trained readout."""
    here = f"{__name__}.networks"
    register(
        "ntk-features",
        f"{here}:build_features",
        summary="random features of the ReLU tangent kernel with a trained readout; exactly linear in its parameters",
        width_means="features",
        params=DEPTH
        | {
            "sketch": {"default": "srht", "choices": ("srht", "count"), "help": "sketch of products of features"},
            "sampling": {
                "default": "gaussian",
                "choices": ("gaussian", "leverage"),
                "help": "distribution of the weights of the ReLU features",
            },
        },
        theory=THEORY,
        limit=f"{here}:relu_limit",
        seed_bits=63,
    )
    register(
        "ntk-sketch",
        f"{here}:build_sketch",
        summary="polynomial sketch of the ReLU tangent kernel with a trained readout; exactly linear in its parameters",
        width_means="features",
        params=DEPTH
        | {
            "degree": {
                "default": 8,
                "minimum": 2,
                "maximum": 64,
                "help": "degree of the polynomial, which is the limit",
            }
        },
        theory=THEORY,
        limit=f"{here}:polynomial_limit",
        seed_bits=63,
    )


@hookimpl
def ntkbench_register_measurements(register):
    """Register the measurements."""
    here = f"{__name__}.approximation"
    register(
        "spectral_error",
        f"{here}:measure_error",
        summary="spectral distance of the tangent kernel from its infinite-width limit, at a ridge",
        needs="limit",
        quantities=[
            Quantity(
                "spectral_error",
                "ε",
                bounds=(0.0, INFINITY),
                summary="smallest ε with (1 − ε)(K∞ + λI) ⪯ K + λI ⪯ (1 + ε)(K∞ + λI), λ = 0.1 tr K∞ / N",
            )
        ],
    )
    register(
        "statistical_dimension",
        f"{here}:measure_dimension",
        summary="effective number of degrees of freedom of ridge regression with the tangent kernel",
        at_infinity=True,
        quantities=[
            Quantity(
                "statistical_dimension",
                "s_λ",
                bounds=(0.0, INFINITY),
                summary="tr K (K + λI)⁻¹ at the probes, λ = 0.1 tr K / N",
            )
        ],
    )


def __getattr__(name):
    """Import public names on first use, so that `ntkbench list` stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)

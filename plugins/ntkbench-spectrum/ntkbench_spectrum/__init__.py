"""Plugin for ntkbench: spectra of the tangent kernel and of the output's Hessian, and a plot of the latter."""

import importlib

from ntkbench import Quantity, hookimpl

ntkbench_hooks = "0.1"

INFINITY = float("inf")


@hookimpl
def ntkbench_register_measurements(register):
    """Register the measurements."""
    register(
        "ntk_spectrum",
        "ntkbench_spectrum.kernel:measure",
        summary="decay of the tangent kernel's eigenvalues",
        quantities=[
            Quantity(
                "ntk_decay_exponent",
                "α",
                bounds=(0.0, INFINITY),
                summary="exponent α of eigenvalues that decay like k^(−α), by least squares on logarithms",
            ),
            Quantity(
                "ntk_effective_rank",
                "erank K",
                bounds=(1.0, INFINITY),
                summary="exponential of the entropy of the kernel's normalised eigenvalues",
            ),
        ],
    )
    register(
        "hessian_density",
        "ntkbench_spectrum.hessian:measure",
        summary="moments of the spectrum of the output's Hessian, from random vectors",
        needs="hessian",
        quantities=[
            Quantity(
                "hessian_frobenius",
                "‖H‖_F",
                unit="f",
                bounds=(0.0, INFINITY),
                direction="lower",
                reduction="mean",
                summary="Frobenius norm of the output's Hessian",
            ),
            Quantity(
                "hessian_effective_rank",
                "erank H",
                bounds=(0.0, INFINITY),
                reduction="mean",
                summary="(tr H²)² / tr H⁴: number of equal eigenvalues with the same moments",
            ),
        ],
    )


def __getattr__(name):
    """Import `density` and `Density` on first use, so that `ntkbench list` stays fast."""
    if name in ("Density", "density"):
        return getattr(importlib.import_module("ntkbench_spectrum.hessian"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Plugin for ntkbench: the Recurrent Neural Tangent Kernel on sequences of different length."""

import importlib

from ntkbench import hookimpl

ntkbench_hooks = "0.1"

ACTIVATIONS = ("relu", "erf", "tanh", "linear", "leaky_relu", "abs", "sin", "gelu", "sigmoid", "softplus", "silu")
PARAMS = {
    "depth": {"default": 1, "minimum": 1, "maximum": 100, "help": "number of recurrent layers L"},
    "activation": {"default": "relu", "choices": ACTIVATIONS, "help": "activation of the states"},
    "weight_std": {"default": 2**0.5, "minimum": 0.0, "help": "standard deviation σ_w of the recurrent weights"},
    "input_std": {"default": 1.0, "minimum": 0.0, "help": "standard deviation σ_u of the input weights"},
    "bias_std": {"default": 0.0, "minimum": 0.0, "help": "standard deviation σ_b of the biases"},
    "output_std": {"default": 1.0, "minimum": 0.0, "help": "standard deviation σ_v of the readout weights"},
    "initial_std": {
        "default": 0.0,
        "minimum": 0.0,
        "help": "standard deviation σ_h of the state before the first step",
    },
    "frozen": {"default": 0, "minimum": 0, "help": "number of first layers L_f that are not trained"},
    "pooling": {
        "default": "none",
        "choices": ("none", "untied", "tied"),
        "help": "readout: of the last state (none), or the mean of all states with one readout per step (untied) or "
        "one for all steps (tied)",
    },
    "direction": {
        "default": "forward",
        "choices": ("forward", "backward", "bidirectional"),
        "help": "order in which the steps are read",
    },
    "kind": {"default": "ntk", "choices": ("ntk", "nngp"), "help": "tangent kernel (ntk) or output covariance (nngp)"},
}


@hookimpl
def ntkbench_register_kernels(register):
    """Register the kernel."""
    register(
        "rntk",
        "ntkbench_recurrent.kernels:rntk",
        summary="recurrent networks; input: sequences, also of different length",
        inputs=["sequence", "ragged"],
        params=PARAMS,
    )


def __getattr__(name):
    """Import `rntk` on first use, so that `ntkbench list` stays fast."""
    if name == "rntk":
        return importlib.import_module("ntkbench_recurrent.kernels").rntk
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The parameters that built-in architectures share, as registrations write them."""

from __future__ import annotations

from typing import Any

ACTIVATIONS = ("tanh", "relu", "gelu", "silu", "softplus", "erf", "sin", "cos", "sigmoid", "linear", "quadratic")


def fixed(value: str, help: str) -> dict[str, Any]:
    """Return a parameter that has one value only."""
    return {"type": "str", "default": value, "choices": (value,), "help": help}


def activation(default: str = "tanh") -> dict[str, Any]:
    """Return the parameter that names the activation of the hidden layers."""
    return {"type": "str", "default": default, "choices": ACTIVATIONS, "help": "activation of the hidden layers"}


def depth(default: int = 2, what: str = "hidden layers") -> dict[str, Any]:
    """Return the parameter that counts layers or blocks."""
    return {"type": "int", "default": default, "minimum": 1, "maximum": 64, "help": f"number of {what}"}


def bottleneck(what: str = "units") -> dict[str, Any]:
    """Return the parameter that is the bottleneck's width."""
    return {"type": "int", "default": 1, "minimum": 1, "help": f"{what} of the bottleneck layer"}


def init(convolutional: bool = False) -> dict[str, Any]:
    """Return the parameter that says how kernels are drawn: `ntkbench.layers.draws` has what the choices mean."""
    choices: tuple[str, ...] = ("gaussian", "orthogonal")
    help = "how kernels are drawn; orthogonal: Haar, mean squared entry 1"
    if convolutional:
        choices += ("delta-orthogonal",)
        help += ", each tap its own (delta-: the centre tap alone)"
    return {"type": "str", "default": "gaussian", "choices": choices, "help": help}


PARAMETERIZATION = {
    "type": "str",
    "default": "ntk",
    "choices": ("ntk", "standard", "mean-field"),
    "help": "ntk: N(0,1) weights times 1/√fan_in; standard: the factor inside the weights; mean-field: ntk, and the "
    "readout times another 1/√fan_in",
}
ALPHA = {"type": "float", "default": 1.0, "minimum": 1e-6, "maximum": 1e6, "help": "output scale"}
TWO_COPY = {"type": "bool", "default": False, "help": "difference of two equal copies, so that f(w0) = 0 exactly"}

WEIGHTS = {"init": init(), "parameterization": PARAMETERIZATION}
OUTPUT = {"alpha": ALPHA, "two_copy": TWO_COPY}
COMMON = WEIGHTS | OUTPUT

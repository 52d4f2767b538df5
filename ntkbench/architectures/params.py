"""Specifications of the parameters that the built-in architectures share."""

from __future__ import annotations

from typing import Any

ACTIVATIONS = ("tanh", "relu", "gelu", "silu", "softplus", "erf", "sin", "cos", "sigmoid", "linear", "quadratic")


def fixed(value: str, help: str) -> dict[str, Any]:
    """Return the specification of a parameter with a single allowed value."""
    return {"type": "str", "default": value, "choices": (value,), "help": help}


def activation(default: str = "tanh") -> dict[str, Any]:
    """Return the specification of the activation of the hidden layers."""
    return {"type": "str", "default": default, "choices": ACTIVATIONS, "help": "activation of the hidden layers"}


def depth(default: int = 2, what: str = "hidden layers") -> dict[str, Any]:
    """Return the specification of the number of layers or blocks."""
    return {"type": "int", "default": default, "minimum": 1, "maximum": 64, "help": f"number of {what}"}


def bottleneck(what: str = "units", words: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the specification of the width of the bottleneck."""
    help = f"number of {what} in the bottleneck layer" + "; sqrt and log: √width and log₂ width" * bool(words)
    return {"type": "int", "default": 1, "minimum": 1, "words": words, "help": help}


def init(convolutional: bool = False) -> dict[str, Any]:
    """Return the specification of the initialisation of kernels; see `ntkbench.layers.draws` for the choices."""
    choices: tuple[str, ...] = ("gaussian", "orthogonal")
    help = "initialisation of the kernels; orthogonal: Haar-distributed, mean squared entry 1"
    if convolutional:
        choices += ("delta-orthogonal",)
        help += ", one matrix per tap; delta-orthogonal: only at the centre tap"
    return {"type": "str", "default": "gaussian", "choices": choices, "help": help}


PARAMETERIZATION = {
    "type": "str",
    "default": "ntk",
    "choices": ("ntk", "standard", "mean-field", "mup"),
    "help": "ntk: N(0,1) weights, products multiplied by 1/√fan_in; standard: N(0,1/fan_in) weights; "
    "mean-field: ntk, and the readout multiplied by another 1/√fan_in; "
    "mup: mean-field with N(0,1/width) weights, products multiplied by √width",
}
WITHOUT_MUP: dict[str, Any] = {"parameterization": PARAMETERIZATION | {"choices": ("ntk", "standard", "mean-field")}}
"""For networks with attention, with layers that do not grow with the width, or whose width is something else."""
ALPHA = {"type": "float", "default": 1.0, "minimum": 1e-6, "maximum": 1e6, "help": "output scale"}
TWO_COPY = {"type": "bool", "default": False, "help": "difference of two identical copies, so that f(w0) = 0 exactly"}

POOL = {
    "type": "str",
    "default": "none",
    "choices": ("none", "average"),
    "later": True,
    "help": "what the readout takes: none: all pixels; average: their mean",
}
READ = {
    "type": "str",
    "default": "last",
    "choices": ("last", "average"),
    "later": True,
    "help": "what the readout takes: the last state, or the average of all states",
}
HEADS = {
    "type": "int",
    "default": 4,
    "minimum": 1,
    "words": ("grow",),
    "help": "number of heads, which must divide the width; grow: one head per 8 channels",
}
SCORE_SCALE = {
    "type": "str",
    "default": "root",
    "choices": ("root", "inverse"),
    "later": True,
    "help": "scores q·k/√d or q·k/d, where d is the number of channels of a head",
}

WEIGHTS = {"init": init(), "parameterization": PARAMETERIZATION}
OUTPUT = {"alpha": ALPHA, "two_copy": TWO_COPY}
COMMON = WEIGHTS | OUTPUT

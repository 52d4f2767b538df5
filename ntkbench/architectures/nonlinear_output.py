"""The counter-example with a non-linear output: a fully connected network behind an output function."""

from __future__ import annotations

from typing import Any, Unpack

import keras

from ..errors import NtkbenchError
from .common import Common, assemble, hidden_layers, readout, whole


def build(
    width: int,
    *,
    input_shape: tuple[int, ...],
    outputs: int = 1,
    output: str = "quadratic",
    activation: Any = "tanh",
    depth: int = 2,
    **common: Unpack[Common],
) -> keras.Model:
    """Return output(fully connected network): [N, d] → [N, outputs].

    output: the output function: "quadratic" (f²/2), "softplus", "sigmoid", or "softmax" over the `outputs` classes,
    of which there must be two or more. Source: Liu, Zhu, Belkin 2020 (arXiv 2010.01092), on non-linear outputs.
    """
    if output == "softmax" and outputs < 2:
        raise NtkbenchError(f"A softmax over {outputs} class is the constant 1; build it with outputs=2 or more.")
    widths = [whole("width", width)] * whole("depth", depth)

    def core(make, x):
        return readout(make, hidden_layers(make, x, widths, activation), outputs)

    return assemble(core, "vector", input_shape, output=output, **common)

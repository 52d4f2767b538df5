"""Counter-example: a fully connected network with a non-linear output activation."""

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

    `output` is the output activation: "quadratic" (f²/2), "softplus", "sigmoid" or "softmax" over the `outputs`
    classes.

    Source: Liu, Zhu, Belkin 2020 (arXiv 2010.01092), on non-linear outputs.

    Raises:
        NtkbenchError: For a softmax over fewer than two classes.
    """
    if output == "softmax" and outputs < 2:
        raise NtkbenchError(f"A softmax over {outputs} class is constant 1; use outputs=2 or more.")
    width = whole("width", width)
    widths = [width] * whole("depth", depth)

    def core(make, x):
        return readout(make, hidden_layers(make, x, widths, activation), outputs)

    return assemble(core, "vector", input_shape, width=width, output=output, **common)

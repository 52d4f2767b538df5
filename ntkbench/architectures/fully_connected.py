"""Fully connected network."""

from __future__ import annotations

from typing import Any, Unpack

import keras

from .common import Common, assemble, hidden_layers, readout, whole


def build(
    width: int,
    *,
    input_shape: tuple[int, ...],
    outputs: int = 1,
    activation: Any = "tanh",
    depth: int = 2,
    **common: Unpack[Common],
) -> keras.Model:
    """Return `depth` dense hidden layers of `width` units and a linear readout: [N, d] → [N, outputs].

    Source: Liu, Zhu, Belkin 2020 (arXiv 2010.01092), in the NTK parameterisation, without biases.
    """
    width = whole("width", width)
    widths = [width] * whole("depth", depth)

    def core(make, x):
        return readout(make, hidden_layers(make, x, widths, activation), outputs)

    return assemble(core, "vector", input_shape, width=width, **common)

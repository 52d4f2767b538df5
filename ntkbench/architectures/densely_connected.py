"""Fully connected network with dense connectivity: every layer reads all earlier layers."""

from __future__ import annotations

from typing import Any, Unpack

import keras

from .common import Common, assemble, joined, readout, whole


def build(
    width: int,
    *,
    input_shape: tuple[int, ...],
    outputs: int = 1,
    activation: Any = "tanh",
    depth: int = 3,
    **common: Unpack[Common],
) -> keras.Model:
    """Return `depth` hidden layers of `width` units, each reading all earlier ones: [N, d] → [N, outputs].

    The first layer reads the input, and the readout reads all hidden layers.

    Source: Huang et al. 2017 (arXiv 1608.06993), here in the NTK parameterisation.
    """
    width, depth = whole("width", width), whole("depth", depth)

    def core(make, x):
        features = [make.dense(width, "hidden_1", activation)(x)]
        for number in range(2, depth + 1):
            features.append(make.dense(width, f"hidden_{number}", activation)(joined(features)))
        return readout(make, joined(features), outputs)

    return assemble(core, "vector", input_shape, width=width, **common)

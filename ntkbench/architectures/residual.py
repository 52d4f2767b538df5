"""Fully connected network with residual blocks."""

from __future__ import annotations

from typing import Any, Unpack

import keras

from .common import Common, assemble, readout, whole


def build(
    width: int,
    *,
    input_shape: tuple[int, ...],
    outputs: int = 1,
    activation: Any = "tanh",
    depth: int = 3,
    **common: Unpack[Common],
) -> keras.Model:
    """Return one dense layer followed by `depth` blocks h ← h + activation(W h / √width): [N, d] → [N, outputs].

    Source: He et al. 2016 (arXiv 1512.03385), here in the NTK parameterisation.
    """
    width, depth = whole("width", width), whole("depth", depth)

    def core(make, x):
        h = make.dense(width, "embed", activation)(x)
        for block in range(1, depth + 1):
            h = keras.layers.Add()([h, make.dense(width, f"block_{block}", activation)(h)])
        return readout(make, h, outputs)

    return assemble(core, "vector", input_shape, width=width, **common)

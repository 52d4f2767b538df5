"""Counter-example: a fully connected network with one narrow layer."""

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
    k: int = 1,
    **common: Unpack[Common],
) -> keras.Model:
    """Return a network with hidden layers of `width`, `k` and `width` units: [N, d] → [N, outputs].

    Source: Liu, Zhu, Belkin 2020 (arXiv 2010.01092), on bottlenecks. With activation="linear": Zhu, Pandit, Belkin 2022
    (arXiv 2206.15058).
    """
    width = whole("width", width)
    widths = [width, whole("k", k), width]

    def core(make, x):
        return readout(make, hidden_layers(make, x, widths, activation), outputs)

    return assemble(core, "vector", input_shape, **common)

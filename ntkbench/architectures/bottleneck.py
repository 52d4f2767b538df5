"""Counter-example: a fully connected network with one narrow layer."""

from __future__ import annotations

import math
from typing import Any, Unpack

import keras

from .common import Common, assemble, hidden_layers, readout, whole


def build(
    width: int,
    *,
    input_shape: tuple[int, ...],
    outputs: int = 1,
    activation: Any = "tanh",
    k: int | str = 1,
    **common: Unpack[Common],
) -> keras.Model:
    """Return a network with hidden layers of `width`, `k` and `width` units: [N, d] → [N, outputs].

    With k="sqrt" or "log" the bottleneck has √width or log₂ width units, rounded.

    Source: Liu, Zhu, Belkin 2020 (arXiv 2010.01092), on bottlenecks. With activation="linear": Zhu, Pandit, Belkin 2022
    (arXiv 2206.15058).
    """
    width = whole("width", width)
    growing = {"sqrt": math.sqrt, "log": math.log2}
    widths = [width, max(1, round(growing[k](width))) if k in growing else whole("k", k), width]

    def core(make, x):
        return readout(make, hidden_layers(make, x, widths, activation), outputs)

    return assemble(core, "vector", input_shape, **common)

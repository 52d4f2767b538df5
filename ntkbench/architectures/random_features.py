"""The model that is linear in its parameters: fixed random features, trained readout."""

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
    **common: Unpack[Common],
) -> keras.Model:
    """Return a readout of `width` random features that are not trained: [N, d] → [N, outputs].

    Its Hessian in the trained parameters is exactly 0.
    """
    width = whole("width", width)

    def core(make, x):
        return readout(make, make.dense(width, "features", activation, trainable=False)(x), outputs)

    return assemble(core, "vector", input_shape, **common)

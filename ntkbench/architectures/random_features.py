"""Random features with a trained readout: a model that is linear in its parameters."""

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
    """Return a trained readout of `width` fixed random features: [N, d] → [N, outputs].

    The Hessian with respect to the trained parameters is exactly 0.
    """
    width = whole("width", width)

    def core(make, x):
        return readout(make, make.dense(width, "features", activation, trainable=False)(x), outputs)

    return assemble(core, "vector", input_shape, width=width, **common)

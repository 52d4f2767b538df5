"""MLP-mixer."""

from __future__ import annotations

from typing import Any, Unpack

import keras

from .. import layers
from .common import Common, assemble, readout, whole


def build(
    width: int,
    *,
    input_shape: tuple[int, ...],
    outputs: int = 1,
    activation: Any = "gelu",
    depth: int = 1,
    **common: Unpack[Common],
) -> keras.Model:
    """Return `depth` mixer blocks of `width` channels and a flattened readout: [N, T, a] → [N, outputs].

    A block mixes tokens (a network T → width → T shared by all channels), then channels (a network width → width →
    width shared by all tokens). Each network is preceded by layer normalisation without trainable weights and wrapped
    in a residual connection.

    Source: Tolstikhin et al. 2021 (arXiv 2105.01601).
    """
    width, depth = whole("width", width), whole("depth", depth)

    def core(make, x):
        h = make.dense(width, "embed")(x)
        tokens = h.shape[1]
        for block in range(1, depth + 1):
            normal = keras.layers.Permute((2, 1))(layers.LayerNormalization(affine=False)(h))
            hidden = make.dense(width, f"tokens_hidden_{block}", activation)(normal)
            mixed = keras.layers.Permute((2, 1))(make.dense(tokens, f"tokens_{block}")(hidden))
            h = keras.layers.Add()([h, mixed])
            normal = layers.LayerNormalization(affine=False)(h)
            hidden = make.dense(width, f"channels_hidden_{block}", activation)(normal)
            h = keras.layers.Add()([h, make.dense(width, f"channels_{block}")(hidden)])
        return readout(make, keras.layers.Flatten()(h), outputs)

    return assemble(core, "sequence", input_shape, **common)

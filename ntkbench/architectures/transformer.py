"""Pre-norm transformer block."""

from __future__ import annotations

from typing import Any, Unpack

import keras

from .. import layers
from .common import Common, assemble, heads_of, readout, whole


def build(
    width: int,
    *,
    input_shape: tuple[int, ...],
    outputs: int = 1,
    activation: Any = "gelu",
    depth: int = 1,
    heads: int | str = 4,
    scale: str = "root",
    **common: Unpack[Common],
) -> keras.Model:
    """Return `depth` pre-norm transformer blocks of `width` channels and a flattened readout: [N, T, a] → [N, outputs].

    A block is h ← h + attention(norm(h)), h ← h + mlp(norm(h)), where the MLP has one hidden layer of `width` units and
    the normalisation has no trainable weights. There is no positional encoding: only the readout distinguishes
    positions. heads="grow" makes one head per 8 channels, and scale="inverse" divides scores by d instead of √d.

    Source: Vaswani et al. 2017 (arXiv 1706.03762); Xiong et al. 2020 (arXiv 2002.04745) for the pre-norm order.

    Raises:
        NtkbenchError: If `heads` does not divide `width`.
    """
    width, depth = whole("width", width), whole("depth", depth)
    count = heads_of(width, heads)

    def core(make, x):
        h = make.dense(width, "embed")(x)
        for block in range(1, depth + 1):
            normal = layers.LayerNormalization(affine=False)(h)
            h = keras.layers.Add()([h, make.attention(width, count, f"attention_{block}", scale)(normal)])
            normal = layers.LayerNormalization(affine=False)(h)
            hidden = make.dense(width, f"mlp_hidden_{block}", activation)(normal)
            h = keras.layers.Add()([h, make.dense(width, f"mlp_{block}")(hidden)])
        return readout(make, keras.layers.Flatten()(h), outputs)

    return assemble(core, "sequence", input_shape, **common)

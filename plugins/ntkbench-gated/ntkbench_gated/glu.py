"""Gated linear units."""

import keras

from ntkbench import layers


def build(width, *, input_shape, outputs=1, seed, gate="sigmoid", depth=2):
    """Return `depth` layers h ← (W h) ⊙ gate(V h), read out: [N, d] → [N, outputs].

    Source: Dauphin, Fan, Auli, Grangier 2017 (arXiv 1612.08083); gates of other functions: Shazeer 2020
    (arXiv 2002.05202). In the NTK parameterisation.
    """
    x = keras.Input(input_shape, dtype=keras.config.dtype_policy().compute_dtype)
    h = x
    for number in range(depth):
        value = layers.Dense(width, seed=seed + 2 * number)(h)
        opening = layers.Dense(width, activation=gate, seed=seed + 2 * number + 1)(h)
        h = keras.layers.Multiply()([value, opening])
    return keras.Model(x, layers.Dense(outputs, seed=seed + 2 * depth)(h))

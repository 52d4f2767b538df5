"""Gated linear units."""

import keras

from ntkbench import layers


def build(width, *, input_shape, outputs=1, seed, gate="sigmoid", depth=2):
    """Build `depth` layers h ← (W h) ⊙ gate(V h) and a linear readout, in the NTK parameterisation.

    Source: Dauphin, Fan, Auli, Grangier 2017 (arXiv 1612.08083); other gate functions: Shazeer 2020 (arXiv 2002.05202).

    Args:
        width: Units in each layer.
        input_shape: Shape of one input, (d,).
        outputs: Number of outputs.
        seed: Seed of the weights.
        gate: Activation of the gates.
        depth: Number of gated layers.

    Returns:
        A Keras model [N, d] → [N, outputs].
    """
    x = keras.Input(input_shape, dtype=keras.config.dtype_policy().compute_dtype)
    h = x
    for number in range(depth):
        value = layers.Dense(width, seed=seed + 2 * number)(h)
        gates = layers.Dense(width, activation=gate, seed=seed + 2 * number + 1)(h)
        h = keras.layers.Multiply()([value, gates])
    return keras.Model(x, layers.Dense(outputs, seed=seed + 2 * depth)(h))

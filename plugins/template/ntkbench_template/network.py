"""The network."""

import keras

from ntkbench import layers


def build(width, *, input_shape, outputs=1, seed, depth=2):
    """Return a network of `depth` hidden layers of `width` units: [N, d] -> [N, outputs].

    The layers of ntkbench scale as theory wants it: weights N(0, 1), times 1/sqrt(fan-in). Each gets its own seed.
    """
    x = keras.Input(input_shape, dtype=keras.config.dtype_policy().compute_dtype)
    h = x
    for number in range(depth):
        h = layers.Dense(width, activation="sin", seed=seed + number)(h)
    return keras.Model(x, layers.Dense(outputs, seed=seed + depth)(h))

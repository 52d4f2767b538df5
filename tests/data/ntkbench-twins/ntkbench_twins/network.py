"""The network."""

import keras

from ntkbench import layers


def build(width, *, input_shape, outputs=1, seed, depth=2):
    """Return (g(a, b) + g(b, a)) / √2 of a pair {"first": a, "second": b}: g is fully connected."""
    x = {
        name: keras.Input(shape, name=name, dtype=keras.config.dtype_policy().compute_dtype)
        for name, shape in input_shape.items()
    }
    stack = [layers.Dense(width, "relu", weight_std=2**0.5, seed=seed + number) for number in range(depth)]
    stack += [layers.Dense(outputs, seed=seed + depth)]

    def g(a, b):
        h = keras.layers.Concatenate()([a, b])
        for layer in stack:
            h = layer(h)
        return h

    both = keras.layers.Add()([g(x["first"], x["second"]), g(x["second"], x["first"])])
    return keras.Model(x, keras.layers.Rescaling(2**-0.5)(both))

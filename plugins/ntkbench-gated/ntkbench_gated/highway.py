"""The highway network."""

import keras

from ntkbench import layers


def build(width, *, input_shape, outputs=1, seed, carry=1.0, depth=3):
    """Return `depth` layers h ← h + t ⊙ (tanh(W h) − h) behind a dense one, read out: [N, d] → [N, outputs].

    The gates t = sigmoid(V h − carry) begin nearer to closed the larger `carry` is.

    Source: Srivastava, Greff, Schmidhuber 2015 (arXiv 1505.00387). In the NTK parameterisation.
    """
    x = keras.Input(input_shape, dtype=keras.config.dtype_policy().compute_dtype)
    h = layers.Dense(width, activation="tanh", seed=seed)(x)
    for number in range(1, depth + 1):
        new = layers.Dense(width, activation="tanh", seed=seed + 2 * number)(h)
        opening = layers.Dense(width, seed=seed + 2 * number + 1)(h)
        t = layers.Activation("sigmoid")(keras.layers.Rescaling(1.0, offset=-carry)(opening))
        change = keras.layers.Subtract()([new, h])
        h = keras.layers.Add()([h, keras.layers.Multiply()([t, change])])
    return keras.Model(x, layers.Dense(outputs, seed=seed + 2 * depth + 2)(h))

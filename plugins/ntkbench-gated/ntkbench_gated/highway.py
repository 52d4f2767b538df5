"""Highway networks."""

import keras

from ntkbench import layers


def build(width, *, input_shape, outputs=1, seed, carry=1.0, depth=3):
    """Build a highway network in the NTK parameterisation.

    A dense layer is followed by `depth` layers h ← h + t ⊙ (tanh(W h) − h) with the gates t = sigmoid(V h − carry), and
    by a linear readout. Source: Srivastava, Greff, Schmidhuber 2015 (arXiv 1505.00387).

    Args:
        width: Units in each layer.
        input_shape: Shape of one input, (d,).
        outputs: Number of outputs.
        seed: Seed of the weights.
        carry: Offset of the gates; larger values close them.
        depth: Number of highway layers.

    Returns:
        A Keras model [N, d] → [N, outputs].
    """
    x = keras.Input(input_shape, dtype=keras.config.dtype_policy().compute_dtype)
    h = layers.Dense(width, activation="tanh", seed=seed)(x)
    for number in range(1, depth + 1):
        new = layers.Dense(width, activation="tanh", seed=seed + 2 * number)(h)
        logits = layers.Dense(width, seed=seed + 2 * number + 1)(h)
        t = layers.Activation("sigmoid")(keras.layers.Rescaling(1.0, offset=-carry)(logits))
        change = keras.layers.Subtract()([new, h])
        h = keras.layers.Add()([h, keras.layers.Multiply()([t, change])])
    return keras.Model(x, layers.Dense(outputs, seed=seed + 2 * depth + 2)(h))

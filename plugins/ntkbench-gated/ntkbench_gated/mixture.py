"""Mixtures of experts."""

import keras

from ntkbench import layers


def build(width, *, input_shape, outputs=1, seed, experts=4):
    """Build Σ_e p_e(x) f_e(x) with p = softmax(V x / √d), in the NTK parameterisation.

    Each expert f_e has one hidden layer of `width` units. The number of experts is fixed, so the router's logits are a
    bottleneck: however wide the experts are, the output is a non-linear function of a few numbers.

    Source: Jacobs, Jordan, Nowlan, Hinton 1991, "Adaptive mixtures of local experts".

    Args:
        width: Hidden units of each expert.
        input_shape: Shape of one input, (d,).
        outputs: Number of outputs.
        seed: Seed of the weights.
        experts: Number of experts.

    Returns:
        A Keras model [N, d] → [N, outputs].
    """
    x = keras.Input(input_shape, dtype=keras.config.dtype_policy().compute_dtype)
    shares = layers.Dense(experts, activation="softmax", seed=seed, name="router")(x)
    predictions = []
    for expert in range(1, experts + 1):
        h = layers.Dense(width, activation="tanh", seed=seed + 2 * expert, name=f"hidden_{expert}")(x)
        predictions.append(layers.Dense(outputs, seed=seed + 2 * expert + 1, name=f"expert_{expert}")(h))
    return keras.Model(x, keras.ops.einsum("ne,neo->no", shares, keras.ops.stack(predictions, axis=1)))

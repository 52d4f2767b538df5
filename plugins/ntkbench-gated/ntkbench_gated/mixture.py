"""The mixture of experts."""

import keras

from ntkbench import layers


def build(width, *, input_shape, outputs=1, seed, experts=4):
    """Return Σ_e p_e(x) f_e(x) with p = softmax(V x / √d): [N, d] → [N, outputs].

    Each of the `experts` networks f_e has one hidden layer of `width` units. Their number is fixed, so that the
    router's logits are a bottleneck: however wide the experts, the output is a curved function of a few numbers.

    Source: Jacobs, Jordan, Nowlan, Hinton 1991, "Adaptive mixtures of local experts". In the NTK parameterisation.
    """
    x = keras.Input(input_shape, dtype=keras.config.dtype_policy().compute_dtype)
    shares = layers.Dense(experts, activation="softmax", seed=seed, name="router")(x)
    opinions = []
    for expert in range(1, experts + 1):
        h = layers.Dense(width, activation="tanh", seed=seed + 2 * expert, name=f"hidden_{expert}")(x)
        opinions.append(layers.Dense(outputs, seed=seed + 2 * expert + 1, name=f"expert_{expert}")(h))
    return keras.Model(x, keras.ops.einsum("ne,neo->no", shares, keras.ops.stack(opinions, axis=1)))

"""Small models with data to train them on."""

from __future__ import annotations

import keras
import numpy as np

from ntkbench.engine.model.casting import dtype_policy

SAMPLES, FEATURES, OUTPUTS = 10, 4, 3
X = np.random.default_rng(0).standard_normal((SAMPLES, FEATURES))
LABELS = np.random.default_rng(1).integers(0, OUTPUTS, SAMPLES)
Y = np.eye(OUTPUTS)[LABELS] - 1 / OUTPUTS


def model(*hidden, precision="float64", outputs=OUTPUTS, seed=0):
    """Return a dense network without biases, with tanh after the hidden layers of the given widths."""
    keras.utils.set_random_seed(seed)
    with dtype_policy(precision):
        layers = [keras.layers.Dense(width, "tanh", use_bias=False) for width in hidden]
        layers.append(keras.layers.Dense(outputs, use_bias=False))
        return keras.Sequential([keras.Input((FEATURES,), dtype=precision), *layers])

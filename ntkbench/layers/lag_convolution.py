"""Define the causal convolution of two sequences."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("ntkbench")
class LagConvolution(keras.layers.Layer):
    """Causal convolution y_t = Σ_{s ≤ t} K_{t−s} ⊙ u_s, channel by channel: K, u [N, T, c] → y [N, T, c].

    The kernel K is an input: state-space models compute it from a few trained numbers per channel. The layer has no
    weights. It multiplies all pairs of steps, because second derivatives of loops fail in compiled graphs.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Source: Gu et al. 2022 (arXiv 2206.11893).
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)

    def call(self, kernel: Any, u: Any) -> Any:
        """Return the convolution: [N, T, c]."""
        steps = u.shape[1]
        lag = np.arange(steps)[:, None] - np.arange(steps)
        chosen = ops.cast(np.arange(steps) == lag[..., None], kernel.dtype)  # [t, s, lag]
        return ops.sum(ops.einsum("tsl,nlc->ntsc", chosen, kernel) * u[:, None], axis=2)

    def compute_output_shape(self, kernel_shape: Any, u_shape: Any) -> Any:
        """Return the shape of u."""
        return u_shape

"""Define a layer normalisation with correct second derivatives."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("ntkbench")
class LayerNormalization(keras.layers.Layer):
    """Layer normalisation (x − mean) / √(variance + epsilon) over the last axis, then · gamma + beta if affine.

    The second derivatives of Keras's own layer have errors of 4–35 %, because `tf.nn.moments` stops the gradient of the
    mean inside the variance. This layer computes the centred variance explicitly.

    Args:
        epsilon: Constant added to the variance.
        affine: Whether to train gamma [a], which starts at 1, and beta [a], which starts at 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Source: Ba, Kiros, Hinton 2016 (arXiv 1607.06450).
    """

    def __init__(self, epsilon: float = 1e-5, affine: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self.epsilon = float(epsilon)
        self.affine = affine

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create gamma and beta, [a] each, if affine."""
        if self.affine:
            self.gamma = self.add_weight(shape=input_shape[-1:], initializer="ones", name="gamma")
            self.beta = self.add_weight(shape=input_shape[-1:], initializer="zeros", name="beta")

    def call(self, x: Any) -> Any:
        """Return the normalised input: [N, ..., a]."""
        centred = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        normal = centred * ops.rsqrt(variance + self.epsilon)
        return normal * self.gamma + self.beta if self.affine else normal

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {"epsilon": self.epsilon, "affine": self.affine}

"""Define normalisation layers with correct second derivatives."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ..errors import NtkbenchError
from .checks import positive


def standardised(x: Any, axes: int | tuple[int, ...], epsilon: float) -> Any:
    """Return (x − mean) / √(variance + epsilon), with statistics over the given axes and the centred variance."""
    centred = x - ops.mean(x, axis=axes, keepdims=True)
    return centred * ops.rsqrt(ops.mean(ops.square(centred), axis=axes, keepdims=True) + epsilon)


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
        normal = standardised(x, -1, self.epsilon)
        return normal * self.gamma + self.beta if self.affine else normal

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {"epsilon": self.epsilon, "affine": self.affine}


@keras.saving.register_keras_serializable("ntkbench")
class GroupNormalization(keras.layers.Layer):
    """Group normalisation: x [N, ..., a] is standardised per sample over all positions and the channels of each group.

    With groups=a it is instance normalisation. Like Keras's other normalisation layers, Keras's GroupNormalization has
    wrong second derivatives; see `LayerNormalization`.

    Args:
        groups: Number of groups of consecutive channels; it must divide the number of channels.
        epsilon: Constant added to the variance.
        affine: Whether to train gamma [a], which starts at 1, and beta [a], which starts at 0.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        NtkbenchError: The groups do not divide the channels.

    Source: Wu, He 2018 (arXiv 1803.08494).
    """

    def __init__(self, groups: int, epsilon: float = 1e-5, affine: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self.groups = positive("GroupNormalization", "groups", groups)
        self.epsilon = float(epsilon)
        self.affine = affine

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create gamma and beta, [a] each, if affine."""
        channels = input_shape[-1]
        if channels is None or channels % self.groups:
            raise NtkbenchError(
                f"GroupNormalization cannot split {channels} channels evenly over {self.groups} groups; use a multiple "
                f"of {self.groups}, or another number of groups."
            )
        if self.affine:
            self.gamma = self.add_weight(shape=(channels,), initializer="ones", name="gamma")
            self.beta = self.add_weight(shape=(channels,), initializer="zeros", name="beta")

    def call(self, x: Any) -> Any:
        """Return the normalised input: [N, ..., a]."""
        normal = self.normalised(x)
        return normal * self.gamma + self.beta if self.affine else normal

    def normalised(self, x: Any) -> Any:
        """Return the standardised groups, without gamma and beta: [N, ..., a]."""
        *positions, channels = x.shape[1:]
        apart = ops.reshape(x, (-1, *positions, self.groups, channels // self.groups))
        axes = (*range(1, len(positions) + 1), len(positions) + 2)
        return ops.reshape(standardised(apart, axes, self.epsilon), (-1, *positions, channels))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {"groups": self.groups, "epsilon": self.epsilon, "affine": self.affine}

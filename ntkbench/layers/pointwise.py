"""Define layers without weights: an activation and multiplication by a constant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from . import activations


@keras.saving.register_keras_serializable("ntkbench")
class Activation(keras.layers.Layer):
    """Apply an activation elementwise: x [N, ...] → [N, ...].

    Args:
        activation: Name of an activation with correct second derivatives, a callable, or None.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, activation: str | activations.Function | Mapping[str, Any] | None, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, x: Any) -> Any:
        """Return activation(x)."""
        return x if self.activation is None else self.activation(x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {"activation": activations.serialize(self.activation)}


@keras.saving.register_keras_serializable("ntkbench")
class Scale(keras.layers.Layer):
    """Multiply by a constant: the output scale of lazy training (Chizat, Oyallon, Bach 2019, arXiv 1812.07956).

    Args:
        alpha: The constant.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, alpha: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha = float(alpha)

    def call(self, x: Any) -> Any:
        """Return alpha · x."""
        return self.alpha * x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {"alpha": self.alpha}

"""The layers without weights: a named activation and a constant factor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from . import activations


@keras.saving.register_keras_serializable("ntkbench")
class Activation(keras.layers.Layer):
    """Applies an activation: a name of `activations.TABLE`, a callable or None. x [N, ...] → [N, ...]."""

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
    """Multiplies by the constant `alpha`: the output scale of lazy training (Chizat, Oyallon, Bach 2019)."""

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

"""Define the dense layer."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from ..engine.ops import on_last_axis
from .checks import positive
from .parametric import Parametric


@keras.saving.register_keras_serializable("ntkbench")
class Dense(Parametric):
    """Dense layer z = scale · x W + bias_scale · b on the last axis: x [N, ..., a], W [a, units], z [N, ..., units].

    Args:
        units: Number of outputs.
        activation: Name of an activation with correct second derivatives, a callable, or None.
        **kwargs: Arguments of `Parametric`: use_bias, parameterization, init, weight_std, bias_std, fan_in,
            multiplier and seed.
    """

    def __init__(self, units: int, activation: Any = None, **kwargs: Any):
        super().__init__(activation=activation, **kwargs)
        self.units = positive("Dense", "units", units)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel [a, units] and the bias [units]."""
        self.add_parameters((input_shape[-1], self.units))

    def product(self, x: Any, kernel: Any) -> Any:
        """Return x W: [N, ..., units]."""
        return on_last_axis(x, tf.convert_to_tensor(kernel))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [N, ..., units]."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {"units": self.units}

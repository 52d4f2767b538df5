"""Define the dense layer with weight normalisation."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from .dense import Dense


@keras.saving.register_keras_serializable("ntkbench")
class WeightNormDense(Dense):
    """Dense layer with normalised weights: z_i = weight_std · g_i v_i · x / ‖v_i‖ + bias_scale · b_i on the last axis.

    Each unit i has a direction v_i, whose entries start as those of `Dense`, and a gain g_i, which starts at 1. At
    initialisation z has the variance of `Dense`. The layer is that of Salimans and Kingma (2016, arXiv 1602.07868).

    Args:
        units: Number of outputs.
        activation: Name of an activation with correct second derivatives, a callable, or None.
        **kwargs: Arguments of `Parametric`; the scale of the directions has no effect on z.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the directions [a, units], the gains [units] and the bias [units]."""
        super().build(input_shape)
        self.gain = self.add_weight(shape=(self.units,), initializer="ones", name="gain")

    def preactivation(self, x: Any) -> Any:
        """Return z = weight_std · gain · (x V / ‖V‖) + bias_scale · bias."""
        z = self.gain * self.normalised(self.product(x, self.kernel), self.kernel)
        return z if self.bias is None else z + self.bias_scale * self.bias

    def normalised(self, product: Any, directions: Any) -> Any:
        """Return weight_std · product / ‖v_i‖, with the norms over the first of the last two axes of `directions`."""
        norms = ops.sqrt(ops.sum(ops.square(directions), axis=-2))
        return self.weight_std * product / norms

"""Define the block-diagonal dense layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ..errors import NtkbenchError
from .checks import positive
from .parametric import Parametric


@keras.saving.register_keras_serializable("ntkbench")
class BlockDense(Parametric):
    """Block-diagonal dense layer on the last axis: x [N, ..., a], W [g, a/g, units/g], z [N, ..., units].

    The inputs and the units are split into g consecutive blocks. The units of a block read the inputs of their block
    only, so that fan_in is a/g.

    Args:
        units: Number of outputs, a multiple of `blocks`.
        blocks: Number of blocks g; it must divide the number of inputs too.
        activation: Name of an activation with correct second derivatives, a callable, or None.
        **kwargs: Arguments of `Parametric`: use_bias, parameterization, init, weight_std, bias_std, fan_in and seed.

    Raises:
        NtkbenchError: The blocks do not divide the units or the inputs.
    """

    def __init__(self, units: int, blocks: int, activation: Any = None, **kwargs: Any):
        super().__init__(activation=activation, **kwargs)
        self.units, self.blocks = positive("BlockDense", "units", units), positive("BlockDense", "blocks", blocks)
        self._require_multiple("units", self.units)

    def _require_multiple(self, what: str, size: int) -> None:
        if size % self.blocks:
            raise NtkbenchError(
                f"BlockDense cannot split {size} {what} evenly over {self.blocks} blocks; use a multiple of "
                f"{self.blocks}, or another number of blocks."
            )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel [g, a/g, units/g] and the bias [units]."""
        inputs = input_shape[-1]
        if inputs is not None:
            self._require_multiple("inputs", inputs)
            inputs //= self.blocks
        self.add_parameters((self.blocks, inputs, self.units // self.blocks), fan_in=inputs, units=self.units)

    def product(self, x: Any, kernel: Any) -> Any:
        """Return the product of each block of x with its matrix: [N, ..., units]."""
        blocks, inputs, _ = kernel.shape
        apart = ops.reshape(x, (-1, *x.shape[1:-1], blocks, inputs))
        return ops.reshape(ops.einsum("...ga,gab->...gb", apart, kernel), (-1, *x.shape[1:-1], self.units))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [N, ..., units]."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {"units": self.units, "blocks": self.blocks}

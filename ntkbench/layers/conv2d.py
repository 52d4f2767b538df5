"""Define the two-dimensional convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from ..errors import NtkbenchError, did_you_mean
from .checks import pair, positive
from .parametric import Parametric

PADDINGS = ("same", "valid")


@keras.saving.register_keras_serializable("ntkbench")
class Conv2D(Parametric):
    """Convolution z = scale · (x ∗ W) + bias_scale · b: x [N, h, w, c], W [kh, kw, c, filters], z [N, h', w', filters].

    fan_in is kh·kw·c, at the borders too.

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the kernel: one number or a pair.
        strides: Strides along height and width: one number or a pair.
        padding: "same" or "valid".
        activation: Name of an activation with correct second derivatives, a callable, or None.
        **kwargs: Arguments of `Parametric`: use_bias, parameterization, init, weight_std, bias_std, fan_in,
            multiplier and seed.

    Raises:
        NtkbenchError: The padding is unknown, or a size is not a positive integer.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int] = 3,
        strides: int | Sequence[int] = 1,
        padding: str = "same",
        activation: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activation=activation, **kwargs)
        self.filters = positive("Conv2D", "filters", filters)
        self.kernel_size = pair("Conv2D", "kernel_size", kernel_size)
        self.strides = pair("Conv2D", "strides", strides)
        if padding not in PADDINGS:
            raise NtkbenchError(f"Unknown padding {padding!r} of Conv2D. {did_you_mean(str(padding), PADDINGS)}")
        self.padding = padding

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel [kh, kw, c, filters] and the bias [filters]."""
        self.add_parameters((*self.kernel_size, input_shape[-1], self.filters))

    def product(self, x: Any, kernel: Any) -> Any:
        """Return the convolution (cross-correlation) of x with the kernel: [N, h', w', filters]."""
        return keras.ops.conv(x, kernel, self.strides, self.padding, data_format="channels_last")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [N, h', w', filters]."""
        batch, *sizes, _ = input_shape
        lost = [0 if self.padding == "same" else k - 1 for k in self.kernel_size]
        sides = [
            None if size is None else -(-(size - less) // stride)
            for size, less, stride in zip(sizes, lost, self.strides, strict=True)
        ]
        return (batch, *sides, self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
        }

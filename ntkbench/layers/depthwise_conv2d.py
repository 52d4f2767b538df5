"""Define the two-dimensional depthwise convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from .checks import pair
from .parametric import Parametric


@keras.saving.register_keras_serializable("ntkbench")
class DepthwiseConv2D(Parametric):
    """Depthwise convolution: x [N, h, w, c], W [kh, kw, c, 1], z [N, h, w, c]. Every channel has its own kernel.

    fan_in is kh·kw, at the borders too. The stride is 1, and padding is "same".

    Args:
        kernel_size: Height and width of the kernel: one number or a pair.
        activation: Name of an activation with correct second derivatives, a callable, or None.
        **kwargs: Arguments of `Parametric`: use_bias, parameterization, init, weight_std, bias_std, fan_in and seed.

    Raises:
        NtkbenchError: A size is not a positive integer.

    Source: Howard et al. 2017 (arXiv 1704.04861).
    """

    strides, padding = (1, 1), "same"

    def __init__(self, kernel_size: int | Sequence[int] = 3, activation: Any = None, **kwargs: Any):
        super().__init__(activation=activation, **kwargs)
        self.kernel_size = pair("DepthwiseConv2D", "kernel_size", kernel_size)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel [kh, kw, c, 1] and the bias [c]."""
        height, width = self.kernel_size
        channels = input_shape[-1]
        self.add_parameters((height, width, channels, 1), fan_in=height * width, units=channels)

    def product(self, x: Any, kernel: Any) -> Any:
        """Return the convolution (cross-correlation) of each channel with its kernel: [N, h, w, c]."""
        return keras.ops.depthwise_conv(x, kernel, self.strides, self.padding, data_format="channels_last")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {"kernel_size": list(self.kernel_size)}

"""Define the base class of layers that multiply by a kernel, with the scale and seed of their weights."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from ..errors import NtkbenchError, did_you_mean
from ..seeds import seed_for
from . import activations, draws
from .checks import deviation, positive
from .seeds import settle

PARAMETERIZATIONS = ("ntk", "standard")


class Parametric(keras.layers.Layer):
    """Base of layers with a kernel: output = activation(z), z = scale · product(x, kernel) + bias_scale · bias.

    | parameterization | kernel entries              | scale                | bias entries     | bias_scale |
    |------------------|-----------------------------|----------------------|------------------|------------|
    | "ntk"            | N(0, 1)                     | weight_std / √fan_in | N(0, 1)          | bias_std   |
    | "standard"       | N(0, weight_std² / fan_in)  | 1                    | N(0, bias_std²)  | 1          |

    Both define the same function at initialisation, but their tangent kernels differ. A multiplier c divides the
    entries by c and multiplies the scales by c: the function stays, the layer's part of the tangent kernel is c² times
    as large, and gradient descent moves the layer as if its learning rate were c² times as large. Weights are drawn in
    float64 and then cast, so that models with the same seed agree in every precision.

    Args:
        activation: Name of an activation with correct second derivatives, a callable, or None.
        use_bias: Whether to add a trained bias.
        parameterization: "ntk" or "standard", see the table.
        init: "gaussian", "orthogonal" or "delta-orthogonal", for the kernel; biases are Gaussian.
        weight_std: Standard deviation σ_w of the weights.
        bias_std: Standard deviation σ_b of the biases.
        fan_in: Number of products summed by a unit; default: that of the kernel's shape.
        multiplier: The multiplier c.
        seed: Seed of the weights; None draws a seed from Python's generator, as Keras's initialisers do.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        NtkbenchError: The parameterization, the initialisation or the activation is unknown, a standard deviation is
            negative or not finite, or the multiplier is not a positive number.

    Source: Jacot, Gabriel, Hongler 2018 (arXiv 1806.07572); Liu, Zhu, Belkin 2020 (arXiv 2010.01092); for multipliers,
    Yang, Hu 2021 (arXiv 2011.14522), section 3.
    """

    def __init__(
        self,
        *,
        activation: str | activations.Function | Mapping[str, Any] | None = None,
        use_bias: bool = False,
        parameterization: str = "ntk",
        init: str = "gaussian",
        weight_std: float = 1.0,
        bias_std: float = 1.0,
        fan_in: int | None = None,
        multiplier: float = 1.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if parameterization not in PARAMETERIZATIONS:
            hint = did_you_mean(str(parameterization), PARAMETERIZATIONS)
            raise NtkbenchError(f"Unknown parameterization {parameterization!r}. {hint}")
        if init not in draws.INITS:
            raise NtkbenchError(f"Unknown initialisation {init!r}. {did_you_mean(str(init), draws.INITS)}")
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.parameterization = parameterization
        self.init = init
        self.weight_std = deviation(type(self).__name__, "weight_std", weight_std)
        self.bias_std = deviation(type(self).__name__, "bias_std", bias_std)
        self.fan_in = None if fan_in is None else positive(type(self).__name__, "fan_in", fan_in)
        self.multiplier = float(multiplier)
        if not 0 < self.multiplier < math.inf:
            raise NtkbenchError(f"multiplier={multiplier!r} is invalid; pass a positive number.")
        self.seed = settle(seed)
        self.kernel = self.bias = None
        self.scale = self.bias_scale = 1.0

    def add_parameters(
        self, shape: tuple[int | None, ...], *, fan_in: int | None = None, units: int | None = None
    ) -> None:
        """Create kernel and bias, and set their scales.

        Args:
            shape: Shape of the kernel.
            fan_in: Number of products summed by a unit; default: the product of all axes of the kernel but the last.
            units: Number of biases; default: the last axis of the kernel.

        Raises:
            NtkbenchError: If the size of an axis is unknown.
        """
        kernel_shape = tuple(size for size in shape if size is not None)
        if len(kernel_shape) < len(shape):
            raise NtkbenchError(
                f"{self.name!r} cannot draw a kernel of shape {shape}; set the size of its input's last axis."
            )
        std = self.weight_std / math.sqrt(self.fan_in or fan_in or math.prod(kernel_shape[:-1]))
        kernel = draws.draw(self.init, kernel_shape, seed_for(self.seed, "kernel"))
        bias = draws.draw("gaussian", (units or kernel_shape[-1],), seed_for(self.seed, "bias"))
        if self.parameterization == "ntk":
            self.scale, self.bias_scale = std, self.bias_std
        else:
            kernel, bias = std * kernel, self.bias_std * bias
        if self.multiplier != 1:
            self.scale, self.bias_scale = self.multiplier * self.scale, self.multiplier * self.bias_scale
            kernel, bias = kernel / self.multiplier, bias / self.multiplier
        self.kernel = self._weight("kernel", kernel)
        if self.use_bias:
            self.bias = self._weight("bias", bias)

    def _weight(self, name: str, values: np.ndarray) -> keras.Variable:
        def initializer(shape: Any, dtype: Any = None) -> Any:
            return keras.ops.convert_to_tensor(values.astype(dtype))

        return self.add_weight(shape=values.shape, initializer=initializer, name=name)

    @abstractmethod
    def product(self, x: Any, kernel: Any) -> Any:
        """Return the layer's product without scale; it is linear in `x` and in `kernel`."""

    def preactivation(self, x: Any) -> Any:
        """Return z = scale · product(x, kernel) + bias_scale · bias."""
        z = self.scale * self.product(x, self.kernel)
        return z if self.bias is None else z + self.bias_scale * self.bias

    def call(self, x: Any) -> Any:
        """Return activation(preactivation(x))."""
        z = self.preactivation(x)
        return z if self.activation is None else self.activation(z)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "parameterization": self.parameterization,
            "init": self.init,
            "weight_std": self.weight_std,
            "bias_std": self.bias_std,
            "fan_in": self.fan_in,
            "multiplier": self.multiplier,
            "seed": self.seed,
        }

"""Define multi-head self-attention."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from ..errors import NtkbenchError, did_you_mean
from ..seeds import seed_for
from .checks import deviation, positive
from .dense import Dense
from .seeds import settle

SCALES = ("root", "inverse")
PROJECTIONS = ("query", "key", "value", "output")


@keras.saving.register_keras_serializable("ntkbench")
class Attention(keras.layers.Layer):
    """Self-attention softmax(q kᵀ / √d) v with several heads of d channels: x [N, T, a] → [N, T, units].

    The query, key, value and output projections are `Dense` layers with `units` units and without biases; d = units /
    heads. Each draws its weights from its own seed, hashed from `seed` and its name.

    Args:
        units: Number of output features.
        heads: Number of heads; it must divide `units`.
        scale: "root" divides scores by √d, "inverse" by d (Yang 2020, arXiv 2006.14548).
        parameterization: "ntk" or "standard", see `Parametric`.
        init: "gaussian" or "orthogonal".
        weight_std: Standard deviation σ_w of the weights.
        seed: Seed of the weights; None draws one.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        NtkbenchError: The heads do not divide the units, or the scale is unknown.

    Source: Vaswani et al. 2017 (arXiv 1706.03762), equation 1 and section 3.2.2.
    """

    def __init__(
        self,
        units: int,
        heads: int = 4,
        *,
        scale: str = "root",
        parameterization: str = "ntk",
        init: str = "gaussian",
        weight_std: float = 1.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units, self.heads = positive("Attention", "units", units), positive("Attention", "heads", heads)
        if self.units % self.heads:
            raise NtkbenchError(
                f"Attention cannot split {units} units evenly over {heads} heads; use a width that is a multiple of "
                f"{heads}, or another number of heads."
            )
        if scale not in SCALES:
            raise NtkbenchError(f"Unknown scale {scale!r} of Attention. {did_you_mean(str(scale), SCALES)}")
        self.scale = scale
        self.parameterization, self.init = parameterization, init
        self.weight_std = deviation("Attention", "weight_std", weight_std)
        self.seed = settle(seed)
        self.query, self.key, self.value, self.output_projection = (self._projection(name) for name in PROJECTIONS)

    def _projection(self, name: str) -> Dense:
        return Dense(
            self.units,
            parameterization=self.parameterization,
            init=self.init,
            weight_std=self.weight_std,
            seed=seed_for(self.seed, name),
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernels of the four projections."""
        for layer in (self.query, self.key, self.value):
            layer.build(input_shape)
        self.output_projection.build((*input_shape[:-1], self.units))

    def call(self, x: Any) -> Any:
        """Return the attended sequence: [N, T, units]."""
        query, key, value = (self._split(layer(x)) for layer in (self.query, self.key, self.value))
        d = self.units // self.heads
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / (math.sqrt(d) if self.scale == "root" else d)
        mixed = ops.matmul(ops.softmax(scores, axis=-1), value)
        joined = ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (-1, x.shape[1], self.units))
        return self.output_projection(joined)

    def _split(self, z: Any) -> Any:
        """Split the units into heads: [N, T, units] -> [N, heads, T, head_dim]."""
        apart = ops.reshape(z, (-1, z.shape[1], self.heads, self.units // self.heads))
        return ops.transpose(apart, (0, 2, 1, 3))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return [N, T, units]."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {
            "units": self.units,
            "heads": self.heads,
            "scale": self.scale,
            "parameterization": self.parameterization,
            "init": self.init,
            "weight_std": self.weight_std,
            "seed": self.seed,
        }

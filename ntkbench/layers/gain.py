"""Define the multiplication by trained numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from ..errors import NtkbenchError


@keras.saving.register_keras_serializable("ntkbench")
class Gain(keras.layers.Layer):
    """Multiplication by trained numbers: z = gain · x, with one gain per entry of the last axis or one for all.

    On an input of ones the layer returns its gains, that is, trained numbers that are the same for all samples.

    Args:
        shared: Whether all entries share one gain. Otherwise every entry of the last axis has a gain of its own.
        start: Initial value: one number, or one for each gain.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        NtkbenchError: The initial values do not fit the input.

    Source: Bachlechner et al. 2020 (arXiv 2003.04887) for shared gains; Touvron et al. 2021 (arXiv 2103.17239) for own.
    """

    def __init__(self, shared: bool = False, start: float | Sequence[float] = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.shared = bool(shared)
        self.start = np.asarray(start, np.float64).tolist()

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the gains: [1] if they are shared, [a] otherwise."""
        size, start = 1 if self.shared else input_shape[-1], np.asarray(self.start)
        if size is None:
            raise NtkbenchError(f"{self.name!r} needs a gain for each input; set the size of its input's last axis.")
        if start.shape not in ((), (size,)):
            raise NtkbenchError(f"Gain got {start.size} initial values for {size} gains; pass one, or one for each.")
        values = np.broadcast_to(start, (size,))

        def initializer(shape: Any, dtype: Any = None) -> Any:
            return keras.ops.convert_to_tensor(values.astype(dtype))

        self.gain = self.add_weight(shape=(size,), initializer=initializer, name="gain")

    def call(self, x: Any) -> Any:
        """Return gain · x."""
        return self.gain * x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as plain values."""
        return super().get_config() | {"shared": self.shared, "start": self.start}

"""Convolutional networks, with and without a bottleneck."""

from __future__ import annotations

from typing import Any, Unpack

import keras

from .common import Common, Maker, assemble, readout, whole


def _convolutions(make: Maker, h: Any, channels: list[int], activation: Any, outputs: int, pool: str = "none") -> Any:
    for number, filters in enumerate(channels, start=1):
        h = make.conv(filters, f"conv_{number}", activation)(h)
    features = keras.layers.GlobalAveragePooling2D() if pool == "average" else keras.layers.Flatten()
    return readout(make, features(h), outputs)


def build(
    width: int,
    *,
    input_shape: tuple[int, ...],
    outputs: int = 1,
    activation: Any = "tanh",
    depth: int = 2,
    pool: str = "none",
    **common: Unpack[Common],
) -> keras.Model:
    """Return `depth` 3×3 convolutions of `width` channels and a readout: [N, h, w, c] → [N, outputs].

    By default the readout takes all pixels. With pool="average" it takes their mean: averaging over positions shrinks
    the gradient, so such a network is far from linear at the widths measured here.
    """
    width = whole("width", width)
    channels = [width] * whole("depth", depth)

    def core(make, x):
        return _convolutions(make, x, channels, activation, outputs, pool)

    return assemble(core, "image", input_shape, width=width, **common)


def build_bottleneck(
    width: int,
    *,
    input_shape: tuple[int, ...],
    outputs: int = 1,
    activation: Any = "tanh",
    k: int = 1,
    **common: Unpack[Common],
) -> keras.Model:
    """Return convolutions of `width`, `k` and `width` channels and a flattened readout: [N, h, w, c] → [N, outputs]."""
    width = whole("width", width)
    channels = [width, whole("k", k), width]

    def core(make, x):
        return _convolutions(make, x, channels, activation, outputs)

    return assemble(core, "image", input_shape, **common)

"""Convolutional networks, with and without a bottleneck."""

from __future__ import annotations

from typing import Any, Unpack

import keras

from .common import Common, Maker, assemble, readout, whole


def _convolutions(make: Maker, h: Any, channels: list[int], activation: Any, outputs: int) -> Any:
    for number, filters in enumerate(channels, start=1):
        h = make.conv(filters, f"conv_{number}", activation)(h)
    return readout(make, keras.layers.Flatten()(h), outputs)


def build(
    width: int,
    *,
    input_shape: tuple[int, ...],
    outputs: int = 1,
    activation: Any = "tanh",
    depth: int = 2,
    **common: Unpack[Common],
) -> keras.Model:
    """Return `depth` 3×3 convolutions of `width` channels and a flattened readout: [N, h, w, c] → [N, outputs].

    The features are flattened rather than pooled: averaging over positions shrinks the gradient, so a pooled network is
    far from linear at the widths measured here.
    """
    width = whole("width", width)
    channels = [width] * whole("depth", depth)

    def core(make, x):
        return _convolutions(make, x, channels, activation, outputs)

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

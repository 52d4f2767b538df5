"""Recurrent network."""

from __future__ import annotations

from typing import Any, Unpack

import keras

from .. import layers
from .common import Common, assemble, readout, whole


def build(
    width: int,
    *,
    input_shape: Any,
    outputs: int = 1,
    activation: Any = "tanh",
    read: str = "last",
    **common: Unpack[Common],
) -> keras.Model:
    """Return a recurrent network with a readout of its states: sequences [N, T, a] → [N, outputs].

    h_t = activation(W h_{t−1} / √width + U x_t / √a) with h_0 = 0. The steps are unrolled, because second derivatives
    of loops fail in compiled graphs. U is applied to all steps at once, which gives the same product. In ragged
    sequences the state stays as it is where the mask is false, so that the readout is of the last valid step. With
    read="average" the readout is of the mean of all valid states.

    Source: Alemohammad et al. 2021 (arXiv 2006.10246), one layer, without biases.
    """
    width = whole("width", width)

    def core(make, x):
        values, mask = (x["values"], x["mask"]) if isinstance(x, dict) else (x, None)
        recurrent = make.dense(width, "recurrent")
        first, *steps = keras.ops.unstack(make.dense(width, "input")(values), axis=1)
        h = layers.Activation(activation)(first)
        states = [h]
        for t, step in enumerate(steps, start=1):
            after = layers.Activation(activation)(keras.layers.Add()([recurrent(h), step]))
            h = after if mask is None else keras.ops.where(mask[:, t : t + 1], after, h)
            states.append(h)
        return readout(make, h if read == "last" else _mean(states, mask), outputs)

    return assemble(core, ("sequence", "ragged"), input_shape, width=width, **common)


def _mean(states: list[Any], mask: Any) -> Any:
    """Return the mean of the states [N, m], over the steps where the mask [N, T] is true."""
    together = keras.ops.stack(states, axis=1)
    if mask is None:
        return keras.ops.mean(together, axis=1)
    valid = keras.ops.cast(mask, together.dtype)
    return keras.ops.sum(together * valid[:, :, None], axis=1) / keras.ops.sum(valid, axis=1, keepdims=True)

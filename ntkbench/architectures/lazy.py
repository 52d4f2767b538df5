"""Counter-example: a network of fixed width whose output scale is swept."""

from __future__ import annotations

from typing import Any, Unpack

import keras

from . import fully_connected
from .common import Common, whole


def build(
    width: int,
    *,
    input_shape: tuple[int, ...],
    outputs: int = 1,
    hidden: int = 64,
    activation: Any = "tanh",
    depth: int = 2,
    **common: Unpack[Common],
) -> keras.Model:
    """Return `width` · (g(w1) − g(w2)) / √2, where g has `hidden` units in each layer: [N, d] → [N, outputs].

    The swept number is the output scale α, and f(w0) = 0 exactly. As α grows, gradient descent moves the weights less,
    but within a fixed ball of weights the model stays as non-linear as before: scale does not replace width.

    Source: Chizat, Oyallon, Bach 2019 (arXiv 1812.07956); Liu, Zhu, Belkin 2020 (arXiv 2010.01092) on the difference.
    """
    return fully_connected.build(
        hidden,
        input_shape=input_shape,
        outputs=outputs,
        activation=activation,
        depth=depth,
        **common | Common(alpha=float(whole("width", width)), two_copy=True),
    )

"""The last layer of a network as a kernel: the products of the features that it reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from .model import Network, layers_of
from .ntk import empirical_ntk

CHECKED = 3  # inputs at which the structure of the last layer is checked
ROUNDED = 1e-4  # relative difference, in float32, that is taken for rounding


class _LastLayer:
    """The network as a function of the weights of its last layer; the other weights are constants."""

    def __init__(self, net: Network):
        mine = list(layers_of(net).values())[-1]
        self.net, self.trainable_variables = net, [v for v in net.variables if id(v) in mine]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return self.net.outputs(x)


def last_layer_kernel(net: Network, x1: Any, x2: Any = None) -> np.ndarray | None:
    """Return the tangent kernel of the last layer's weights alone, for one output unit.

    If every output unit reads the same features φ with weights of its own, this is ⟨φ(x), φ(x')⟩, which does not depend
    on those weights.

    Args:
        net: The network.
        x1: Inputs [N, ...].
        x2: Inputs [M, ...]; default: x1.

    Returns:
        The kernel [N, M] float64; None if the outputs are not affine in the last layer's weights, or if units share
        weights.
    """
    last = net.cached("last layer", lambda: _LastLayer(net))  # with its compiled functions
    few = x1[:CHECKED]
    full = empirical_ntk(last, few, outputs="full").astype(np.float64)
    one = full[:, :, 0, 0]
    separate = np.einsum("nm,op->nmop", one, np.eye(full.shape[-1]))
    if not _same(full, separate) or not _affine(last, few):
        return None
    return empirical_ntk(last, x1, x2, outputs=0).astype(np.float64)


def _affine(last: _LastLayer, x: tf.Tensor) -> bool:
    """Return whether the outputs are affine along a random line in the weights."""
    rng = np.random.default_rng(0)
    before = [v.numpy() for v in last.trainable_variables]
    step = [rng.standard_normal(v.shape) for v in before]
    found = []
    try:
        for length in (0.0, 1.0, 2.0):
            for variable, value, direction in zip(last.trainable_variables, before, step, strict=True):
                variable.assign(tf.cast(value + length * direction, variable.dtype))
            found.append(last(x).numpy().astype(np.float64))
    finally:
        for variable, value in zip(last.trainable_variables, before, strict=True):
            variable.assign(value)
    return _same(found[2] - found[1], found[1] - found[0])


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return float(np.abs(a - b).max()) <= ROUNDED * float(max(np.abs(a).max(), np.abs(b).max()))

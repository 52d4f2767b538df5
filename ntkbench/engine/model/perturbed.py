"""Change a model's weights for a while, and restore them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from .network import Network


@contextlib.contextmanager
def unchanged(net: Network) -> Iterator[None]:
    """Restore the model's weights and state when the block ends."""
    before = [(variable, variable.read_value()) for variable in net.all_variables]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)


@contextlib.contextmanager
def perturbed(net: Network, share: float) -> Iterator[None]:
    """Shift the trainable weights by a random share of their size; zeros, which hide what they multiply, become others.

    Weights and state are restored when the block ends.
    """
    with unchanged(net):
        shift = share * sizes_of(net) * np.random.default_rng(0).standard_normal(net.size)
        net.assign(net.theta() + tf.constant(shift, net.dtype))
        yield


def sizes_of(net: Network) -> np.ndarray:
    """Return the size of each weight's variable: [P]."""
    return np.concatenate([np.full(v.shape, _own_size(v)).ravel() for v in net.variables])


def _own_size(variable: tf.Variable) -> float:
    """Return the root mean square of a variable or, if it is zero, that of a typical initialiser (1/√fan-in)."""
    value = variable.numpy().astype(np.float64)
    size = float(np.sqrt(np.mean(value**2))) if value.size else 0.0
    return size if 0 < size < np.inf else 1.0 / np.sqrt(max(1, int(np.prod(value.shape[:-1]))))

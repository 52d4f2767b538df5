"""Built-in infinite-width kernels: standard networks with a single activation."""

from __future__ import annotations

from typing import Any

from .affine import Conv, Dense
from .graph import concatenate, residual
from .infinite import InfiniteWidth, Kind
from .unitwise import Activation, Flatten, GlobalAveragePooling


def fully_connected(
    *, activation: Any = "relu", depth: int = 2, weight_std: Any = 1.0, bias_std: Any = 0.0, kind: Kind = "ntk"
) -> InfiniteWidth:
    """Return the kernel of a network with `depth` hidden layers on vectors [d]."""
    hidden = [Dense(weight_std, bias_std), Activation(activation)] * depth
    return InfiniteWidth([*hidden, Dense(weight_std, bias_std)], kind)


def convolutional(
    *,
    activation: Any = "relu",
    depth: int = 2,
    weight_std: Any = 1.0,
    bias_std: Any = 0.0,
    pooled: bool = False,
    padding: str = "same",
    kind: Kind = "ntk",
) -> InfiniteWidth:
    """Return the kernel of `depth` 3×3 convolutions on images [h, w, c], flattened or averaged over positions."""
    hidden = [Conv(weight_std, bias_std, padding=padding), Activation(activation)] * depth
    end = GlobalAveragePooling() if pooled else Flatten()
    return InfiniteWidth([*hidden, end, Dense(weight_std, bias_std)], kind, feature_ndims=3)


def residual_network(
    *, activation: Any = "relu", depth: int = 3, weight_std: Any = 1.0, bias_std: Any = 0.0, kind: Kind = "ntk"
) -> InfiniteWidth:
    """Return the kernel of one dense layer followed by `depth` blocks h + activation(dense(h)), on vectors [d]."""
    act = Activation(activation)
    blocks = [residual(Dense(weight_std, bias_std), act) for _ in range(depth)]
    return InfiniteWidth([Dense(weight_std, bias_std), act, *blocks, Dense(weight_std, bias_std)], kind)


def densely_connected(
    *, activation: Any = "relu", depth: int = 3, weight_std: Any = 1.0, bias_std: Any = 0.0, kind: Kind = "ntk"
) -> InfiniteWidth:
    """Return the kernel of `depth` hidden layers that each read all earlier layers, on vectors [d]."""
    features: list[Any] = [Dense(weight_std, bias_std), Activation(activation)]
    for number in range(1, depth):
        fresh = [Dense(weight_std, bias_std), Activation(activation)]
        features += [concatenate([], fresh, units=(number, 1))]
    return InfiniteWidth([*features, Dense(weight_std, bias_std)], kind)

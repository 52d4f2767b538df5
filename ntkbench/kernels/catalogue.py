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
    """Return the kernel of a fully connected network on vectors [d].

    Args:
        activation: Name of the activation.
        depth: Number of hidden layers.
        weight_std: Standard deviation σ_w of the weights.
        bias_std: Standard deviation σ_b of the biases.
        kind: "ntk" or "nngp".
    """
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
    """Return the kernel of a network of 3×3 convolutions on images [h, w, c].

    Args:
        activation: Name of the activation.
        depth: Number of convolutions.
        weight_std: Standard deviation σ_w of the weights.
        bias_std: Standard deviation σ_b of the biases.
        pooled: Whether to average over all positions before the readout; otherwise features are flattened.
        padding: "same", "valid" or "circular".
        kind: "ntk" or "nngp".
    """
    hidden = [Conv(weight_std, bias_std, padding=padding), Activation(activation)] * depth
    end = GlobalAveragePooling() if pooled else Flatten()
    return InfiniteWidth([*hidden, end, Dense(weight_std, bias_std)], kind, feature_ndims=3)


def residual_network(
    *, activation: Any = "relu", depth: int = 3, weight_std: Any = 1.0, bias_std: Any = 0.0, kind: Kind = "ntk"
) -> InfiniteWidth:
    """Return the kernel of a residual network on vectors [d]: a dense layer, then blocks h + activation(dense(h)).

    Args:
        activation: Name of the activation.
        depth: Number of residual blocks.
        weight_std: Standard deviation σ_w of the weights.
        bias_std: Standard deviation σ_b of the biases.
        kind: "ntk" or "nngp".
    """
    act = Activation(activation)
    blocks = [residual(Dense(weight_std, bias_std), act) for _ in range(depth)]
    return InfiniteWidth([Dense(weight_std, bias_std), act, *blocks, Dense(weight_std, bias_std)], kind)


def densely_connected(
    *, activation: Any = "relu", depth: int = 3, weight_std: Any = 1.0, bias_std: Any = 0.0, kind: Kind = "ntk"
) -> InfiniteWidth:
    """Return the kernel of a network on vectors [d] in which every hidden layer reads all earlier layers.

    Args:
        activation: Name of the activation.
        depth: Number of hidden layers.
        weight_std: Standard deviation σ_w of the weights.
        bias_std: Standard deviation σ_b of the biases.
        kind: "ntk" or "nngp".
    """
    features: list[Any] = [Dense(weight_std, bias_std), Activation(activation)]
    for number in range(1, depth):
        fresh = [Dense(weight_std, bias_std), Activation(activation)]
        features += [concatenate([], fresh, units=(number, 1))]
    return InfiniteWidth([*features, Dense(weight_std, bias_std)], kind)

"""Translate Keras layers into layers of the infinite-width limit, with their variances and parameterisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from .. import layers as ours
from ..engine.model import is_stock
from ..errors import NtkbenchError
from .affine import Conv, Dense
from .duals import Dual, dual_of
from .duals.hermite import Quadrature
from .features import NoLimit
from .initial import bias_variance, variance
from .joins import Add, Concatenate
from .layer import Layer
from .unitwise import (
    Activation,
    AveragePooling,
    Flatten,
    GlobalAveragePooling,
    Identity,
    LayerNormalization,
    Scale,
    ZeroPadding,
)

Shape = tuple[int | None, ...]
INITS = ("gaussian", "orthogonal", "delta-orthogonal")
IDENTITIES = (
    "InputLayer", "Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise",
    "GaussianDropout", "AlphaDropout", "ActivityRegularization",
)  # fmt: skip

REASONS = {
    "BatchNormalization": "its batch statistics couple the inputs, so its limit is not a function of two inputs",
    "MaxPooling": "the maximum over several positions has no closed-form dual",
    "GlobalMaxPooling": "the maximum over several positions has no closed-form dual",
    "Attention": "softmax attention with a fixed number of heads has a random limit; use kernels.LinearAttention",
    "MultiHeadAttention": "softmax attention with a fixed number of heads has a random limit",
    "Softmax": "it mixes units",
    "Multiply": "a product of features is not Gaussian in the limit",
    "Unstack": "it splits a sequence into steps whose weights are shared",
    "Permute": "it turns units into positions, whose number is fixed",
    "PReLU": "its slopes are trained",
}


def layer_of(layer: Any, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    """Return the layers of the limit, in sequence, that represent a Keras layer or operation.

    Args:
        layer: The Keras layer or operation.
        shapes: Shapes of its inputs, [None, ...].
        output: Shape of its output.

    Raises:
        NoLimit: If no limit of the layer is known; the message names the layer.
    """
    kind, who = type(layer).__name__, named(layer)
    if isinstance(layer, keras.layers.Layer) and not (is_stock(layer) or _is_stock_but_for_its_activation(layer)):
        raise NoLimit(
            f"{who} is a custom layer, whose infinite-width limit is unknown; use layers of Keras or ntkbench."
        )
    if kind in IDENTITIES:
        return [Identity()]
    reader = READERS.get(_key(layer))
    if reader is None:
        stem = kind.rstrip("123D") if kind.endswith("D") else kind
        reason = REASONS.get(kind) or REASONS.get(stem) or "ntkbench does not know the limit of this layer type"
        raise NoLimit(f"{who} has no known infinite-width limit: {reason}.")
    return reader(layer, who, shapes, output)


def _is_stock_but_for_its_activation(layer: Any) -> bool:
    bare = "call" not in vars(layer) and getattr(layer, "quantization_mode", None) is None
    return bare and hasattr(layer, "activation") and _key(layer)[0] in ("keras", "ours")


def _key(layer: Any) -> tuple[str, str]:
    module = type(layer).__module__
    package = (
        "ours" if module.startswith("ntkbench.layers.") else "keras" if module.startswith("keras.src.") else module
    )
    return package, type(layer).__name__


def named(layer: Any) -> str:
    """Return how messages refer to a layer: its type, and the name of a Keras layer."""
    kind = type(layer).__name__
    return f"{kind} {layer.name!r}" if isinstance(layer, keras.layers.Layer) else f"The operation {kind}"


def seed_of(layer: Any, initializer: str = "kernel_initializer") -> Any:
    """Return an identifier of the layer's initial weights apart from their shape, or None if they are not seeded."""
    if isinstance(layer, ours.Parametric):
        return "ours", layer.seed, layer.init
    drawn_by = getattr(layer, initializer, None)
    seed = getattr(drawn_by, "seed", None)
    return (type(drawn_by).__name__, seed) if isinstance(seed, int) else None


def _activation(function: Any, who: str) -> list[Layer]:
    """Return the layers of a Keras layer's built-in activation."""
    if function is None or function is keras.activations.linear:
        return []
    return [Activation(dual_for(function, who), f"The activation of {who}")]


def dual_for(function: Any, who: str) -> Dual:
    """Return the dual of a layer's activation; raise NoLimit if it has none."""
    try:
        return dual_of(function)
    except NtkbenchError as error:
        raise NoLimit(f"{who}: {error}") from None


def _trained(layer: Any, variable: Any) -> bool:
    return variable is not None and bool(variable.trainable and layer.trainable)


def _affine(layer: Any, who: str) -> dict[str, Any]:
    """Return the arguments of an affine layer: weight_std, bias_std and which weights are trained."""
    kernel, bias = layer.kernel, layer.bias
    shape = tuple(kernel.shape)
    fan_in = math.prod(shape[:-1])
    if isinstance(layer, ours.Parametric):
        if layer.init not in INITS:
            raise NoLimit(
                f"{who} has initialisation {layer.init!r}, for which no limit is known; use one of {', '.join(INITS)}."
            )
        weight = layer.weight_std * math.sqrt(fan_in / (layer.fan_in or fan_in))
        found: dict[str, Any] = {"weight_std": weight, "bias_std": layer.bias_std if layer.use_bias else 0.0}
        found["multiplier"] = layer.multiplier
    else:
        if getattr(layer, "lora_enabled", False):
            raise NoLimit(f"{who} has LoRA weights of fixed rank, for which no limit is known.")
        found = {"weight_std": math.sqrt(variance(layer.kernel_initializer, shape, who) * fan_in), "bias_std": 0.0}
        if layer.use_bias:
            found["bias_std"] = math.sqrt(bias_variance(layer.bias_initializer, tuple(bias.shape), who))
            if not found["bias_std"]:
                found["bias_ntk"] = 1.0  # ∂z/∂b = 1 for a trained bias that starts at 0
    return found | {"train_weights": _trained(layer, kernel), "train_bias": _trained(layer, bias)}


def dense_of(layer: Any, who: str) -> Dense:
    """Return the affine part of a dense layer or of a recurrent cell's input."""
    return Dense(**_affine(layer, who))


def _dense(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    return [dense_of(layer, who), *_activation(layer.activation, who)]


def _conv(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    _channels_last(layer, who)
    if getattr(layer, "groups", 1) != 1:
        raise NoLimit(f"{who} has {layer.groups} groups, but the limit is known only for groups=1.")
    if layer.padding not in ("same", "valid"):
        raise NoLimit(f"{who} has padding={layer.padding!r}; use 'same' or 'valid'.")
    conv = Conv(
        **_affine(layer, who),
        kernel_size=tuple(layer.kernel_size),
        strides=tuple(layer.strides),
        padding=layer.padding,
        dilation=tuple(getattr(layer, "dilation_rate", (1,) * len(layer.kernel_size))),
        centre_only=getattr(layer, "init", "") == "delta-orthogonal",
    )
    return [conv, *_activation(layer.activation, who)]


def _channels_last(layer: Any, who: str) -> None:
    if getattr(layer, "data_format", None) == "channels_first":
        raise NoLimit(f"{who} has data_format='channels_first'; use 'channels_last'.")


def _activation_layer(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    return _activation(layer.activation, who) or [Identity()]


def _relu(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    if layer.max_value is None and not layer.threshold:
        return [Activation(dual_of("leaky_relu", negative_slope=layer.negative_slope), who)]
    return [Activation(Quadrature(layer.call), who)]


def _leaky(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    return [Activation(dual_of("leaky_relu", negative_slope=layer.negative_slope), who)]


def _elu(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    return [Activation(Quadrature(layer.call), who)]


def _flatten(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    _channels_last(layer, who)
    return [Flatten()]


def _reshape(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    if tuple(output) == tuple(shapes[0]):
        return [Identity()]
    if len(output) == 2:
        return [Flatten()]
    raise NoLimit(f"{who} reshapes {list(shapes[0][1:])} to {list(output[1:])}, which mixes units and positions.")


def _average(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    _channels_last(layer, who)
    return [AveragePooling(tuple(layer.pool_size), tuple(layer.strides), layer.padding)]


def _global_average(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    _channels_last(layer, who)
    if layer.keepdims:
        raise NoLimit(f"{who} has keepdims=True; use keepdims=False.")
    return [GlobalAveragePooling()]


def _zero_padding(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    _channels_last(layer, who)
    margins = layer.padding if isinstance(layer.padding[0], tuple | list) else (layer.padding,)
    return [ZeroPadding(tuple((int(a), int(b)) for a, b in margins))]


def _add(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    if len({tuple(shape) for shape in shapes}) > 1:
        raise NoLimit(
            f"{who} broadcasts features of shapes {[list(s[1:]) for s in shapes]}; give all inputs the same shape."
        )
    return [Add()]


def _subtract(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    _add(layer, who, shapes, output)
    return [Add((1.0, -1.0))]


def _mean_of(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    return [*_add(layer, who, shapes, output), Scale(1 / len(shapes))]


def _concatenate(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    if layer.axis not in (-1, len(output) - 1):
        raise NoLimit(f"{who} concatenates along axis {layer.axis}; use the last axis, which holds the units.")
    return [Concatenate(tuple(float(shape[-1] or 1) for shape in shapes))]


def _normalization(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    if list(axes) not in ([-1], [len(output) - 1]):
        raise NoLimit(f"{who} normalises over axes {list(axes)}; use the last axis, which holds the units.")
    if getattr(layer, "rms_scaling", False):
        raise NoLimit(f"{who} has rms_scaling=True, for which no limit is known; use rms_scaling=False.")
    gamma, beta = getattr(layer, "gamma", None), getattr(layer, "beta", None)
    for initializer, constant in ((layer.gamma_initializer, "Ones"), (layer.beta_initializer, "Zeros")):
        if type(initializer).__name__ != constant:
            raise NoLimit(f"{who} uses the initialiser {type(initializer).__name__}; use {constant}.")
    return [LayerNormalization(layer.epsilon, _trained(layer, gamma), _trained(layer, beta))]


def _our_normalization(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    trained = bool(layer.affine and layer.trainable)
    return [LayerNormalization(layer.epsilon, trained, trained)]


def _our_scale(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    return [Scale(layer.alpha)]


def _rescaling(layer: Any, who: str, shapes: Sequence[Shape], output: Shape) -> list[Layer]:
    if np.ndim(layer.scale) or np.any(layer.offset):
        raise NoLimit(f"{who} shifts features or scales units separately; use a single scale without offset.")
    return [Scale(float(layer.scale))]


Reader = Callable[[Any, str, Sequence[Shape], Shape], list[Layer]]
READERS: dict[tuple[str, str], Reader] = {
    ("keras", "Dense"): _dense,
    ("ours", "Dense"): _dense,
    ("ours", "Conv2D"): _conv,
    ("keras", "Activation"): _activation_layer,
    ("ours", "Activation"): _activation_layer,
    ("keras", "ReLU"): _relu,
    ("keras", "LeakyReLU"): _leaky,
    ("keras", "ELU"): _elu,
    ("keras", "Flatten"): _flatten,
    ("keras", "Reshape"): _reshape,
    ("keras", "Add"): _add,
    ("keras", "Subtract"): _subtract,
    ("keras", "Average"): _mean_of,
    ("keras", "Concatenate"): _concatenate,
    ("keras", "LayerNormalization"): _normalization,
    ("ours", "LayerNormalization"): _our_normalization,
    ("ours", "Scale"): _our_scale,
    ("keras", "Rescaling"): _rescaling,
    **{("keras", f"Conv{d}D"): _conv for d in (1, 2, 3)},
    **{("keras", f"AveragePooling{d}D"): _average for d in (1, 2, 3)},
    **{("keras", f"GlobalAveragePooling{d}D"): _global_average for d in (1, 2, 3)},
    **{("keras", f"ZeroPadding{d}D"): _zero_padding for d in (1, 2, 3)},
}

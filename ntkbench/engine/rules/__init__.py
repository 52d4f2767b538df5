"""The built-in layer rules, registered through the public hook."""

from __future__ import annotations

import importlib
from typing import Any

from ...registry.hookspecs import hookimpl

PUBLIC = ("Apply", "Product", "Rule", "Untappable", "View", "entries", "matrix", "row", "with_positions")

KERAS = {
    "activations": {"prelu:PReLU": "scaling:PReLU"},
    "convolutional": {
        "conv1d:Conv1D": "conv:Conv",
        "conv2d:Conv2D": "conv:Conv",
        "conv3d:Conv3D": "conv:Conv",
        "conv1d_transpose:Conv1DTranspose": "conv:ConvTranspose",
        "conv2d_transpose:Conv2DTranspose": "conv:ConvTranspose",
        "conv3d_transpose:Conv3DTranspose": "conv:ConvTranspose",
        "depthwise_conv1d:DepthwiseConv1D": "conv:DepthwiseConv",
        "depthwise_conv2d:DepthwiseConv2D": "conv:DepthwiseConv",
        "separable_conv1d:SeparableConv1D": "conv:SeparableConv",
        "separable_conv2d:SeparableConv2D": "conv:SeparableConv",
    },
    "core": {
        "dense:Dense": "dense:Dense",
        "einsum_dense:EinsumDense": "einsum:EinsumDense",
        "embedding:Embedding": "embedding:Embedding",
    },
    "normalization": {
        "batch_normalization:BatchNormalization": "scaling:BatchNormalization",
        "group_normalization:GroupNormalization": "scaling:GroupNormalization",
        "layer_normalization:LayerNormalization": "scaling:LayerNormalization",
        "rms_normalization:RMSNormalization": "scaling:RMSNormalization",
    },
    "rnn": {
        "bidirectional:Bidirectional": "recurrent:Bidirectional",
        "gru:GRU": "recurrent:Recurrent",
        "gru:GRUCell": "recurrent:GRUCell",
        "lstm:LSTM": "recurrent:Recurrent",
        "lstm:LSTMCell": "recurrent:LSTMCell",
        "rnn:RNN": "recurrent:Recurrent",
        "simple_rnn:SimpleRNN": "recurrent:Recurrent",
        "simple_rnn:SimpleRNNCell": "recurrent:SimpleRNNCell",
    },
}

RULES = {
    "ntkbench.layers.block_dense:BlockDense": "dense:BlockDense",
    "ntkbench.layers.conv2d:Conv2D": "conv:Conv",
    "ntkbench.layers.dense:Dense": "dense:Dense",
    "ntkbench.layers.depthwise_conv2d:DepthwiseConv2D": "conv:DepthwiseConv",
    "ntkbench.layers.gain:Gain": "scaling:Gain",
    "ntkbench.layers.normalization:GroupNormalization": "scaling:AffineGroupNormalization",
    "ntkbench.layers.normalization:LayerNormalization": "scaling:AffineLayerNormalization",
    "ntkbench.layers.weight_norm_dense:WeightNormDense": "dense:WeightNormDense",
} | {f"keras.src.layers.{module}.{layer}": rule for module, rules in KERAS.items() for layer, rule in rules.items()}


@hookimpl
def ntkbench_register_layer_rules(register):
    """Register the built-in rule of every layer type in the table."""
    for layer, rule in RULES.items():
        register(layer, f"{__name__}.{rule}")


def __getattr__(name: str) -> Any:
    """Return a name of `rule.py`, imported on first use so that listing the registry does not load TensorFlow."""
    if name in PUBLIC:
        return getattr(importlib.import_module(f"{__name__}.rule"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

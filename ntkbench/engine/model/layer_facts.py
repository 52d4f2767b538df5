"""Known properties of Keras layers, by layer type.

A fact is a shortcut. A layer without it is also handled correctly, by a slower route or after a numerical comparison.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Flag, auto
from typing import Any


class Fact(Flag):
    """A property that a layer type may have.

    Attributes:
        KEEPS_SAMPLES: The layer is a container or has no weights of its own; the batch axis stays first and samples do
            not mix.
        PLAIN: Keras calls the layer once, outside loops, so its rule holds in every graph.
        VECTORISES: `tf.vectorized_map` computes its first derivatives correctly.
        FORWARD_SAFE: Forward over backward computes its second derivatives correctly in a compiled function.
    """

    KEEPS_SAMPLES = auto()
    PLAIN = auto()
    VECTORISES = auto()
    FORWARD_SAFE = auto()


KEEPS_SAMPLES, PLAIN, VECTORISES, FORWARD_SAFE = Fact
EVERYTHING = ~Fact(0)

# By class name. Facts that are not listed are unknown or false: recurrent loops cannot be vectorised, and gathers raise
# under forward over backward.
FACTS = {
    "Activation": EVERYTHING,
    "Add": EVERYTHING,
    "Average": EVERYTHING,
    "AveragePooling1D": KEEPS_SAMPLES | VECTORISES | FORWARD_SAFE,
    "AveragePooling2D": EVERYTHING,
    "AveragePooling3D": KEEPS_SAMPLES,
    "BatchNormalization": VECTORISES,
    "Concatenate": EVERYTHING,
    "Conv1D": PLAIN | VECTORISES | FORWARD_SAFE,
    "Conv2D": PLAIN | VECTORISES | FORWARD_SAFE,
    "Cropping1D": KEEPS_SAMPLES,
    "Cropping2D": KEEPS_SAMPLES,
    "Cropping3D": KEEPS_SAMPLES,
    "Dense": PLAIN | VECTORISES | FORWARD_SAFE,
    "Dot": FORWARD_SAFE,
    "Dropout": KEEPS_SAMPLES | VECTORISES | FORWARD_SAFE,
    "ELU": KEEPS_SAMPLES | VECTORISES | FORWARD_SAFE,
    "EinsumDense": VECTORISES | FORWARD_SAFE,
    "Embedding": VECTORISES,
    "Flatten": EVERYTHING,
    "Functional": EVERYTHING,
    "GaussianDropout": KEEPS_SAMPLES | VECTORISES | FORWARD_SAFE,
    "GaussianNoise": KEEPS_SAMPLES | VECTORISES | FORWARD_SAFE,
    "GlobalAveragePooling1D": KEEPS_SAMPLES | VECTORISES | FORWARD_SAFE,
    "GlobalAveragePooling2D": EVERYTHING,
    "GlobalAveragePooling3D": KEEPS_SAMPLES,
    "GlobalMaxPooling1D": KEEPS_SAMPLES,
    "GlobalMaxPooling2D": KEEPS_SAMPLES | VECTORISES,
    "GlobalMaxPooling3D": KEEPS_SAMPLES,
    "GroupNormalization": VECTORISES,
    "GroupedQueryAttention": KEEPS_SAMPLES,
    "Identity": EVERYTHING,
    "InUnits": EVERYTHING,
    "InputLayer": EVERYTHING,
    "LayerNormalization": VECTORISES | FORWARD_SAFE,
    "LeakyReLU": KEEPS_SAMPLES | VECTORISES | FORWARD_SAFE,
    "Masking": KEEPS_SAMPLES,
    "MaxPooling1D": KEEPS_SAMPLES,
    "MaxPooling2D": KEEPS_SAMPLES | VECTORISES,
    "MaxPooling3D": KEEPS_SAMPLES,
    "Maximum": KEEPS_SAMPLES | VECTORISES | FORWARD_SAFE,
    "Minimum": KEEPS_SAMPLES | VECTORISES | FORWARD_SAFE,
    "MultiHeadAttention": KEEPS_SAMPLES | VECTORISES,
    "Multiply": EVERYTHING,
    "PReLU": VECTORISES,
    "Permute": EVERYTHING,
    "RMSNormalization": VECTORISES,
    "ReLU": EVERYTHING,
    "RepeatVector": KEEPS_SAMPLES | VECTORISES | FORWARD_SAFE,
    "Rescaling": KEEPS_SAMPLES | VECTORISES | FORWARD_SAFE,
    "Reshape": EVERYTHING,
    "Sequential": EVERYTHING,
    "Softmax": EVERYTHING,
    "SpatialDropout1D": KEEPS_SAMPLES | FORWARD_SAFE,
    "SpatialDropout2D": KEEPS_SAMPLES | FORWARD_SAFE,
    "SpatialDropout3D": KEEPS_SAMPLES,
    "StackedRNNCells": KEEPS_SAMPLES,
    "Subtract": EVERYTHING,
    "TimeDistributed": KEEPS_SAMPLES,
    "UpSampling1D": KEEPS_SAMPLES,
    "UpSampling2D": KEEPS_SAMPLES | VECTORISES,
    "UpSampling3D": KEEPS_SAMPLES,
    "ZeroPadding1D": KEEPS_SAMPLES,
    "ZeroPadding2D": KEEPS_SAMPLES | VECTORISES | FORWARD_SAFE,
    "ZeroPadding3D": KEEPS_SAMPLES,
}

# Keras layers that run arbitrary user code.
OPAQUE = frozenset({"FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper"})


def is_stock(layer: Any) -> bool:
    """Return whether a layer's type, its activations and its `call` all come from Keras or ntkbench.

    Nor may its outputs mix samples because of the rank of its inputs; see `_sees_samples`.

    A user's subclass or function may compute anything. Quantised layers and layers that are recomputed in the backward
    pass have custom gradients, so they do not count either.
    """
    if not _is_ours(type(layer).__module__) or "call" in vars(layer) or not _sees_samples(layer):
        return False
    if not (getattr(type(layer).call, "__module__", None) or "").startswith(("keras.src.", "ntkbench.")):
        return False
    if getattr(layer, "quantization_mode", None) is not None or getattr(layer, "_remat_mode", None) is not None:
        return False
    activations = [value for name, value in vars(layer).items() if "activation" in name and callable(value)]
    return all(_is_ours(getattr(each, "__module__", None) or "") for each in activations)


def is_known(model: Any) -> bool:
    """Return whether a model consists only of Keras and ntkbench layers, none of which runs a user's code."""
    layers = list(getattr(model, "_flatten_layers", list)())
    return bool(layers) and all(is_stock(each) and type(each).__name__ not in OPAQUE for each in layers)


def joined_by_layers(layers: Iterable[Any]) -> bool:
    """Return whether the functional models among these layers consist of layers and simple operations only.

    Simple operations are sums, products and stacks of the layers' outputs that do not touch the batch axis.
    """
    operations = [op for layer in layers for op in getattr(layer, "operations", [])]
    return all(hasattr(op, "_flatten_layers") or _leaves_batch_alone(op) for op in operations)


def _leaves_batch_alone(operation: Any) -> bool:
    if not type(operation).__module__.startswith("keras.src.ops."):
        return False
    name = type(operation).__name__
    if name in ("Add", "Subtract", "Multiply"):  # broadcasting aligns the last axes, so the ranks must be equal
        return all(len({len(each.shape) for each in node.input_tensors}) < 2 for node in operation._inbound_nodes)
    return name in ("Stack", "Unstack") and (operation.axis or 0) > 0


def _sees_samples(layer: Any) -> bool:
    """Return whether the inputs of a layer have an axis besides that of samples; for attention, besides that of steps.

    Without it, the layer's last axis is that of samples: softmax of [N] sums over them, attention on [N, d] attends to
    them.
    """
    least = 3 if "Attention" in type(layer).__name__ else 2
    given = [each for node in getattr(layer, "_inbound_nodes", ()) for each in (*node.input_tensors, *node.outputs)]
    return all(len(each.shape) >= least or "float" not in str(each.dtype) for each in given)


def _is_ours(module: str) -> bool:
    return module.startswith(("keras.src.", "ntkbench.layers.", "ntkbench.engine.model.in_units"))


def made_of(layers: Iterable[Any], fact: Fact) -> bool:
    """Return whether the model consists of these layers alone, and all of them have the fact."""
    layers = list(layers)
    return joined_by_layers(layers) and all(is_stock(layer) and has(layer, fact) for layer in layers)


def has(layer: Any, fact: Fact) -> bool:
    """Return whether a stock layer has a fact; layers of ntkbench have all of them.

    TensorFlow differentiates grouped convolutions incorrectly or not at all, both vectorised and forward over backward.
    """
    if is_ours(layer):
        return True
    if fact & (VECTORISES | FORWARD_SAFE) and _convolves_groups(layer):
        return False
    return fact in FACTS.get(type(layer).__name__, Fact(0))


def is_ours(layer: Any) -> bool:
    """Return whether a layer is defined in `ntkbench.layers`."""
    return type(layer).__module__.startswith("ntkbench.layers.")


def vectorises(model: Any) -> bool:
    """Return whether `tf.vectorized_map` is known to compute the first derivatives of the model correctly."""
    return hasattr(model, "_flatten_layers") and made_of(model._flatten_layers(), VECTORISES)


def _convolves_groups(layer: Any) -> bool:
    # The groups of a GroupNormalization are channels that share a variance.
    return getattr(layer, "groups", 1) != 1 and type(layer).__name__ != "GroupNormalization"

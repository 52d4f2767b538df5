"""What is known about Keras's layers: one line each, instead of a look at what they compute.

A fact is a shortcut. A layer without it is right too, by a slower way or after a comparison.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Flag, auto
from typing import Any


class Fact(Flag):
    """What may be known about a layer.

    KEEPS_SAMPLES: it has no weights of its own, or is a container; the batch axis stays first and samples apart.
    PLAIN: it is called once by Keras, outside loops, so that its rule holds in every graph.
    VECTORISES: `tf.vectorized_map` gets its first derivatives right.
    FORWARD_SAFE: its second derivatives are right under forward over backward in a compiled function.
    """

    KEEPS_SAMPLES = auto()
    PLAIN = auto()
    VECTORISES = auto()
    FORWARD_SAFE = auto()


KEEPS_SAMPLES, PLAIN, VECTORISES, FORWARD_SAFE = Fact
EVERYTHING = ~Fact(0)

# By the name of the layer's class. What is not listed is not known: recurrent loops cannot be vectorised, gathers
# raise under forward over backward.
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

# Keras layers that run code of somebody else.
OPAQUE = frozenset({"FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper"})


def is_stock(layer: Any) -> bool:
    """Return whether a layer's type is Keras's or ours, and so are its activations and its `call`.

    A subclass or a function of somebody else's may compute anything. Quantised layers and those that are computed
    again in the backward pass have gradients of their own, so they do not count either.
    """
    if not _is_ours(type(layer).__module__) or "call" in vars(layer):
        return False
    if getattr(layer, "quantization_mode", None) is not None or getattr(layer, "_remat_mode", None) is not None:
        return False
    activations = [value for name, value in vars(layer).items() if "activation" in name and callable(value)]
    return all(_is_ours(getattr(each, "__module__", None) or "") for each in activations)


def joined_by_layers(layers: Iterable[Any]) -> bool:
    """Return whether the functional models among these layers consist of layers, and of sums, products and stacks of
    their outputs that leave the batch axis alone.
    """
    operations = [op for layer in layers for op in getattr(layer, "operations", [])]
    return all(hasattr(op, "_flatten_layers") or _leaves_batch_alone(op) for op in operations)


def _leaves_batch_alone(operation: Any) -> bool:
    if not type(operation).__module__.startswith("keras.src.ops."):
        return False
    name = type(operation).__name__
    return name in ("Add", "Subtract", "Multiply") or (name in ("Stack", "Unstack") and (operation.axis or 0) > 0)


def _is_ours(module: str) -> bool:
    return module.startswith(("keras.src.", "ntkbench.layers."))


def made_of(layers: Iterable[Any], fact: Fact) -> bool:
    """Return whether these layers of a model all have a fact, and nothing but them makes up the model."""
    layers = list(layers)
    return joined_by_layers(layers) and all(is_stock(layer) and has(layer, fact) for layer in layers)


def has(layer: Any, fact: Fact) -> bool:
    """Return whether a stock layer has a fact; ours have all of them.

    TensorFlow differentiates grouped convolutions wrongly, or not at all, both vectorised and forward over backward.
    """
    if is_ours(layer):
        return True
    if fact & (VECTORISES | FORWARD_SAFE) and _convolves_groups(layer):
        return False
    return fact in FACTS.get(type(layer).__name__, Fact(0))


def is_ours(layer: Any) -> bool:
    """Return whether a layer is one of ntkbench.layers."""
    return type(layer).__module__.startswith("ntkbench.layers.")


def vectorises(model: Any) -> bool:
    """Return whether `tf.vectorized_map` is known to get the first derivatives of a model right."""
    return hasattr(model, "_flatten_layers") and made_of(model._flatten_layers(), VECTORISES)


def _convolves_groups(layer: Any) -> bool:
    # The groups of a GroupNormalization are channels that share a variance.
    return getattr(layer, "groups", 1) != 1 and type(layer).__name__ != "GroupNormalization"

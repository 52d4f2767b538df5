"""One function for many elements at once, where TensorFlow does that right, and one after the other elsewhere."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from ..model.layer_facts import is_stock, joined_by_layers
from .scopes import shared

# Keras layers whose first derivatives `tf.vectorized_map` gets right. Of others it is not known: grouped convolutions
# are wrong or raise when they run, recurrent loops raise while they are traced.
VECTORISES = frozenset(
    {
        "Activation", "Add", "Average", "AveragePooling1D", "AveragePooling2D", "BatchNormalization", "Concatenate",
        "Conv1D", "Conv2D", "Dense", "Dropout", "ELU", "EinsumDense", "Embedding", "Flatten", "Functional",
        "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling2D",
        "GroupNormalization", "Identity", "InputLayer", "LayerNormalization", "LeakyReLU", "MaxPooling2D", "Maximum",
        "Minimum", "MultiHeadAttention", "Multiply", "PReLU", "Permute", "RMSNormalization", "ReLU", "RepeatVector",
        "Rescaling", "Reshape", "Sequential", "Softmax", "Subtract", "UpSampling2D", "ZeroPadding2D",
    }
)  # fmt: skip


def vectorises(model: Any) -> bool:
    """Return whether every layer of a model is known to be vectorised rightly."""
    if not hasattr(model, "_flatten_layers"):
        return False
    layers = list(model._flatten_layers())
    return joined_by_layers(layers) and all(is_stock(layer) and _known(layer) for layer in layers)


def _known(layer: Any) -> bool:
    ours = type(layer).__module__.startswith("ntkbench.layers.")
    return (ours or type(layer).__name__ in VECTORISES) and getattr(layer, "groups", 1) == 1 or _normalises(layer)


def _normalises(layer: Any) -> bool:
    return type(layer).__name__ == "GroupNormalization"  # its groups are of channels that share a variance


def for_each(function: Callable[[Any], list[tf.Tensor]], elements: Any, vectorised: bool) -> list[tf.Tensor]:
    """Return [function(e) for e in elements], stacked. For use in compiled functions.

    elements: a tensor, or several, of the same length.   function: returns tensors of shapes that do not depend on e.
    vectorised: all elements at once; what TensorFlow cannot do so it says while it traces.
    """
    if vectorised:
        with contextlib.suppress(ValueError, TypeError, NotImplementedError, tf.errors.OpError), hushed():
            return tf.vectorized_map(function, elements)
    first = tf.nest.map_structure(lambda e: e[0], elements)
    specs = [tf.TensorSpec(t.shape, t.dtype) for t in function(first)]
    return tf.map_fn(function, elements, parallel_iterations=1, fn_output_signature=specs)


@shared
def hushed() -> Iterator[None]:
    """Hold TensorFlow's warnings back: of operations vectorised as loops, and of functions of equal names traced."""
    log = tf.get_logger()
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)

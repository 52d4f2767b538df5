"""Whether a layer, or what joins the layers of a model, is Keras's or ours throughout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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

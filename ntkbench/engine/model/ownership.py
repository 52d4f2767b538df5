"""Which layer of a model each trainable variable belongs to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from .network import Network


def layers_of(net: Network) -> dict[str, frozenset[int]]:
    """Return the layers that have trainable weights, in the model's order: name -> ids of their `tf.Variable`s.

    A layer is what the model lists as one: an attention layer or a recurrent one is not taken apart, nested models
    are. Weights that two layers share belong to the first; equal names are told apart by their models' names. A model
    that is not of Keras has a layer for each variable.
    """
    wanted = {id(v) for v in net.variables}
    found: list[tuple[str, str, set[int]]] = []
    for name, path, variables in _owned(net.model):
        mine = variables & wanted
        wanted -= mine
        if mine:
            found.append((name, path, mine))
    found += [(v.name, v.name, {id(v)}) for v in net.variables if id(v) in wanted]
    named: dict[str, frozenset[int]] = {}
    twice = Counter(name for name, _, _ in found)
    for name, path, mine in found:
        name = path if twice[name] > 1 else name
        count = sum(known == name or known.startswith(f"{name}#") for known in named)
        named[f"{name}#{count + 1}" if count else name] = frozenset(mine)
    return named


def _owned(layer: Any, above: str = "") -> Iterator[tuple[str, str, set[int]]]:
    """Yield (name, path, ids of variables) of every layer that is no model, and of what a model holds itself."""
    import keras

    if not isinstance(layer, keras.Layer):
        return
    path = f"{above}/{layer.name}" if above else layer.name
    if isinstance(layer, keras.Model):
        for inner in layer.layers:
            yield from _owned(inner, path)
    yield layer.name, path, {id(v.value) for v in layer.trainable_variables}

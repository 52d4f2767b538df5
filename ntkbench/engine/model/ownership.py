"""Map each trainable variable of a model to its layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from .network import Network


def layers_of(net: Network) -> dict[str, frozenset[int]]:
    """Return the layers that have trainable weights, in the model's order: name -> ids of their `tf.Variable`s.

    An attention or recurrent layer counts as one layer, while nested models are expanded. Weights shared by two layers
    belong to the first. Layers with equal names are distinguished by the names of their models. A model that is not a
    Keras model gets one layer per variable.
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
    for own_name, path, mine in found:
        name = path if twice[own_name] > 1 else own_name
        count = sum(known == name or known.startswith(f"{name}#") for known in named)
        named[f"{name}#{count + 1}" if count else name] = frozenset(mine)
    return named


def _owned(layer: Any, above: str = "") -> Iterator[tuple[str, str, set[int]]]:
    """Yield (name, path, variable ids) of every layer that is not a model, and of a model's own variables."""
    import keras

    if not isinstance(layer, keras.Layer):
        return
    path = f"{above}/{layer.name}" if above else layer.name
    if isinstance(layer, keras.Model):
        for inner in layer.layers:
            yield from _owned(inner, path)
    yield layer.name, path, {id(v.value) for v in layer.trainable_variables}

"""Recognise recurrent networks: the cells of Keras's recurrent layers, and networks unrolled step by step."""

from __future__ import annotations

import math
from typing import Any

import keras
from attrs import frozen

from .. import layers as ours
from .features import NoLimit
from .initial import variance
from .readers import dual_for
from .recurrent import Recurrence

RECURRENT = ("RNN", "SimpleRNN", "GRU", "LSTM", "Bidirectional")
"""Keras layers over the steps of a sequence."""


def cells_of(layer: Any, who: str) -> list[Any]:
    """Return the SimpleRNNCells of a Keras RNN layer, from the input to the output.

    Raises:
        NoLimit: The limit of a cell is unknown.
    """
    if getattr(layer, "stateful", False):
        raise NoLimit(f"{who} is stateful: its outputs depend on earlier calls. Use stateful=False.")
    cell = layer.cell
    cells = list(cell.cells) if type(cell) is keras.layers.StackedRNNCells else [cell]
    for each in cells:
        if type(each) in (keras.layers.GRUCell, keras.layers.LSTMCell):
            raise NoLimit(
                f"{who} has no known infinite-width limit: its gates multiply features, and the tangent kernel of such "
                "a product has no closed form."
            )
        if type(each) is not keras.layers.SimpleRNNCell:
            raise NoLimit(f"{who} has a cell of type {type(each).__name__}, whose infinite-width limit is unknown.")
    return cells


def recurrence_of(cell: Any, who: str) -> Recurrence:
    """Return the recurrent part of a SimpleRNNCell."""
    shape = tuple(cell.recurrent_kernel.shape)
    weight_std = math.sqrt(variance(cell.recurrent_initializer, shape, who) * shape[0])
    trained = bool(cell.recurrent_kernel.trainable and cell.trainable)
    return Recurrence(dual_for(cell.activation, who), weight_std, train_weights=trained, who=who)


@frozen
class Unrolled:
    """A recurrence h_t = φ(z_t + W h_{t−1}) of layers of `ntkbench.layers`, written out from the first step on.

    Where a mask is false, the state may stay as it is: h_t = where(mask_t, φ(…), h_{t−1}), except at the first step.

    Attributes:
        steps: The Keras tensor of all z_t, [N, T, n].
        recurrent: The dense layer W, or None if there is a single step.
        activation: The layer of φ.
        mask: The Keras tensor of the mask [N, T], or None.
    """

    steps: Any
    recurrent: Any
    activation: Any
    mask: Any

    @classmethod
    def read(cls, tensor: Any) -> Unrolled | None:
        """Return the recurrence whose state after its last step is the Keras tensor, or None if it is not one."""
        activations, recurrents, steps, masks = [], [], [], []
        while True:
            held, read, _ = _made(tensor)
            if type(held).__name__ == "Where" and len(read) == 3:
                masks.append(read[0])
                tensor = read[1]
            activation, (below, *_), _ = _made(tensor)
            if type(activation) is not ours.Activation:
                return None
            activations.append(activation)
            total, parts, _ = _made(below)
            if type(total) is not keras.layers.Add:
                steps.append(below)
                break
            of_state = [part for part in parts if type(_made(part)[0]) is ours.Dense]
            if len(parts) != 2 or len(of_state) != 1:
                return None
            steps += [part for part in parts if part is not of_state[0]]
            recurrent, (tensor,), _ = _made(of_state[0])
            recurrents.append(recurrent)
            if type(held).__name__ == "Where" and read[2] is not tensor:
                return None
        sequence = _taken_apart(steps[::-1])
        plain = all(each is recurrents[0] and not each.use_bias and each.activation is None for each in recurrents)
        if (
            sequence is None
            or not plain
            or any(each.activation is not activations[0].activation for each in activations)
        ):
            return None
        mask = _mask_of(masks[::-1]) if masks else None
        if masks and (mask is None or len(masks) + 1 != len(steps)):
            return None
        return cls(sequence, recurrents[0] if recurrents else None, activations[0], mask)


def _taken_apart(steps: list[Any]) -> Any:
    """Return the Keras tensor [N, T, n] of which these are all steps in order, or None."""
    made = [_made(step) for step in steps]
    first, (sequence, *_), _ = made[0]
    if type(first).__name__ != "Unstack" or first.axis != 1 or len(steps) != sequence.shape[1]:
        return None
    return sequence if [each[::2] for each in made] == [(first, t) for t in range(len(steps))] else None


def _mask_of(parts: list[Any]) -> Any:
    """Return the Keras tensor of which these are the slices [:, t : t + 1] from t = 1 on, or None."""
    masks = []
    for t, part in enumerate(parts, start=1):
        operation, node, _ = part._keras_history
        given = operation._inbound_nodes[node].arguments
        if type(operation).__name__ != "GetItem" or given.args[1] != (slice(None), slice(t, t + 1)):
            return None
        masks.append(given.args[0])
    return masks[0] if all(mask is masks[0] for mask in masks) else None


def _made(tensor: Any) -> tuple[Any, list[Any], int]:
    """Return the operation that made a Keras tensor, what it read, and which of its outputs the tensor is."""
    operation, node, output = tensor._keras_history
    return operation, list(operation._inbound_nodes[node].input_tensors) or [tensor], output

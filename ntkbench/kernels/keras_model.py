"""Derive the infinite-width kernel of a Keras model, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from ..errors import NtkbenchError
from .features import NoLimit
from .graph import Graph, Node
from .infinite import InfiniteWidth, Kind
from .inputs import Inputs, Source
from .joins import Concatenate
from .layer import Layer
from .readers import IDENTITIES, layer_of, named, seed_of
from .unitwise import Activation, Identity, LayerNormalization

NARROW = 8  # a hidden layer this many times narrower than an earlier and a later layer is a bottleneck


def infinite_width(model: Any, kind: Kind = "ntk", *, bottlenecks: bool = False) -> InfiniteWidth:
    """Return the kernel that a Keras model's tangent kernel converges to as its hidden layers get wider.

    The variance of each layer is that of its initialiser times the fan-in, at the model's sizes; the weights themselves
    are not read. Weights that are not trained do not contribute to the tangent kernel. A trained bias that starts at 0
    contributes only to the tangent kernel.

    Keras layers, and layers of `ntkbench.layers` in the standard parameterisation, have an NNGP limit as they are, but
    their tangent kernel grows with width. For them the NTK is that of the same network in the NTK parameterisation.
    The attribute `notes` of the result states this and lists the layers taken to infinite width.

    Args:
        model: A Sequential or functional model of layers of Keras or `ntkbench.layers`, with one input and one output.
        kind: "ntk", the limit of the tangent kernel of one output unit, or "nngp", the covariance of the outputs.
        bottlenecks: Whether to take bottlenecks, narrow hidden layers between wide ones, to infinite width too.

    Returns:
        The limit kernel.

    Raises:
        NoLimit: No limit is known for a layer, which the message names: batch normalisation, max pooling, softmax
            attention, weights that are shared or drawn with the same seed, bottlenecks, nonlinear output activations,
            custom layers.

    Examples:
        >>> import keras, numpy as np
        >>> from ntkbench import layers
        >>> model = keras.Sequential([keras.Input((2,)), layers.Dense(64, "relu", seed=0), layers.Dense(1, seed=1)])
        >>> print(infinite_width(model).matrix(np.array([[1.0, 0.0], [0.0, 1.0]])).numpy().round(4))
        [[0.5    0.0796]
         [0.0796 0.5   ]]
    """
    walk = _Walk(model)
    last = walk.value(model.outputs[0])
    if not isinstance(last, int):
        raise NoLimit("The model has no random weights between its input and its output, so it has no limit kernel.")
    graph = Graph(tuple(walk.nodes[: last + 1]))
    walk.check_output(last)
    if not bottlenecks:
        walk.refuse_bottlenecks(last)
    ndims = len(model.inputs[0].shape) - 1
    kernel = InfiniteWidth(graph, kind, ndims, notes=walk.notes(last), standard=walk.standard)
    walk.try_out(kernel)
    return kernel


def hidden_units(model: Any) -> list[tuple[str, int]]:
    """Return name and number of units of the layers of weights that `infinite_width` takes to infinity, in order.

    Args:
        model: A model of which `infinite_width` knows the limit.
    """
    walk = _Walk(model)
    last = walk.value(model.outputs[0])
    _, behind = walk.around(last)
    return [walk.units[number] for number in sorted(walk.hidden(behind))]


class _Raw:
    """A deterministic function of the input, without random weights."""

    def __init__(self, prepare: Callable[[tf.Tensor], tf.Tensor] | None, ndims: int):
        self.source = Source(prepare, ndims)


class _Stacked:
    """Features stacked along a new axis, before they are flattened."""

    def __init__(self, numbers: list[int], units: list[float]):
        self.numbers, self.units = numbers, units


class _Walk:
    """Traversal of a model from its output back to its input. A value is a node index, a `_Raw` or a `_Stacked`."""

    def __init__(self, model: Any):
        whole = isinstance(model, keras.Model) and getattr(model, "inputs", None) and getattr(model, "outputs", None)
        if not whole or not hasattr(model.outputs[0], "_keras_history"):
            raise NtkbenchError(
                f"The limit needs a built Sequential or functional Keras model; got {type(model).__name__}. Build it "
                "with an Input, or define the network with the layers of ntkbench.kernels."
            )
        if len(model.inputs) > 1 or len(model.outputs) > 1:
            raise NtkbenchError(
                f"The model has {len(model.inputs)} inputs and {len(model.outputs)} outputs, but a limit is known only "
                "for one input and one output. Build a model of the relevant part."
            )
        self.model = model
        self.nodes: list[Node] = []
        self.units: dict[int, tuple[str, int]] = {}  # name and width of the layer of each affine node
        self.standard: list[str] = []
        self._values: dict[int, Any] = {id(model.inputs[0]): _Raw(None, len(model.inputs[0].shape) - 1)}
        self._called: set[int] = set()
        self._drawn: dict[Any, str] = {}

    def value(self, tensor: Any) -> Any:
        """Return the value of a Keras tensor."""
        if id(tensor) not in self._values:
            operation, index, _ = tensor._keras_history
            read = operation._inbound_nodes[index].input_tensors
            values = [self.value(each) for each in read]
            self._values[id(tensor)] = self._read(operation, read, values, tensor)
        return self._values[id(tensor)]

    def _read(self, operation: Any, tensors: Sequence[Any], values: list[Any], output: Any) -> Any:
        if isinstance(operation, keras.Model):
            if not getattr(operation, "inputs", None) or len(operation.inputs) != 1 or len(operation.outputs) != 1:
                raise NoLimit(
                    f"{named(operation)} is not a Sequential or functional model of one input and one output."
                )
            self._once(operation)
            self._values[id(operation.inputs[0])] = values[0]
            return self.value(operation.outputs[0])
        if operation.name and getattr(operation, "weights", None):
            self._once(operation)
        if type(operation).__name__ == "Stack":
            return self._stack(operation, tensors, values)
        if any(isinstance(value, _Stacked) for value in values):
            if type(operation).__name__ != "Flatten":
                raise NoLimit(f"{named(operation)} reads stacked features; only Flatten can follow a stack.")
            stacked = values[0]
            return self._append(Concatenate(tuple(stacked.units)), tuple(stacked.numbers), named(operation))
        if all(isinstance(value, _Raw) for value in values) and (raw := _prepared(operation, values, output)):
            return raw
        layers = layer_of(operation, [tuple(t.shape) for t in tensors], tuple(output.shape))
        inputs = tuple(self._number(value) for value in values)
        for layer in layers:
            if isinstance(layer, Identity):
                continue
            number = self._append(layer, inputs, named(operation))
            if layer.affine:
                self._note_weights(operation, number)
            inputs = (number,)
        return inputs[0]

    def _append(self, layer: Layer | Source, inputs: tuple[int, ...], name: str) -> int:
        self.nodes.append(Node(layer, inputs, name))
        return len(self.nodes) - 1

    def _number(self, value: Any) -> int:
        """Return the index of the node of a value, creating a source node for values computed from the input alone."""
        if isinstance(value, int):
            return value
        for number, node in enumerate(self.nodes):
            if node.layer is value.source:
                return number
        return self._append(value.source, (), "the input")

    def _once(self, operation: Any) -> None:
        if id(operation) in self._called:
            raise NoLimit(
                f"{named(operation)} is called twice, so its weights are shared, but no limit is known for shared "
                "weights."
            )
        self._called.add(id(operation))

    def _note_weights(self, layer: Any, number: int) -> None:
        self.units[number] = layer.name, int(layer.kernel.shape[-1])
        if getattr(layer, "parameterization", "standard") == "standard":
            self.standard.append(layer.name)
        seed = seed_of(layer)
        if seed is not None:
            drawn = (seed, tuple(layer.kernel.shape))
            if drawn in self._drawn:
                raise NoLimit(
                    f"{named(layer)} has the seed of {self._drawn[drawn]!r} and a kernel of the same shape, so both "
                    "start from the same weights. Use another seed."
                )
            self._drawn[drawn] = layer.name

    def _stack(self, operation: Any, tensors: Sequence[Any], values: list[Any]) -> _Stacked:
        if operation.axis != 1 or any(len(t.shape) != 2 for t in tensors):
            raise NoLimit(
                f"{named(operation)} stacks features along axis {operation.axis}; only stacking [N, units] along axis "
                "1 is supported."
            )
        return _Stacked([self._number(value) for value in values], [float(t.shape[-1]) for t in tensors])

    # -- checks of the whole model -----------------------------------------------------------------------------------

    def check_output(self, last: int) -> None:
        """Raise NoLimit unless the last layer, apart from averages and factors, has weights."""
        waiting = [last]
        while waiting:
            node = self.nodes[waiting.pop()]
            if isinstance(node.layer, Source):
                raise NoLimit("A path from the input to the output has no weights, so the model has no limit kernel.")
            if isinstance(node.layer, Activation):
                raise NoLimit(
                    f"{node.name}: the model has a nonlinear output activation, so its tangent kernel stays random at "
                    "every width. Remove the output activation."
                )
            if isinstance(node.layer, LayerNormalization | Concatenate):
                raise NoLimit(f"{node.name}: the last layer has finitely many units; end the model with a dense layer.")
            if not node.layer.affine:
                waiting += node.inputs

    def around(self, last: int) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
        """Return, for each node up to `last`, the nodes before it and the nodes behind it."""
        before: dict[int, set[int]] = {}
        for number in range(last + 1):
            read = self.nodes[number].inputs
            before[number] = set(read).union(*(before[k] for k in read))
        return before, {number: {k for k, earlier in before.items() if number in earlier} for number in before}

    def hidden(self, behind: Mapping[int, set[int]]) -> set[int]:
        """Return the nodes of layers of weights that other layers of weights read, even indirectly."""
        return {n for n in self.units if any(k in self.units for k in behind.get(n, ()))}

    def refuse_bottlenecks(self, last: int) -> None:
        """Raise NoLimit if a hidden layer is much narrower than an earlier and a later hidden layer."""
        before, behind = self.around(last)
        hidden = self.hidden(behind)
        for number in hidden:
            name, units = self.units[number]
            widest = [max((self.units[k][1] for k in side[number] & hidden), default=0) for side in (before, behind)]
            if min(widest) >= NARROW * units:
                raise NoLimit(
                    f"Layer {name!r} is a bottleneck of {units} units between layers of {widest[0]} and {widest[1]}: "
                    "while it stays narrow, the tangent kernel stays random. Use bottlenecks=True to take its width to "
                    "infinity too."
                )

    def notes(self, last: int) -> list[str]:
        """Return sentences that describe the limit."""
        hidden = {k for node in self.nodes[: last + 1] for k in node.inputs}
        readers = [n for n in self.units if n in hidden]
        widths = ", ".join(f"{self.units[n][0]} ({self.units[n][1]})" for n in readers)
        notes = [f"Layers taken to infinite width: {widths}."] if readers else []
        if self.standard:
            notes.append(
                f"Layers in the standard parameterisation: {', '.join(self.standard)}. The NNGP is the model's own "
                "limit; the NTK is that of the same network in the NTK parameterisation, with the initialisers' "
                "variances."
            )
        rough = [
            node.name for node in self.nodes if isinstance(node.layer, Activation) and not node.layer.function.exact
        ]
        if rough:
            notes.append(f"Computed by quadrature: {', '.join(dict.fromkeys(rough))}; error(x) estimates the error.")
        return notes

    def try_out(self, kernel: InfiniteWidth) -> None:
        """Run the graph on one pair of inputs, so that incompatible layers raise an error now."""
        shape = [size or 5 for size in self.model.inputs[0].shape[1:]]
        x = tf.reshape(tf.linspace(tf.constant(0.5, tf.float64), 1.0, _product(shape)), [1, *shape])
        kernel.graph.run(Inputs(x, x, len(shape), 0, 1, True).features)


def _product(sizes: Sequence[int]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


# Layers that may act directly on the input, before any random weights.
PREPARING = (
    "Flatten",
    "Reshape",
    "Permute",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "Cropping1D",
    "Cropping2D",
)


def _prepared(operation: Any, values: Sequence[_Raw], output: Any) -> _Raw | None:
    """Return the value of a layer that preprocesses the input, None for any other layer."""
    kind, before = type(operation).__name__, values[0].source
    stock = type(operation).__module__.startswith(("keras.src.layers.", "ntkbench.layers."))
    if not stock or len(values) != 1:
        return None
    if kind in IDENTITIES:
        return values[0]
    if kind == "Rescaling":

        def call(x: tf.Tensor) -> tf.Tensor:
            return x * tf.cast(operation.scale, x.dtype) + tf.cast(operation.offset, x.dtype)
    elif kind in PREPARING:
        call = operation.call
    else:
        return None
    first = before.prepare
    return _Raw(call if first is None else lambda x: call(first(x)), len(output.shape) - 1)

"""Derive the infinite-width kernel of a Keras model, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from ..engine.model import is_stock
from ..errors import NtkbenchError
from .features import NoLimit
from .graph import Graph, Node
from .infinite import InfiniteWidth, Kind
from .inputs import Inputs, Source
from .joins import Add, Concatenate
from .layer import Layer
from .ragged import packed_mask, packed_values
from .readers import IDENTITIES, dense_of, dual_for, layer_of, named, seed_of
from .recurrent import LastStep, Recurrence, Reverse
from .recurrent_readers import RECURRENT, Unrolled, cells_of, recurrence_of
from .unitwise import Activation, Identity, LayerNormalization, Scale

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
        model: A Sequential or functional model of layers of Keras or `ntkbench.layers`, with one output, and one input
            or a dictionary of two: sequences [N, T, a] and a boolean mask [N, T]. Layers that take a mask, whether it
            is an input or comes from a `Masking` layer, skip the masked steps.
        kind: "ntk", the limit of the tangent kernel of one output unit, or "nngp", the covariance of the outputs.
        bottlenecks: Whether to take bottlenecks, narrow hidden layers between wide ones, to infinite width too.

    Returns:
        The limit kernel.

    Raises:
        NoLimit: No limit is known for a layer, which the message names: batch normalisation, max pooling, softmax
            attention, GRU and LSTM, weights that are shared (except by the steps of a recurrent network) or drawn with
            the same seed, bottlenecks, nonlinear output activations, custom layers.

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
    kernel = InfiniteWidth(graph, kind, walk.inputs.feature_ndims, notes=walk.notes(last), standard=walk.standard)
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

    def __init__(self, source: Source):
        self.source = source


class _Stacked:
    """Features stacked along a new axis, before they are flattened."""

    def __init__(self, numbers: list[int], units: list[float]):
        self.numbers, self.units = numbers, units


class _ModelInputs:
    """The inputs of a model: one tensor, or sequences and their mask packed into one."""

    def __init__(self, model: Any):
        self.model = model
        values = [t for t in model.inputs if t.dtype != "bool"]
        masks = [t for t in model.inputs if t.dtype == "bool"]
        if len(values) != 1 or len(masks) > 1 or (masks and values[0].shape[:2] != masks[0].shape):
            raise NtkbenchError(
                f"The model has {len(model.inputs)} inputs, but a limit is known only for one input, or for sequences "
                "[N, T, a] and their boolean mask [N, T]. Build a model of the relevant part."
            )
        self.values, self.packed = values[0], bool(masks)
        self.feature_ndims: Any = len(self.values.shape) - 1
        if masks:
            names = (
                model._inputs_struct if isinstance(model._inputs_struct, dict) else {t.name: t for t in model.inputs}
            )
            self.feature_ndims = {name: len(t.shape) - 1 for name, t in names.items()}

    def source(self, mask: Any) -> Source:
        """Return the source of the values, with the Keras tensor of their mask, or None."""
        ndims = len(self.values.shape) - 1
        prepare = packed_values if self.packed else None
        return Source(prepare, ndims, None if mask is None else self._function_of(mask))

    def _function_of(self, mask: Any) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return the function from the inputs, packed if there is a mask among them, to a mask."""
        if any(mask is t for t in self.model.inputs):
            return packed_mask
        if self.packed:
            raise NoLimit("The model has an input for the mask and computes another one; use only one of them.")
        return keras.Function(self.values, mask)

    def example(self) -> tf.Tensor:
        """Return one input, packed, all of whose steps exist."""
        shape = [size or 5 for size in self.values.shape[1:]]
        x = tf.reshape(tf.linspace(tf.constant(0.5, tf.float64), 1.0, math.prod(shape)), [1, *shape])
        return tf.concat([x, tf.ones_like(x[..., :1])], -1) if self.packed else x


class _Walk:
    """Traversal of a model from its output back to its input. A value is a node index, a `_Raw` or a `_Stacked`."""

    def __init__(self, model: Any):
        whole = isinstance(model, keras.Model) and getattr(model, "inputs", None) and getattr(model, "outputs", None)
        if not whole or not hasattr(model.outputs[0], "_keras_history"):
            raise NtkbenchError(
                f"The limit needs a built Sequential or functional Keras model; got {type(model).__name__}. Build it "
                "with an Input, or define the network with the layers of ntkbench.kernels."
            )
        if len(model.outputs) > 1:
            raise NtkbenchError(
                f"The model has {len(model.outputs)} outputs, but a limit is known only for one output. Build a model "
                "of the relevant part."
            )
        self.inputs = _ModelInputs(model)
        self.nodes: list[Node] = []
        self.units: dict[int, tuple[str, int]] = {}  # name and width of the layer of each affine node
        self.standard: list[str] = []
        self._values: dict[Any, Any] = {}
        self._called: set[int] = set()
        self._drawn: dict[Any, str] = {}

    def value(self, tensor: Any, mask: Any = None) -> Any:
        """Return the value of a Keras tensor whose masked steps are skipped by the layer that reads it."""
        key = _key(tensor, mask)
        if key not in self._values:
            if tensor is self.inputs.values:
                self._values[key] = _Raw(self.inputs.source(mask))
            elif unrolled := Unrolled.read(tensor):
                self._values[key] = self._unrolled(unrolled)
            else:
                self._values |= self._read(tensor, mask)
        return self._values[key]

    def _read(self, tensor: Any, mask: Any) -> dict[Any, Any]:
        """Return the values of all outputs of the operation that made a tensor."""
        operation, index, _ = tensor._keras_history
        node = operation._inbound_nodes[index]
        own = node.arguments.kwargs.get("mask")
        own = own if hasattr(own, "_keras_history") else None
        if type(operation).__name__ not in SKIPPING:
            own = mask  # layers that act on each step pass masks on
        elif mask is not None and (own is None or _key(own) != _key(mask)):
            raise NoLimit(
                f"{named(operation)} has another mask than the layer that reads it, so that masked steps enter its "
                "states."
            )
        elif mask is None and own is not None and len(node.output_tensors[0].shape) > 2:
            raise NoLimit(
                f"{named(operation)} has a mask, but the layer that reads it has none, so that it reads masked steps. "
                "End with the last state or GlobalAveragePooling1D, which take the mask."
            )
        read = [t for t in node.input_tensors if t.dtype != "bool"]
        values = [self.value(t, own) for t in read]
        if isinstance(operation, keras.Model):
            return {_key(tensor, mask): self._nested(operation, values, mask)}
        if operation.name and getattr(operation, "weights", None):
            self._once(operation)
        if type(operation).__name__ in RECURRENT and is_stock(operation):
            found = self._recurrent(operation, values, own is not None)
            return {_key(t, mask): value for t, value in zip(node.output_tensors, found, strict=True)}
        return {_key(tensor, mask): self._value_after(operation, read, values, tensor)}

    def _nested(self, model: Any, values: list[Any], mask: Any) -> Any:
        if not getattr(model, "inputs", None) or len(model.inputs) != 1 or len(model.outputs) != 1:
            raise NoLimit(f"{named(model)} is not a Sequential or functional model of one input and one output.")
        self._once(model)
        self._values[_key(model.inputs[0], mask)] = values[0]
        return self.value(model.outputs[0], mask)

    def _value_after(self, operation: Any, tensors: Sequence[Any], values: list[Any], output: Any) -> Any:
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

    # -- recurrent layers ----------------------------------------------------------------------------------------------

    def _recurrent(self, layer: Any, values: list[Any], masked: bool) -> list[Any]:
        """Return the outputs of a Keras layer over the steps of a sequence, and its last states if it returns them."""
        if len(values) != 1:
            raise NoLimit(f"{named(layer)} is called with an initial state; leave it at zeros.")
        if not isinstance(layer, keras.layers.Bidirectional):
            return self._directed(layer, values[0], masked)
        directions = (layer.forward_layer, layer.backward_layer)
        (forward, *states), (backward, *more) = (self._directed(each, values[0], masked) for each in directions)
        if layer.return_sequences:
            backward = self._append(Reverse(), (backward,), named(layer))
        both: tuple[int, ...] = (forward, backward)
        if layer.merge_mode is None:
            return [*both, *states, *more]
        merges: dict[str, list[Layer]] = {
            "concat": [Concatenate(tuple(float(cells_of(each, named(each))[-1].units) for each in directions))],
            "sum": [Add()],
            "ave": [Add(), Scale(0.5)],
        }
        if layer.merge_mode not in merges:
            raise NoLimit(f"{named(layer)} has merge_mode='mul': a product of features is not Gaussian in the limit.")
        for merge in merges[layer.merge_mode]:
            both = (self._append(merge, both, named(layer)),)
        return [both[0], *states, *more]

    def _directed(self, layer: Any, value: Any, masked: bool) -> list[int]:
        who, number, states = named(layer), self._number(value), []
        if masked and layer.unroll and layer.go_backwards and layer.return_sequences and layer.zero_output_for_mask:
            raise NoLimit(f"{who} is unrolled: Keras then sets the states of existing steps to 0. Use unroll=False.")
        if layer.go_backwards:
            number = self._append(Reverse(), (number,), who)
        for cell in cells_of(layer, who):
            number = self._append(dense_of(cell, who), (number,), who)
            self._note_weights(cell, number, layer)
            number = self._append(recurrence_of(cell, who), (number,), who)
            self._note_draw(layer, cell.recurrent_kernel, seed_of(cell, "recurrent_initializer"))
            states.append(number)
        if not layer.return_sequences:
            number = self._append(LastStep(), (number,), who)
        if not layer.return_state:
            return [number]
        return [number, *(self._append(LastStep(), (state,), who) for state in states)]

    def _unrolled(self, found: Unrolled) -> int:
        number = self._number(self.value(found.steps, found.mask))
        who = named(found.activation if found.recurrent is None else found.recurrent)
        weights: dict[str, Any] = {"weight_std": 0.0, "train_weights": False}
        if found.recurrent is not None:
            self._once(found.recurrent)
            dense = dense_of(found.recurrent, who)
            weights = {name: getattr(dense, name) for name in ("weight_std", "train_weights", "multiplier")}
        number = self._append(
            Recurrence(dual_for(found.activation.activation, who), **weights, who=who), (number,), who
        )
        if found.recurrent is not None:
            self._note_weights(found.recurrent, number)
        return self._append(LastStep(), (number,), who)

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

    def _note_weights(self, holder: Any, number: int, layer: Any = None) -> None:
        """Note the kernel of a layer, or of one of its cells."""
        layer = layer or holder
        self.units[number] = layer.name, int(holder.kernel.shape[-1])
        if getattr(holder, "parameterization", "standard") == "standard":
            self.standard.append(layer.name)
        self._note_draw(layer, holder.kernel, seed_of(holder))

    def _note_draw(self, layer: Any, kernel: Any, seed: Any) -> None:
        """Raise NoLimit if a kernel starts from the same weights as an earlier one."""
        drawn = (seed, tuple(kernel.shape))
        if seed is not None and drawn in self._drawn:
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
            if isinstance(node.layer, Recurrence):
                raise NoLimit(f"{node.name}: the model ends with a recurrent layer; end it with a dense layer.")
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
        rough = [node.name for node in self.nodes if not getattr(node.layer, "exact", True)]
        if rough:
            notes.append(f"Computed by quadrature: {', '.join(dict.fromkeys(rough))}; error(x) estimates the error.")
        return notes

    def try_out(self, kernel: InfiniteWidth) -> None:
        """Run the graph on one pair of inputs, so that incompatible layers raise an error now."""
        x = self.inputs.example()
        kernel.graph.run(Inputs(x, x, x.shape.rank - 1, 0, 1, True).features)


def _key(tensor: Any, mask: Any = None) -> Any:
    """Return an identifier of a Keras tensor, read with a mask."""
    return tuple(tensor._keras_history), None if mask is None else tuple(mask._keras_history)


SKIPPING = (*RECURRENT, "GlobalAveragePooling1D")
"""Layers that skip masked steps."""

# Layers that may act directly on the input, before any random weights.
PREPARING = (
    "Flatten",
    "Masking",
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
    prepare = call if first is None else lambda x: call(first(x))
    return _Raw(Source(prepare, len(output.shape) - 1, before.mask))

"""Inspect the traced graph of a model for operations between weights and outputs whose derivatives may be wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf
from attrs import frozen

from .network import Network
from .trace import called, carries, trace_of

# Operations whose first and second derivatives are correct wherever they are finite; `checks/pointwise.py` handles
# points where several kinks meet. All others are compared with finite differences: operations with ties (Maximum, Abs),
# with special cases at 0 (Prod, Pow, Xlogy, DivNoNan), and those that hide a derivative.
PROVEN = frozenset(
    {
        "Add", "AddN", "AddV2", "Asinh", "Assert", "Atan", "AvgPool", "AvgPool3D", "BatchMatMul", "BatchMatMulV2",
        "BatchMatMulV3", "BatchToSpaceND", "BiasAdd", "BroadcastTo", "Cast", "Concat", "ConcatV2", "Conv2D",
        "Conv2DBackpropInput", "Conv3D", "Conv3DBackpropInputV2", "Cos", "Cosh", "Cumsum", "DepthToSpace",
        "DepthwiseConv2dNative", "Einsum", "Elu", "EnsureShape", "Erf", "Erfc", "Exp", "ExpandDims", "Expm1", "Gather",
        "GatherNd", "GatherV2", "Identity", "LeakyRelu", "Log", "Log1p", "LogSoftmax", "MatMul", "MatrixBandPart",
        "MatrixDiagPartV3", "MatrixDiagV3", "Mean", "MirrorPad", "Mul", "Neg", "Pack", "Pad", "PadV2", "ReadVariableOp",
        "RealDiv", "Reciprocal", "Relu", "Relu6", "Reshape", "ResourceGather", "ReverseV2", "Roll", "Rsqrt", "Selu",
        "Sigmoid", "Sin", "Sinh", "Slice", "Softmax", "Softplus", "SpaceToBatchND", "SpaceToDepth", "Split", "SplitV",
        "Sqrt", "Square", "SquaredDifference", "Squeeze", "StridedSlice", "Sub", "Sum", "Tan", "Tanh",
        "TensorListConcat", "TensorListFromTensor", "TensorListGetItem", "TensorListPopBack", "TensorListPushBack",
        "TensorListReserve", "TensorListResize", "TensorListSetItem", "TensorListStack", "Tile", "Transpose", "Unpack",
    }
)  # fmt: skip
# Operations that are constant between jumps, so that a derivative of 0 is correct.
ROUNDS = frozenset({"Ceil", "Floor", "Rint", "Round", "Sign"})
# Comparisons that hold at isolated points: what a model does there, its neighbourhood does not.
POINTS = frozenset({"Equal", "NotEqual"})
# Operations that turn numbers into other data and back again, so that derivatives get lost on the way.
ENCODES = frozenset({"AsString", "Bitcast", "SerializeTensor"})
CALLS = frozenset({"Case", "If", "PartitionedCall", "StatefulPartitionedCall", "StatelessCase", "StatelessIf"})
LOOPS = frozenset({"While", "StatelessWhile"})


@frozen
class Graph:
    """Properties of a model's graph.

    Attributes:
        doubtful: (type, name) of the operations on trained weights that are not known to have correct derivatives.
        rounds: Whether trained weights reach an operation that rounds.
        random: Whether the graph draws random numbers.
        untracked: Trainable variables that the model reads but Keras does not track, so that gradients omit them.
    """

    doubtful: tuple[tuple[str, str], ...]
    rounds: bool
    random: bool
    untracked: tuple[tf.Variable, ...]


def graph_of(net: Network, x: tf.Tensor) -> Graph:
    """Return the properties of the model's graph, traced at inputs like x: [N, ...]."""
    return net.cached(("graph", tuple(x.shape[1:]), x.dtype), lambda: _graph(net, x))


def _graph(net: Network, x: tf.Tensor) -> Graph:
    graph = trace_of(net, x).graph
    trained = {id(v.handle) for v in net.variables}
    captures = list(graph.captures)
    found = _Walk()
    found.walk(graph, {inner.name for outer, inner in captures if id(outer) in trained})
    return Graph(tuple(found.doubtful), found.rounds, found.random, tuple(_untracked(net, graph)))


class _Walk:
    """Graph walk that follows the tensors that depend on trained weights, through operations and called functions."""

    def __init__(self) -> None:
        self.doubtful: list[tuple[str, str]] = []
        self.rounds = self.random = False

    def walk(self, graph: Any, reached: set[str]) -> list[bool]:
        """Walk a graph and return, for each of its outputs, whether it depends on the weights.

        Args:
            graph: The graph.
            reached: Names of its tensors that depend on the weights.
        """
        for op in graph.get_operations():
            self.random |= "Random" in op.type or op.type == "StatelessMultinomial"
            inner = called(op)
            given = [each.name in reached for each in op.inputs]
            passed = self._into(op, inner, given) if inner else [any(given)] * len(op.outputs)
            if any(given) and not inner:
                passed = self._through(op)
            reached |= {each.name for each, on in zip(op.outputs, passed, strict=True) if on and carries(each.dtype)}
        return [each.name in reached for each in graph.outputs]

    def _through(self, op: Any) -> list[bool]:
        """Return which outputs of an operation on weights depend on them, and record the operation if doubtful."""
        if op.type in ROUNDS or (op.type == "Cast" and not carries(op.outputs[0].dtype)):
            self.rounds = True
            return [False] * len(op.outputs)
        carrying = any(carries(each.dtype) for each in op.outputs) or op.type in ENCODES | POINTS
        if carrying and (op.type not in PROVEN or "_gradient_op_type" in op.node_def.attr):
            self.doubtful.append((op.type, op.name))
        return [True] * len(op.outputs)

    def _into(self, op: Any, inner: list[Any], given: list[bool]) -> list[bool]:
        """Return which outputs of a function call depend on the weights."""
        passed = [False] * len(op.outputs)
        if op.type not in CALLS | LOOPS:
            if any(given):
                self.doubtful.append((op.type, op.name))
            return [any(given)] * len(op.outputs)
        if any(given) and "_gradient_op_type" in op.node_def.attr:
            self.doubtful.append((op.type, op.name))
        for graph in inner:
            # A conditional's first input is its predicate; a loop's outputs are the inputs of its next iteration.
            mine = given[len(given) - len(graph.inputs) :]
            while True:
                reached = {each.name for each, on in zip(graph.inputs, mine, strict=True) if on}
                out = self.walk(graph, reached)
                again = [a or b for a, b in zip(mine, out, strict=True)] if len(out) == len(mine) else mine
                if op.type not in LOOPS or again == mine:
                    break
                mine = given = again
            if len(out) == len(passed):  # skips a loop's condition, which has a single output
                passed = [a or b for a, b in zip(passed, out, strict=True)]
        return passed


def _untracked(net: Network, graph: Any) -> Iterator[tf.Variable]:
    """Yield the trainable variables that a model reads but does not track, as a tf.Module those of Keras layers.

    Models that define trainable_variables themselves choose them.
    """
    kind = type(net.model)
    chosen = getattr(kind, "trainable_variables", None) is not tf.Module.trainable_variables
    if not isinstance(net.model, keras.Layer) and (chosen or not isinstance(net.model, tf.Module)):
        return
    known = {id(each) for each in net.all_variables}
    for variable in graph.variables:
        if id(variable) not in known and variable.trainable and variable.dtype.is_floating:
            yield variable


def owner_of(variable: tf.Variable, layers: Iterable[Any]) -> Any:
    """Return the layer that holds a variable in one of its attributes, possibly nested, or None."""

    def held(value: Any, depth: int = 3) -> bool:
        if value is variable or getattr(value, "value", None) is variable:
            return True
        if depth == 0 or isinstance(value, keras.Layer | str | bytes | tf.Tensor | tf.Variable):
            return False
        if isinstance(value, dict):
            inside: Iterable[Any] = value.values()
        elif isinstance(value, list | tuple | set):
            inside = value
        else:
            inside = getattr(value, "__dict__", {}).values()
        return any(held(each, depth - 1) for each in list(inside))

    return next((each for each in layers if any(held(value) for value in list(vars(each).values()))), None)

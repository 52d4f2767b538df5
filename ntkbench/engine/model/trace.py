"""Trace a model's outputs, and find the precision it computes in and whether it looks up tables by index."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf
from attrs import frozen

from ...errors import NtkbenchError, reason_of
from ..ops import exact_operations, full_precision, quiet_tensorflow
from .layer_facts import PLAIN, made_of
from .network import Network
from .replaced import replaced_calls

# Machine epsilon: the spacing of floating-point numbers at 1.
EPS = {tf.bfloat16: 2.0**-7, tf.float16: 2.0**-10, tf.float32: 2.0**-23, tf.float64: 2.0**-52}
# Operations that look up rows of a table or set ones by index, with the position of the indices among their inputs.
LOOKUPS = {
    "DenseBincount": 0, "Gather": 1, "GatherNd": 1, "GatherV2": 1, "OneHot": 0, "ResourceGather": 1,
    "ResourceGatherNd": 1, "SparseSoftmaxCrossEntropyWithLogits": 1,
}  # fmt: skip
SCOPE = "ntkbench."  # followed by a layer's number: the name scope of the layer's operations


@frozen
class Trace:
    """A model traced at one input.

    Attributes:
        outputs: The compiled function [1, ...] -> [1, O].
        graph: Its graph.
        coarsest: The float type with the largest rounding on the paths from weights and float inputs to the outputs.
        where: The layer that computes in this type.
        of_weights: The same type for the paths from weights alone.
        looks_up: Whether an index into a table depends on the inputs.
    """

    outputs: Callable[[tf.Tensor], tf.Tensor]
    graph: Any
    coarsest: tf.DType
    where: str
    of_weights: tf.DType
    looks_up: bool


def trace_of(net: Network, x: tf.Tensor) -> Trace:
    """Return the trace of the model at a single input like those of x: [N, ...].

    Raises:
        NtkbenchError: If the model cannot be traced, with TensorFlow's reason.
    """
    return net.cached(("trace", tuple(x.shape[1:]), x.dtype), lambda: _trace(net, x))


def rounding_of(net: Network, x: tf.Tensor) -> float:
    """Return the machine epsilon of the coarsest type that the model computes in at inputs like x: [N, ...]."""
    return EPS[net.dtype if computes_in(net.model, net.dtype.name) else trace_of(net, x).coarsest]


def noise_of(net: Network, x: tf.Tensor) -> float:
    """Return `rounding_of` without the rounding of inputs, which is the same at all weights."""
    return EPS[net.dtype if computes_in(net.model, net.dtype.name) else trace_of(net, x).of_weights]


def require_precision(net: Network, x: tf.Tensor, precision: str) -> None:
    """Raise NtkbenchError naming the layer if the model computes in a coarser type than `precision`."""
    if computes_in(net.model, precision):
        return
    found = trace_of(net, x)
    if EPS[found.coarsest] > EPS[tf.dtypes.as_dtype(precision)]:
        raise NtkbenchError(
            f"The model does not compute in {precision}: {found.where} computes in {found.coarsest.name}. Use the "
            "inputs' dtype or self.compute_dtype there, or choose a precision that all layers support."
        )


def computes_in(model: Any, precision: str) -> bool:
    """Return whether a model is known to compute in a precision, judged from its layers without its graph."""
    if not hasattr(model, "_flatten_layers"):
        return False
    layers = [each for each in model._flatten_layers() if not isinstance(each, keras.layers.InputLayer)]
    return (
        not rounds_inputs(model, precision)
        and made_of(layers, PLAIN)
        and all({each.compute_dtype, each.variable_dtype, *_types(each)} == {precision} for each in layers)
    )


def rounds_inputs(model: Any, precision: str) -> bool:
    """Return whether a Keras model casts its inputs to a coarser type than `precision`."""
    given = (each.dtype for each in model._flatten_layers() if isinstance(each, keras.layers.InputLayer))
    return any(EPS.get(tf.dtypes.as_dtype(each), 0.0) > EPS[tf.dtypes.as_dtype(precision)] for each in given)


def _types(layer: Any) -> Iterator[str]:
    return (v.dtype for v in layer.variables if "float" in v.dtype)


def _trace(net: Network, x: tf.Tensor) -> Trace:
    spec = tf.TensorSpec([1, *x.shape[1:]], x.dtype)
    try:
        with full_precision(), quiet_tensorflow(), named_layers(net):
            traced = tf.function(net.outputs, autograph=False).get_concrete_function(spec)
    except NtkbenchError:
        raise
    except Exception as error:  # a user's layer may raise anything
        if net.layout is None:
            given = f"inputs of shape {['N', *x.shape[1:]]} and dtype {x.dtype.name}"
        else:
            given = f"{len(net.layout.parts)} separate inputs of shapes {net.layout.described('N')}"
        raise NtkbenchError(
            f"The model cannot be called on {given}: {reason_of(error)}. {_advice(net.model)}"
        ) from error
    graph = traced.graph
    weights = {inner.name for _, inner in graph.captures if inner.dtype == tf.resource}
    coarsest, name = _coarsest(graph, weights | {graph.inputs[0].name}, net.dtype)
    of_weights, _ = _coarsest(graph, weights, net.dtype)
    looks_up = _index_from(graph, {graph.inputs[0].name})

    def outputs(one: tf.Tensor) -> tf.Tensor:
        with full_precision(), quiet_tensorflow():
            return traced(one)

    return Trace(outputs, graph, coarsest, layer_of(name, net), of_weights, looks_up)


def _advice(model: Any) -> str:
    """Return the advice for a model that cannot be called on a single input."""
    sizes = {each.shape[0] for each in getattr(model, "inputs", None) or ()} - {None}
    if sizes:
        return (
            f"It is built for batches of {sizes.pop()}, but derivatives are taken one input at a time. Build it "
            "without a batch size and without shapes that contain one."
        )
    return "It must accept any batch size, including 1; test it by calling the model on x[:1]."


@contextlib.contextmanager
def named_layers(net: Network) -> Iterator[None]:
    """Put the number of each layer into the names of the operations traced in this block, for `layer_of`."""
    with exact_operations():  # first, because it replaces the calls of some layers
        scoped = [(each, _in_scope(each.call, f"{SCOPE}{i}")) for i, each in enumerate(_layers(net))]
        with replaced_calls(scoped):
            yield


def _layers(net: Network) -> list[Any]:
    layers = list(getattr(net.model, "_flatten_layers", list)())
    return list({id(each): each for each in layers}.values())


def _in_scope(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    def scoped(*args: Any, **kwargs: Any) -> Any:
        with tf.name_scope(name):
            return call(*args, **kwargs)

    return scoped


def layer_of(name: str, net: Network) -> str:
    """Describe the innermost layer of an operation that was traced in `named_layers`, given the operation's name."""
    numbers = re.findall(re.escape(SCOPE) + r"(\d+)", name)
    layer = _layers(net)[int(numbers[-1])] if numbers else net.model
    kind = type(layer).__name__
    return f"layer {layer.name!r} ({kind})" if numbers and layer is not net.model else f"the model itself ({kind})"


def _coarsest(graph: Any, given: set[str], otherwise: tf.DType) -> tuple[tf.DType, str]:
    """Return the type with the largest rounding on the paths from the tensors `given`, and one operation with it."""
    uses: list[tuple[tf.DType, str]] = []
    _float_path(graph, given, uses, "")
    return max(uses, key=lambda use: EPS[use[0]], default=(otherwise, ""))


def _float_path(graph: Any, given: set[str], uses: list[tuple[tf.DType, str]], inside: str) -> None:
    """Record (type, name) of the operations between the tensors `given` and the graph's outputs, along float tensors.

    Masks and positions computed in another type are left out, because no rounded values pass through them.

    Args:
        graph: The graph.
        given: Names of the tensors to start from.
        uses: The list to append to.
        inside: Name of the operation that calls the graph.
    """
    operations = graph.get_operations()
    wanted = {each.name for each in graph.outputs if carries(each.dtype)}
    for op in reversed(operations):
        if any(each.name in wanted for each in op.outputs):
            wanted |= {each.name for each in op.inputs if carries(each.dtype)}
    reached = set(given)
    for op in operations:
        on = [each.name in reached and carries(each.dtype) for each in op.inputs]
        if not any(on) or not any(each.name in wanted for each in op.outputs):
            continue
        name = f"{inside}/{op.name}"
        for inner in called(op):
            mine = [True] * len(inner.inputs) if "While" in op.type else on[len(on) - len(inner.inputs) :]
            starts = {each.name for each, yes in zip(inner.inputs, mine, strict=False) if yes and carries(each.dtype)}
            _float_path(inner, starts, uses, name)
        reached |= {each.name for each in op.outputs if carries(each.dtype)}
        if op.type not in ("Identity", "ReadVariableOp"):  # these do not round
            uses += [(kind, name) for each in op.outputs if (kind := _real(each.dtype)) in EPS]


def _index_from(graph: Any, reached: set[str]) -> bool:
    """Return whether the index of a lookup depends on the tensors `reached`."""
    for op in graph.get_operations():
        on = [each.name in reached for each in op.inputs]
        if op.type in LOOKUPS and on[LOOKUPS[op.type]]:
            return True
        if any(on):
            for inner in called(op):
                if _index_from(inner, {each.name for each in inner.inputs}):
                    return True
            reached |= {each.name for each in op.outputs}
    return False


def called(op: Any) -> list[Any]:
    """Return the graphs of the functions that an operation calls."""
    names = [each.name for value in op.node_def.attr.values() for each in [value.func, *value.list.func] if each.name]
    found = []
    for name in names:
        with contextlib.suppress(KeyError, AttributeError):
            found.append(op.graph._get_function(name).graph)
    return found


def carries(dtype: tf.DType) -> bool:
    """Return whether tensors of a type carry values with derivatives (tf.variant: lists of tensors, in loops)."""
    return dtype.is_floating or dtype.is_complex or dtype in (tf.variant, tf.resource)


def _real(dtype: tf.DType) -> tf.DType:
    return {tf.complex64: tf.float32, tf.complex128: tf.float64}.get(dtype, dtype)

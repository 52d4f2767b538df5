"""Partial evaluation: compute the part that does not depend on the variable once, and the rest on every call.

TensorFlow has no partial evaluation, and XLA does not hoist constants out of a loop. A traced graph can however be cut
where its operations begin to depend on the variable, and both parts can be imported into functions of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from .compiled import Compiled, Program
from .saved import Saved
from .shared_constants import shared_constants

# Operations that are repeated after the cut, because they cost nothing.
NOT_INLINED = {"_noinline": True}
REPEATED = frozenset({"Const", "ReadVariableOp", "Shape"})


class Hoisted:
    """A function (c, v) -> (value that depends on v, others that do not), traced once and cut at v.

    The weights that the function reads must not change between `once` and `each`.

    Args:
        function: The function.
        c: Spec of the constant tensor.
        v: Spec of the variable tensor, whose sizes may be unknown.
        saved: Where both parts are saved; None for nowhere. Parts that an earlier process saved are used instead of a
            new trace. They cannot be called inside another function.

    Attributes:
        cut: The traced function and its parts; None if the parts were saved.
        about: Plain values that are saved with the parts.
    """

    def __init__(self, function: Callable[..., Any], c: tf.TensorSpec, v: tf.TensorSpec, saved: Saved | None = None):
        self.cut: Cut | None = None
        self.about: Any = None
        self._saved = saved
        self._once: Callable[..., Any]
        self._each: Callable[..., Any]
        if saved and (known := saved.read()):
            (once, each), self.about = known
            before, after = (Program.restored(part, saved.variables) for part in (once, each))
            self._once, self._each = lambda c: before([c]), lambda carried, v: after([*carried, v])
            self._saved = None
            return
        with shared_constants():
            self.cut = Cut(tf.function(function, autograph=False).get_concrete_function(c, v))
        # Not inlined, so that the graph is optimised once if another function calls `each` several times.
        self._once = Compiled(self.cut.once, experimental_attributes=NOT_INLINED)
        self._each = Compiled(self.cut.each, experimental_attributes=NOT_INLINED)

    def use_xla(self) -> None:
        """Compile `each` with XLA, unless it was saved. It will not be saved."""
        if self.cut is not None:
            self._each = Compiled(self.cut.each, jit_compile=True)
            self._saved = None

    def once(self, c: tf.Tensor) -> tuple[list[tf.Tensor], Any]:
        """Return the values carried over the cut, and the others in the structure that the function returned."""
        return self._once(c)

    def each(self, carried: list[tf.Tensor], v: tf.Tensor) -> tf.Tensor:
        """Return the value that depends on v."""
        value = self._each(carried, v)
        if self._saved is not None:
            # Together, because another trace may carry its values in another order.
            runs = [run for part in (self._once, self._each) if isinstance(part, Compiled) for run in part.runs]
            if len(runs) == 2:
                self._saved.write(runs, self.about)
                self._saved = None
        return value


class Cut:
    """The graph of a function (c, v) -> (value, others), cut where its operations begin to depend on v.

    Attributes:
        kept: Graph tensors that `once` returns, without duplicates.
        work: Operations of `each`.
    """

    def __init__(self, traced: Any):
        graph = traced.graph
        constant, variable = graph.inputs[:2]
        value, *others = graph.outputs
        dependent = dependents(graph, variable)
        if any(other.ref() in dependent for other in others):
            raise ValueError("one of the other values depends on v")
        cut = _cut(value, dependent)
        captures = [(inner, outer) for outer, inner in graph.captures]
        self.kept = list({tensor.ref(): tensor for tensor in [*cut, *others]}.values())
        self.work = _between([*cut, variable], [inner for inner, _ in captures], [value])
        self._carried, self._others = len(cut), traced.structured_outputs[1]
        self._before = _imported(graph, [constant], captures, [*cut, *others])
        self._after = _imported(graph, [*cut, variable], captures, [value])
        self._traced = traced  # keeps the graph alive

    def once(self, c: tf.Tensor) -> tuple[list[tf.Tensor], Any]:
        """Return the values carried over the cut, and the others. For use inside compiled functions."""
        found = self._before([c])
        return found[: self._carried], tf.nest.pack_sequence_as(self._others, found[self._carried :])

    def each(self, carried: Sequence[tf.Tensor], v: tf.Tensor) -> tf.Tensor:
        """Return the value. For use inside compiled functions."""
        return self._after([*carried, v])[0]


def dependents(graph: Any, variable: tf.Tensor) -> set[Any]:
    """Return references to all tensors that depend on `variable`."""
    dependent = {variable.ref()}
    for operation in graph.get_operations():
        if any(tensor.ref() in dependent for tensor in operation.inputs):
            dependent.update(tensor.ref() for tensor in operation.outputs)
    return dependent


def _cut(value: tf.Tensor, dependent: set[Any]) -> list[tf.Tensor]:
    """Return the tensors independent of the variable that are inputs of dependent operations on the way to `value`."""
    if value.ref() not in dependent:
        return [value]
    cut: dict[Any, tf.Tensor] = {}
    seen, waiting = set(), [value.op]
    while waiting:
        operation = waiting.pop()
        if operation in seen:
            continue
        seen.add(operation)
        for tensor in operation.inputs:
            if tensor.ref() in dependent:
                waiting.append(tensor.op)
            elif tensor.op.type not in REPEATED and tensor.dtype != tf.resource:
                cut[tensor.ref()] = tensor
    return list(cut.values())


def _imported(
    graph: Any, given: Sequence[tf.Tensor], captures: Sequence[tuple[tf.Tensor, Any]], wanted: Sequence[tf.Tensor]
) -> Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]:
    """Return the function from values of `given` to `wanted`, for use while another function is traced."""
    operations = _between(given, [inner for inner, _ in captures], wanted)
    names = {operation.name for operation in operations}
    part = tf.compat.v1.GraphDef()
    part.CopyFrom(graph.as_graph_def())
    kept = [node for node in part.node if node.name in names]
    del part.node[:]
    for node in kept:
        # Control inputs between pure operations are dropped; they would pull in the other side of the cut.
        inputs = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(inputs)
        node.attr.pop("_class", None)  # asks for the device of an operation that may be on the other side
        part.node.append(node)
    known = {tensor.ref() for tensor in given}

    def compute(values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        here: Any = tf.compat.v1.get_default_graph()
        feeds = {tensor.name: value for tensor, value in zip(given, values, strict=True)}
        inside = [(inner, outer) for inner, outer in captures if inner.ref() not in known]
        feeds |= {inner.name: here.capture(outer) for inner, outer in inside if _used(inner, operations)}
        used = {name: value for name, value in feeds.items() if _mentioned(name, part)}
        names = [tensor.name for tensor in wanted if tensor.ref() not in known]
        found = iter(tf.graph_util.import_graph_def(part, used, names, name="") if names else [])
        return [feeds[tensor.name] if tensor.ref() in known else next(found) for tensor in wanted]

    return compute


def _between(given: Sequence[tf.Tensor], captured: Iterable[tf.Tensor], wanted: Sequence[tf.Tensor]) -> set[Any]:
    """Return the operations between the given or captured tensors and the wanted ones."""
    stop = {tensor.ref() for tensor in [*given, *captured]}
    found: set[Any] = set()
    waiting = [tensor.op for tensor in wanted if tensor.ref() not in stop]
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting.extend(tensor.op for tensor in operation.inputs if tensor.ref() not in stop)
    return found


def _used(tensor: tf.Tensor, operations: set[Any]) -> bool:
    return any(operation in operations for operation in tensor.consumers())


def _mentioned(name: str, part: Any) -> bool:
    short = name.removesuffix(":0")
    return any(given in (short, name) for node in part.node for given in node.input)

"""Partial evaluation: compute the part that does not depend on the variable once, and the rest on every call.

TensorFlow has no partial evaluation, and XLA does not hoist constants out of a loop. A traced graph can however be cut
where its operations begin to depend on the variable, and both parts are functions of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import tensorflow as tf

from .compiled import Compiled, Program
from .ordered_sums import ordered_sums
from .part import Whole
from .saved import Saved, Traced
from .shared_constants import shared_constants

NOT_INLINED = {"_noinline": True}
# Operations that are repeated after the cut, because they cost nothing.
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
        xla: Whether XLA compiles `each`. Parts that were saved are not compiled, and compiled ones are not saved.
    """

    def __init__(self, function: Callable[..., Any], c: tf.TensorSpec, v: tf.TensorSpec, saved: Saved | None = None):
        self.cut: Cut | None = None
        self.about: Any = None
        self.xla = False
        self._saved = saved
        self._known: list[Program] = []
        if saved and (known := saved.read()):
            parts, self.about = known
            self._known = [Program.restored(part, saved.variables) for part in parts]
            return
        with shared_constants(), ordered_sums():
            self.cut = Cut(tf.function(function, autograph=False).get_concrete_function(c, v))

    def once(self, c: tf.Tensor) -> tuple[list[tf.Tensor], Any]:
        """Return the values carried over the cut, and the others in the structure that the function returned."""
        return self._programs[0]([c]) if self._is_direct() else self._functions[0](c)

    def each(self, carried: list[tf.Tensor], v: tf.Tensor) -> tf.Tensor:
        """Return the value that depends on v."""
        return self._programs[1]([*carried, v]) if self._is_direct() else self._functions[1](carried, v)

    def _is_direct(self) -> bool:
        """Return whether to call the parts directly: on CPUs; elsewhere TensorFlow decides where they run."""
        return tf.executing_eagerly() and not tf.config.get_visible_devices("GPU")

    @cached_property
    def _programs(self) -> Sequence[Program]:
        """Both parts, for direct calls."""
        if self.cut is None:
            return self._known
        once, each = self.cut.parts()
        if self._saved is not None and not self.xla:
            self._saved.write([once, each], self.about)
        return Program.defined(once), Program.defined(each, self.xla)

    @cached_property
    def _functions(self) -> Sequence[Compiled]:
        """Both parts, for use while another function is traced, and on other devices than CPUs.

        They are not inlined, so that the graph is optimised once if the other function calls `each` several times.
        """
        if self.cut is None:
            raise ValueError("parts that were saved cannot be called inside another function")
        options: dict[str, Any] = {"jit_compile": True} if self.xla else {"experimental_attributes": NOT_INLINED}
        once = Compiled(self.cut.once, experimental_attributes=NOT_INLINED)
        return once, Compiled(self.cut.each, **options)


class Cut:
    """The graph of a function (c, v) -> (value, others), cut where its operations begin to depend on v.

    Attributes:
        kept: Graph tensors that `once` returns, without duplicates.
        work: Operations of `each`.
    """

    def __init__(self, traced: Any):
        self._traced = traced
        graph = traced.graph
        self._constant, self._variable = graph.inputs[:2]
        self._value, *others = graph.outputs
        dependent = dependents(graph, self._variable)
        if any(other.ref() in dependent for other in others):
            raise ValueError("one of the other values depends on v")
        self._carried = _cut(self._value, dependent)
        self._others = tf.nest.pack_sequence_as(traced.structured_outputs[1], others)
        self._captured = [inner for _, inner in graph.captures]
        self.kept = list({tensor.ref(): tensor for tensor in [*self._carried, *others]}.values())
        self.work = _between([*self._carried, self._variable], self._captured, [self._value])

    def parts(self) -> tuple[Traced, Traced]:
        """Return both parts as functions: of c, and of the values carried over the cut, one by one, and v."""
        whole = Whole(self._traced)
        before = _between([self._constant], self._captured, self.kept)
        once = whole.part(before, [self._constant], (self._carried, self._others))
        return once, whole.part(self.work, [*self._carried, self._variable], self._value)

    def once(self, c: tf.Tensor) -> tuple[list[tf.Tensor], Any]:
        """Return the values carried over the cut, and the others. For use inside compiled functions."""
        wanted = [*self._carried, *tf.nest.flatten(self._others)]
        found = _imported(self._traced.graph, [self._constant], wanted)([c])
        count = len(self._carried)
        return found[:count], tf.nest.pack_sequence_as(self._others, found[count:])

    def each(self, carried: Sequence[tf.Tensor], v: tf.Tensor) -> tf.Tensor:
        """Return the value. For use inside compiled functions."""
        compute = _imported(self._traced.graph, [*self._carried, self._variable], [self._value])
        return compute([*carried, v])[0]


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
    graph: Any, given: Sequence[tf.Tensor], wanted: Sequence[tf.Tensor]
) -> Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]:
    """Return the function from values of `given` to `wanted`, for use while another function is traced."""
    captures = [(inner, outer) for outer, inner in graph.captures]
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

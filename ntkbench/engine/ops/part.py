"""Parts of a traced function, made from its definition without tracing anything again.

A definition lists operations by name, with their inputs as text, so some of them are a function of their own once the
values that they take from the others are its arguments.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import function_pb2

from .saved import Traced

_numbers = itertools.count()


class Whole:
    """A traced function of which parts are made.

    Args:
        run: The concrete function.
    """

    def __init__(self, run: Any):
        self.run = run
        self._definition = run.function_def
        arguments = [each.name for each in self._definition.signature.input_arg]
        self._names = {t.ref(): name for t, name in zip(run.graph.inputs, arguments, strict=True)}
        for node in self._definition.node_def:
            taken = [name for name in node.input if not name.startswith("^")]
            inputs = run.graph.get_operation_by_name(node.name).inputs
            self._names.update((t.ref(), name) for t, name in zip(inputs, taken, strict=True))
        returned = [self._definition.ret[each.name] for each in self._definition.signature.output_arg]
        self._names.update((t.ref(), name) for t, name in zip(run.graph.outputs, returned, strict=True))

    def first(self, count: int) -> Traced:
        """Return the function of the first `count` arguments that returns the first output, with the same effects.

        The output must not depend on the other arguments.
        """
        graph = self.run.graph
        waiting = [graph.outputs[0].op, *graph.control_outputs]
        behind: set[Any] = set()
        while waiting:
            operation = waiting.pop()
            if operation not in behind and operation.type != "Placeholder":
                behind.add(operation)
                waiting += [*(tensor.op for tensor in operation.inputs), *operation.control_inputs]
        return self.part(behind, graph.inputs[:count], graph.outputs[0], graph.control_outputs)

    def part(
        self, operations: Collection[Any], given: Sequence[tf.Tensor], structure: Any, effects: Sequence[Any] = ()
    ) -> Traced:
        """Return some of the operations as a function from values of `given` to those of `structure`.

        Without effects, control inputs are dropped, since they may come from other operations.

        Args:
            operations: Operations of the graph.
            given: Distinct tensors of the graph that are arguments of the part.
            structure: Structure of the tensors of the graph that the part returns.
            effects: Operations that run though nothing is computed from them, and after which others run.
        """
        kept = {operation.name for operation in operations}
        captures = [(outer, inner) for outer, inner in self.run.graph.captures if _used(inner, kept)]
        function = function_pb2.FunctionDef()
        function.signature.name = f"ntkbench_part_{next(_numbers)}"
        function.signature.is_stateful = self._definition.signature.is_stateful
        renamed = {}
        for i, tensor in enumerate([*given, *(inner for _, inner in captures)]):
            argument = function.signature.input_arg.add(name=f"ntkbench_given_{i}", type=tensor.dtype.as_datatype_enum)
            renamed[self._names[tensor.ref()]] = argument.name
        for node in self._definition.node_def:
            if node.name in kept:
                mine = function.node_def.add()
                mine.CopyFrom(node)
                mine.attr.pop("_class", None)  # asks for the device of an operation that may be elsewhere
                taken = [name for name in node.input if not name.startswith("^")]
                after = [name for name in node.input if name.startswith("^") and effects and name[1:] in kept]
                mine.input[:] = [*(renamed.get(name, name) for name in taken), *after]
        for operation in effects:
            function.signature.control_output.append(operation.name)
            function.control_ret[operation.name] = operation.name
        for i, tensor in enumerate(tf.nest.flatten(structure)):
            function.signature.output_arg.add(name=f"found_{i}", type=tensor.dtype.as_datatype_enum)
            name = self._names[tensor.ref()]
            function.ret[f"found_{i}"] = renamed.get(name, name)
        return Traced(function, [outer for outer, _ in captures], structure, bool(self.run.inference_fn.children))


def _used(tensor: tf.Tensor, kept: Iterable[str]) -> bool:
    return any(operation.name in kept for operation in tensor.consumers())

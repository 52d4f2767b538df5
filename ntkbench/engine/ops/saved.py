"""Traced functions that are saved on disk, so that a later process calls them without tracing them again.

An entry holds the definition of one function, which variables of its model it reads, and the structure of its outputs.
Its name is a hash of everything that the function follows from; what is not part of the name must not change it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from attrs import evolve, field, frozen
from tensorflow.core.framework import function_pb2

from ...cache_folder import CacheFolder
from ...types import digest


@frozen
class Definition:
    """A traced function without its graph in Python.

    Attributes:
        function: Its definition, with all of its operations.
        captured: Index of each captured variable among those of the model.
        structure: The structure of its outputs, see `described`.
    """

    function: function_pb2.FunctionDef
    captured: Sequence[int]
    structure: Any


@frozen
class Traced:
    """A traced function as it is saved.

    Attributes:
        function: Its definition.
        captured: The tensors and variable handles that it captured.
        structure: The structure of its outputs, with any tensors as leaves.
        nested: Whether it calls other functions, which are not part of its definition.
    """

    function: function_pb2.FunctionDef
    captured: Sequence[Any]
    structure: Any
    nested: bool

    @classmethod
    def of(cls, run: Any) -> Traced:
        """Return what there is to know about a concrete function."""
        return cls(run.function_def, run.captured_inputs, run.structured_outputs, bool(run.inference_fn.children))


@frozen(eq=False)
class Saved:
    """Where functions of a model are saved that were traced together.

    Attributes:
        folder: The folder.
        name: Hash of everything that they follow from.
        variables: Variables of the model, always in the same order.
    """

    folder: CacheFolder = field(repr=False)
    name: str
    variables: Sequence[tf.Variable] = field(factory=tuple, repr=False)

    def of(self, *parts: Any) -> Saved:
        """Return the place of functions that follow from other values too, whose `repr` must tell them apart."""
        return evolve(self, name=digest([self.name, repr(parts)], 32))

    def read(self) -> tuple[list[Definition], Any] | None:
        """Return the functions and the plain values that were saved with them; None if there are none."""
        content = self.folder.read(self.name)
        if content is None:
            return None
        head, _, rest = content.partition(b"\n")
        parts, about = json.loads(head)
        found = []
        for captured, structure, length in parts:
            function = function_pb2.FunctionDef.FromString(rest[:length])
            found.append(Definition(function, captured, structure))
            rest = rest[length:]
        return found, about

    def write(self, functions: Sequence[Traced], about: Any = None) -> None:
        """Save functions, if they consist of their own operations and the model's variables alone.

        Args:
            functions: The functions.
            about: Plain values that belong to them.
        """
        places = {id(variable.handle): i for i, variable in enumerate(self.variables)}
        parts, content = [], b""
        for i, each in enumerate(functions):
            captured = [places.get(id(tensor)) for tensor in each.captured]
            structure = described(each.structure)
            if each.nested or None in captured or structure is UNKNOWN:
                return
            function = function_pb2.FunctionDef()
            function.CopyFrom(each.function)
            function.signature.name = f"ntkbench_{self.name}_{i}"
            body = function.SerializeToString()
            parts.append([captured, structure, len(body)])
            content += body
        self.folder.write(self.name, json.dumps([parts, about]).encode() + b"\n" + content)


UNKNOWN = object()


def described(structure: Any) -> Any:
    """Return the structure of a function's outputs as plain values: 1 for a tensor; UNKNOWN if it is of another kind.

    A list or tuple is ["list", ...] or ["tuple", ...].
    """
    if structure is None:
        return None
    if isinstance(structure, tf.Tensor):
        return 1
    if type(structure) not in (list, tuple):
        return UNKNOWN
    parts = [described(each) for each in structure]
    return UNKNOWN if any(part is UNKNOWN for part in parts) else [type(structure).__name__, *parts]


def rebuilt(description: Any) -> Any:
    """Return a structure with this description, with 1 in place of tensors."""
    if not isinstance(description, list):
        return description
    kind, *parts = description
    return (list if kind == "list" else tuple)(map(rebuilt, parts))

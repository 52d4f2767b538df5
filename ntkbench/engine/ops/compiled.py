"""Compiled functions that are called directly, without the cost of `tf.function`'s argument handling.

On every call, `tf.function` binds, hashes and type-checks its arguments, which takes longer than a small kernel. Here
the concrete function is looked up by the shapes and types of the tensors, and run as one operation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import frozen
from tensorflow.python.eager import context, record

from .precision import full_precision
from .shared_constants import shared_constants
from .vectorised import quiet_tensorflow


@frozen
class Program:
    """A concrete function with what a direct call needs.

    Attributes:
        run: The concrete function.
        captured: Tensors and variable handles that it captured.
        types: Types of its outputs.
        settings: TensorFlow's graph options when it was traced, as for any call of a `tf.function`.
        packed: Puts the list of its outputs into the structure that the function returns.
    """

    run: Any
    captured: tuple[Any, ...]
    types: tuple[tf.DType, ...]
    settings: bytes
    packed: Callable[[list[tf.Tensor]], Any]

    @classmethod
    def of(cls, run: Any) -> Program:
        """Return the program of a concrete function."""
        options = context.context().function_call_options
        types = tuple(each.dtype for each in run.outputs)
        return cls(run, tuple(run.captured_inputs), types, options.config_proto_serialized, _packer(run))

    def __call__(self, tensors: list[tf.Tensor]) -> Any:
        """Return the value of the function at its flat tensor arguments."""
        arguments = [*tensors, *self.captured]
        return self.packed(
            tf.raw_ops.StatefulPartitionedCall(args=arguments, Tout=self.types, f=self.run, config_proto=self.settings)
        )


def _packer(run: Any) -> Callable[[list[tf.Tensor]], Any]:
    structure = run.structured_outputs
    leaves = tf.nest.flatten(structure)
    if not run.outputs:
        return lambda found: structure
    if not tf.nest.is_nested(structure):
        return operator.itemgetter(0)
    if isinstance(structure, list) and len(leaves) == len(structure) and all(leaf is not None for leaf in leaves):
        return list
    present = [leaf is not None for leaf in leaves]

    def packed(found: list[tf.Tensor]) -> Any:
        each = iter(found)
        return tf.nest.pack_sequence_as(structure, [next(each) if yes else None for yes in present])

    return packed


class Compiled:
    """A function compiled by `tf.function`, traced at full matmul precision once for each set of shapes and types.

    Arguments are tensors, arrays, nests of them, None, and Python values; the latter are constants of the trace. It may
    also be called while another function is traced.

    Args:
        function: The function.
        options: Options of `tf.function`.
    """

    def __init__(self, function: Callable[..., Any], **options: Any):
        self._traced = tf.function(function, autograph=False, **options)
        # Elsewhere TensorFlow's own call decides where to run, and it alone records itself for a gradient tape.
        self._direct = not options.get("jit_compile") and not tf.config.get_visible_devices("GPU")
        self._programs: dict[Any, Program] = {}

    def __call__(self, *args: Any) -> Any:
        """Return the function's value: a tensor, or a structure of tensors and None."""
        with full_precision():
            if not self._direct or not tf.executing_eagerly() or record.could_possibly_record():
                with quiet_tensorflow(), shared_constants():
                    return self._traced(*args)
            tensors: list[tf.Tensor] = []
            key = tuple(_key(args, tensors))
            program = self._programs.get(key)
            if program is None:
                with quiet_tensorflow(), shared_constants():
                    program = self._programs[key] = Program.of(self._traced.get_concrete_function(*args))
            return program(tensors)


def _key(value: Any, tensors: list[tf.Tensor]) -> Iterator[Any]:
    """Yield what distinguishes the traces of an argument: its structure, shapes, types and Python values.

    Args:
        value: The argument.
        tensors: The list to which its tensors are appended, in the order in which a concrete function takes them.
    """
    if isinstance(value, list | tuple):
        yield len(value)
        for each in value:
            yield from _key(each, tensors)
        return
    if isinstance(value, np.ndarray | np.generic):
        value = tf.convert_to_tensor(value)
    if isinstance(value, tf.Tensor):
        tensors.append(value)
        yield value.shape, value.dtype
    else:
        yield type(value), value

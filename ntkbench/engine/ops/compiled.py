"""Compiled functions that are called directly, without the cost of `tf.function`'s argument handling.

On every call, `tf.function` binds, hashes and type-checks its arguments, which takes longer than a small kernel. Here
the concrete function is looked up by the shapes and types of the tensors, and run as one operation. It may come from
an earlier process that saved it.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import frozen
from tensorflow.python.eager import context, record
from tensorflow.python.framework.constant_op import convert_to_eager_tensor

from .ordered_sums import ordered_sums
from .part import Whole
from .precision import full_precision
from .saved import Definition, Saved, Traced, rebuilt
from .shared_constants import shared_constants
from .vectorised import quiet_tensorflow

ARRAYS, SEQUENCES = (np.ndarray, np.generic), (list, tuple)


@frozen
class Program:
    """A concrete function with what a direct call needs.

    Attributes:
        run: The concrete function, or the name of a saved one that was restored.
        captured: Tensors and variable handles that it captured.
        types: Types of its outputs.
        settings: TensorFlow's graph options when it was traced, as for any call of a `tf.function`.
        packed: Puts the list of its outputs into the structure that the function returns.
        xla: Whether XLA compiles it, which the definition of the function asks for.
    """

    run: Any
    captured: tuple[Any, ...]
    types: tuple[tf.DType, ...]
    settings: bytes
    packed: Callable[[list[tf.Tensor]], Any]
    xla: bool = False

    @classmethod
    def of(cls, run: Any, xla: bool) -> Program:
        """Return the program of a concrete function."""
        settings = context.context().function_call_options.config_proto_serialized
        types = tuple(each.dtype for each in run.outputs)
        return cls(run, tuple(run.captured_inputs), types, settings, _packer(run.structured_outputs), xla)

    @classmethod
    def defined(cls, traced: Traced, xla: bool = False) -> Program:
        """Return the program of a function that exists as a definition only; with `xla`, XLA compiles it."""
        runtime, function = context.context(), traced.function
        if xla:
            function.attr["_XlaMustCompile"].b = True
        runtime.add_function_def(function)
        types = tuple(tf.dtypes.as_dtype(each.type) for each in function.signature.output_arg)
        settings = runtime.function_call_options.config_proto_serialized
        name = function.signature.name
        program = cls(name, tuple(traced.captured), types, settings, _packer(traced.structure), xla)
        weakref.finalize(program, runtime.remove_function, name)
        return program

    @classmethod
    def restored(cls, saved: Definition, variables: Sequence[tf.Variable]) -> Program:
        """Return the program of a saved function, for the variables of its model."""
        captured = [variables[place].handle for place in saved.captured]
        return cls.defined(Traced(saved.function, captured, rebuilt(saved.structure), nested=False))

    def __call__(self, tensors: list[tf.Tensor]) -> Any:
        """Return the value of the function at its flat tensor arguments."""
        arguments = [*tensors, *self.captured]
        if self.xla:
            name = self.run.encode() if isinstance(self.run, str) else self.run.name
            return self.packed(context.context().call_function(name, arguments, len(self.types)))
        return self.packed(
            tf.raw_ops.StatefulPartitionedCall(args=arguments, Tout=self.types, f=self.run, config_proto=self.settings)
        )


def _packer(structure: Any) -> Callable[[list[tf.Tensor]], Any]:
    """Return the function that puts a list of tensors into a structure of tensors (or other values) and None."""
    leaves = tf.nest.flatten(structure)
    if all(leaf is None for leaf in leaves):
        return lambda found: structure
    if not tf.nest.is_nested(structure):
        return operator.itemgetter(0)
    if type(structure) in SEQUENCES and not any(part is None or tf.nest.is_nested(part) for part in structure):
        return type(structure)
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
        saved: Where its traces are saved; None for nowhere.
        first_of: Another compiled function that returns this function's value first and takes more arguments, and these
            arguments. Its trace is used instead of a new one.
        options: Options of `tf.function`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        saved: Saved | None = None,
        first_of: tuple[Compiled, Sequence[Any]] | None = None,
        **options: Any,
    ):
        self._saved, self._first_of = saved, first_of
        self._traced = tf.function(function, autograph=False, **options)
        # Elsewhere TensorFlow's own call decides where to run, and it alone records itself for a gradient tape.
        self._direct = not tf.config.get_visible_devices("GPU")
        self._xla = bool(options.get("jit_compile"))
        self._programs: dict[Any, Program] = {}

    def __call__(self, *args: Any) -> Any:
        """Return the function's value: a tensor, or a structure of tensors and None."""
        if tf.config.experimental.tensor_float_32_execution_enabled():
            with full_precision():
                return self._value(args)
        return self._value(args)

    def _value(self, args: tuple[Any, ...]) -> Any:
        if not self._direct or not tf.executing_eagerly() or record.could_possibly_record():
            with quiet_tensorflow(), shared_constants(), ordered_sums():
                return self._traced(*args)
        tensors: list[tf.Tensor] = []
        key = _key(args, tensors)
        return self._known(args, key)(tensors)

    def _known(self, args: Sequence[Any], key: Any) -> Program:
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = self._program(args, key)
        return program

    @property
    def runs(self) -> list[Any]:
        """The concrete functions that were called directly."""
        return [program.run for program in self._programs.values()]

    def _program(self, args: Sequence[Any], key: Any) -> Program:
        """Return the program for arguments with this key: the saved one, or a new trace."""
        saved = self._saved and self._saved.of(key)
        known = saved.read() if saved else None
        if saved and known:
            (function,), _ = known
            return Program.restored(function, saved.variables)
        if self._first_of and (traced := _first(*self._first_of, args)):
            if saved:
                saved.write([traced])
            return Program.defined(traced)
        with quiet_tensorflow(), shared_constants(), ordered_sums():
            run = self._traced.get_concrete_function(*args)
        if saved:
            saved.write([Traced.of(run)])
        return Program.of(run, self._xla)


def _first(whole: Compiled, others: Sequence[Any], args: Sequence[Any]) -> Traced | None:
    """Return the function of `args` that returns the first output of `whole`.

    It is None if `whole` has no graph in Python, or cannot be traced, as a gradient of a model that has only first
    derivatives; whoever needs `whole` itself gets that error.
    """
    tensors: list[tf.Tensor] = []
    _key(args, tensors)
    given = (*args, *others)
    try:
        run = whole._known(given, _key(given, [])).run
    except Exception:
        return None
    return None if isinstance(run, str) else Whole(run).first(len(tensors))


def _key(value: Any, tensors: list[tf.Tensor]) -> Any:
    """Return what distinguishes the traces of an argument: its structure, shapes, types and Python values.

    Args:
        value: The argument, without symbolic tensors.
        tensors: The list to which its tensors are appended, in the order in which a concrete function takes them.
    """
    if isinstance(value, ARRAYS):
        value = convert_to_eager_tensor(value, context.context())
    if isinstance(value, tf.Tensor):
        tensors.append(value)
        return value._shape_tuple(), value.dtype  # as a tuple, because a TensorShape takes longer to make and to hash
    if isinstance(value, SEQUENCES):
        return tuple([_key(each, tensors) for each in value])
    return type(value), value

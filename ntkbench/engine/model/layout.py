"""Pack a nest of inputs into one tensor, which the engine slices and repeats, and unpack it for the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from attrs import frozen

from ...errors import NtkbenchError
from ..ops import reshape


@frozen
class Part:
    """One array of a nest.

    Attributes:
        name: Its place in the nest, such as "['mask']".
        shape: Shape of one sample.
        dtype: Integer or Boolean type in which the model takes it; None for the network's float type.
    """

    name: str
    shape: tuple[int, ...]
    dtype: tf.DType | None

    @property
    def size(self) -> int:
        """Number of entries of one sample."""
        return int(np.prod(self.shape, dtype=np.int64))

    def restored(self, columns: tf.Tensor) -> tf.Tensor:
        """Return the part from its columns of the packed tensor: [N, size] -> [N, ...]."""
        part = reshape(columns, [-1, *self.shape])
        return part if self.dtype is None else tf.cast(part, self.dtype)


@frozen
class Layout:
    """The structure of a nest of inputs, and the columns of each part in the packed tensor [N, D].

    Integers and Booleans are packed as floats that hold them exactly, so that unpacking restores every part.

    Attributes:
        structure: The nest, hashable: (type, keys, structures) for a container, or the index of a part, or None.
        parts: The parts in the order of their columns.
    """

    structure: Any
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, nest: Any, names: Iterable[str], tensors: Sequence[tf.Tensor]) -> Layout:
        """Return the layout of a nest of tensors.

        Args:
            nest: The nest; its parts are indices into `tensors`.
            names: Name of each part, such as "['mask']".
            tensors: The parts [N, ...], as the model takes them.
        """
        parts = [
            Part(name, tuple(each.shape[1:]), None if each.dtype.is_floating else each.dtype)
            for name, each in zip(names, tensors, strict=True)
        ]
        return cls(_frozen(nest), tuple(parts))

    @property
    def size(self) -> int:
        """D, the number of columns."""
        return sum(part.size for part in self.parts)

    def pack(self, tensors: Sequence[tf.Tensor], dtype: tf.DType, name: str = "x") -> tf.Tensor:
        """Return the parts [N, ...] as one tensor [N, D] of a float type.

        Raises:
            NtkbenchError: The float type cannot hold an integer exactly.
        """
        for part, tensor in zip(self.parts, tensors, strict=True):
            if tensor.dtype.is_integer:
                _require_exact(tensor, dtype, f"{name}{part.name}")
        pairs = zip(self.parts, tensors, strict=True)
        return tf.concat([tf.cast(tf.reshape(each, [-1, part.size]), dtype) for part, each in pairs], 1)

    def checked(self, tensors: Sequence[tf.Tensor], other: Layout, name: str) -> list[tf.Tensor]:
        """Return the parts of another nest in the order and types of this layout.

        Args:
            tensors: The parts.
            other: Their layout.
            name: Name of the nest in messages.

        Raises:
            NtkbenchError: The nests differ by more than N.
        """
        given = {part.name: (part, each) for part, each in zip(other.parts, tensors, strict=True)}
        if given.keys() != {part.name for part in self.parts}:
            raise NtkbenchError(f"{name} has {other}, but the other inputs have {self}.")
        found = []
        for part in self.parts:
            theirs, tensor = given[part.name]
            if theirs.shape != part.shape:
                raise NtkbenchError(
                    f"{name}{part.name} has shape {axes(theirs.shape)}, but {axes(part.shape)} in the other inputs; "
                    "only N may differ."
                )
            found.append(tensor if part.dtype == theirs.dtype else self._in_type(tensor, part, name))
        return found

    @staticmethod
    def _in_type(tensor: tf.Tensor, part: Part, name: str) -> tf.Tensor:
        return tensor if part.dtype is None else whole(tensor, part.dtype, f"{name}{part.name}")

    def described(self, n: int | str | None) -> str:
        """Return the shape of each part for N = n, for messages."""
        return ", ".join(f"{[n, *part.shape]} for {part.name}" for part in self.parts)

    def __str__(self) -> str:
        return counted([f"{part.name} {axes(part.shape)}" for part in self.parts], "part")

    def tensors(self, x: tf.Tensor) -> list[tf.Tensor]:
        """Return the parts [N, ...] from the packed tensor [N, D]."""
        columns = tf.split(x, [part.size for part in self.parts], 1) if len(self.parts) > 1 else [x]
        return [part.restored(each) for part, each in zip(self.parts, columns, strict=True)]

    def unpack(self, x: tf.Tensor) -> Any:
        """Return the nest that the model takes, from the packed tensor [N, D]."""
        return _thawed(self.structure, self.tensors(x))

    def varied(self, x: tf.Tensor, step: int) -> tf.Tensor:
        """Return other inputs [N, D]: floats moved, integers rolled along their last axis, Booleans kept."""
        parts = [each if each.dtype == tf.bool else varied(each, step) for each in self.tensors(x)]
        return self.pack(parts, x.dtype)


def varied(x: tf.Tensor, step: int) -> tf.Tensor:
    """Return other inputs of the same kind [N, ...]: floats moved, integers rolled along the last axis."""
    if x.dtype.is_floating:
        return x * (1 - step / 8) + step / 8
    return tf.roll(x, step, -1) if len(x.shape) > 1 else x


def axes(sizes: Sequence[int | None]) -> str:
    """Return the shape of inputs for messages, given that of one sample: "[N, 8, *]" for (8, None)."""
    return f"[{', '.join(['N', *('*' if size is None else str(size) for size in sizes)])}]"


def whole(x: tf.Tensor, dtype: tf.DType, name: str) -> tf.Tensor:
    """Cast x: [N, ...] to an integer or Boolean type. Raises NtkbenchError if the cast changes a number."""
    found = tf.cast(x, dtype)
    same = (tf.cast(found, x.dtype) == x).numpy().reshape(len(x), -1)
    if not same.all():
        n = int(np.argmin(same.all(1)))
        number = x.numpy().reshape(len(x), -1)[n, int(np.argmin(same[n]))]
        advice = "0 and 1 or Booleans" if dtype.is_bool else "indices of that type"
        raise NtkbenchError(f"Input {n} of {name} contains {number}; the model expects {dtype.name}. Pass {advice}.")
    return found


def counted(words: Sequence[str], noun: str) -> str:
    """Return words as "2 inputs: a and b"."""
    if len(words) == 1:
        return f"1 {noun}: {words[0]}"
    return f"{len(words)} {noun}s: {', '.join(words[:-1])} and {words[-1]}"


def _frozen(nest: Any) -> Any:
    if isinstance(nest, dict):
        return dict, tuple(nest), tuple(map(_frozen, nest.values()))
    return (type(nest), None, tuple(map(_frozen, nest))) if isinstance(nest, list | tuple) else nest


def _thawed(structure: Any, parts: Sequence[Any]) -> Any:
    if structure is None:
        return None
    if isinstance(structure, int):
        return parts[structure]
    kind, keys, inside = structure
    values = [_thawed(each, parts) for each in inside]
    if kind is dict:
        return dict(zip(keys, values, strict=True))
    return kind._make(values) if hasattr(kind, "_make") else kind(values)


def _require_exact(x: tf.Tensor, dtype: tf.DType, name: str) -> None:
    numbers, kind = x.numpy(), dtype.as_numpy_dtype
    large = numbers[np.abs(numbers.astype(np.float64)) > 2 ** np.finfo(kind).nmant]
    changed = [each for each in large if int(kind(each)) != int(each)]
    if changed:
        raise NtkbenchError(
            f"{name} contains {changed[0]}, which {dtype.name} cannot hold exactly. Use smaller integers, or build the "
            "model in float64."
        )

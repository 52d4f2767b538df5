"""Read a user's inputs: an array or a nest of arrays, in the structure, shapes and types that the model takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ...errors import NtkbenchError
from ...nests import common_samples, is_nest, items, rebuilt
from .in_units import InUnits
from .layout import Layout, axes, counted, whole


def read(model: Any, x: Any, dtype: tf.DType, name: str = "x") -> tf.Tensor | tuple[Layout, list[tf.Tensor]]:
    """Return a user's inputs as a tensor [N, ...], or the layout of a nest and its parts [N, ...].

    Args:
        model: The model.
        x: The inputs.
        dtype: The model's float type.
        name: Name of the argument in messages.

    Raises:
        NtkbenchError: The inputs do not have the structure and shapes that the model expects, or do not consist of
            finite real numbers.
    """
    expected = _declared(model)
    flat = [] if expected is None else keras.tree.flatten(expected)
    if len(flat) == 1 and not (isinstance(expected, dict) and isinstance(x, Mapping)):
        return _fitted(_tensor(_single(x, flat[0]), name), flat[0], dtype, name)
    if expected is None and not _takes_nest(model, x):
        return _fitted(_tensor(x, name), None, dtype, name)
    found = _Parts(expected)
    nest = found.arranged(x, expected, "", name)
    names = [name + part for part in found.names]
    tensors = list(map(_tensor, found.arrays, names))
    common_samples(dict(zip(names, tensors, strict=True)), name)
    triples = zip(tensors, found.declared, names, strict=True)
    fitted = [_fitted(tensor, declared, dtype, part, part=True) for tensor, declared, part in triples]
    return Layout.of(nest, found.names, fitted), fitted


def _declared(model: Any) -> Any:
    """Return the nest of Keras inputs (with name, shape and dtype) of a functional model, None for other models."""
    if not isinstance(model, keras.Model):
        return None
    model = model.model if isinstance(model, InUnits) else model
    model = getattr(model, "_functional", None) or model  # of a Sequential model
    return getattr(model, "_inputs_struct", None)


def _single(x: Any, declared: Any) -> Any:
    """Return the array for a model with one input, which Keras also takes as [x] and as {name: x}."""
    if isinstance(x, Mapping) and list(x) == [declared.name]:
        return x[declared.name]
    alone = isinstance(x, list | tuple) and len(x) == 1 and len(getattr(x[0], "shape", ())) == len(declared.shape)
    return x[0] if alone else x


def _takes_nest(model: Any, x: Any) -> bool:
    """Return whether x, given to a model that declares no inputs, is a nest and not the data of a single array.

    A list or tuple of arrays may be either. How the model was built decides, then whether the arrays can be stacked.
    Otherwise a tuple is a nest, as in Keras, and a list is one if the model cannot be called on the stacked array.
    """
    if not is_nest(x) or isinstance(x, Mapping):
        return is_nest(x)
    built = next(iter((getattr(model, "_build_shapes_dict", None) or {}).values()), None)
    if built is not None:
        return isinstance(built, dict) or any(isinstance(each, list | tuple | dict) for each in built)
    try:
        stacked = np.asarray(x)
    except ValueError:
        return True
    return stacked.dtype.kind not in "fiub" or isinstance(x, tuple) or not _callable_on(model, stacked)


def _callable_on(model: Any, x: np.ndarray) -> bool:
    """Return whether the model can be called on an array x: [N, ...] and on its first sample, with N and 1 outputs."""
    try:
        return all(len(model(tf.convert_to_tensor(each))) == len(each) for each in (x, x[:1]))
    except Exception:  # a user's model may raise anything
        return False


class _Parts:
    """The parts of a nest, put in the structure that the model takes.

    Args:
        expected: The nest of Keras inputs that the model declares, or None.

    Attributes:
        names: Name of each part in messages, after the name of the argument, such as "['mask']".
        arrays: The parts, as the user gave them.
        declared: The Keras input of each part, or None.
    """

    def __init__(self, expected: Any):
        self.expected = expected
        self.names: list[str] = []
        self.arrays: list[Any] = []
        self.declared: list[Any] = []

    def arranged(self, x: Any, expected: Any, place: str, name: str) -> Any:
        """Collect the parts of x; return them as indices, in the structure `expected`, or in that of x if it is None.

        Args:
            x: The nest, or a part of it.
            expected: Keras input or nest of Keras inputs, or None if the model declares none.
            place: Place of x in the whole nest, such as "['graph']".
            name: Name of the argument.
        """
        if expected is None and is_nest(x):
            return rebuilt(x, [self.arranged(each, None, f"{place}[{key!r}]", name) for key, each in items(x)])
        if isinstance(expected, dict | list | tuple):
            keys, given = self._keys(x, expected, name + place)
            inside = expected.values() if isinstance(expected, dict) else expected
            triples = zip(keys, given, inside, strict=True)
            return rebuilt(expected, [self.arranged(each, e, f"{place}[{key!r}]", name) for key, each, e in triples])
        if x is None:
            if expected is not None and not getattr(expected._keras_history.operation, "optional", False):
                raise NtkbenchError(f"{name}{place} is None, but {self}.")
            return None
        self.names.append(place)
        self.arrays.append(x)
        self.declared.append(expected)
        return len(self.arrays) - 1

    def _keys(self, x: Any, expected: Any, name: str) -> tuple[list[Any], list[Any]]:
        """Return the user's keys and parts in the order of the expected dict, list or tuple."""
        if isinstance(expected, dict):
            keys = list(expected)
            if isinstance(x, list | tuple) and is_nest(x) and len(x) == len(keys) and keys == sorted(keys):
                return list(range(len(keys))), list(x)  # the order in which Keras flattens a dict
        else:
            keys = [getattr(each, "name", None) for each in expected]
            if isinstance(x, list | tuple) and is_nest(x) and len(x) == len(keys):
                return list(range(len(keys))), list(x)
        if not isinstance(x, Mapping):
            kind = f"a {type(x).__name__} of {len(x)} parts" if is_nest(x) else "a single array"
            raise NtkbenchError(f"{name} is {kind}, but {self}.")
        if missing := [key for key in keys if key not in x]:
            raise NtkbenchError(f"{name} has no part {missing[0]!r}; {self}.")
        if extra := [key for key in x if key not in keys]:
            raise NtkbenchError(f"{name} has the part {extra[0]!r}, which the model does not take; {self}.")
        return keys, [x[key] for key in keys]

    def __str__(self) -> str:
        flat = keras.tree.flatten_with_path(self.expected)
        by_name = isinstance(self.expected, dict)
        words = [
            f"{path[-1] if by_name else each.name!r} {axes(each.shape[1:])} of {each.dtype}" for path, each in flat
        ]
        return f"the model takes {counted(words, 'input')}"


def _tensor(x: Any, name: str) -> tf.Tensor:
    """Return an array of numbers as a tensor."""
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise NtkbenchError(
            f"{name} is an array with masked entries; fill them, for example with x.filled(0), or remove them."
        )
    if isinstance(x, np.ndarray) and x.dtype.hasobject:
        raise NtkbenchError(
            f"{name} is an array of Python objects; expected numbers, [N, ...]. If the objects are numbers, use "
            f"{name}.astype('float32')."
        )
    try:
        found = tf.constant(x) if isinstance(x, np.ndarray) else tf.convert_to_tensor(x)
        if isinstance(x, list | tuple) and found.dtype == tf.float32 and not tf.is_symbolic_tensor(found):
            found = tf.constant(np.asarray(x))  # TensorFlow rounds Python's numbers to float32
    except (TypeError, ValueError) as error:
        sparse = isinstance(x, tf.RaggedTensor | tf.SparseTensor)
        advice = " Pass dense values, and a mask as a part of its own if entries are missing." if sparse else ""
        raise NtkbenchError(
            f"{name} is a {type(x).__name__}, not an array of numbers; expected shape [N, ...].{advice}"
        ) from error
    x = found
    if x.dtype.is_complex:
        raise NtkbenchError(
            f"{name} is complex ({x.dtype.name}), but inputs must be real. Pass real and imaginary parts as "
            "separate features."
        )
    if not (x.dtype.is_floating or x.dtype.is_integer or x.dtype.is_bool):
        raise NtkbenchError(f"{name} contains {x.dtype.name}s; expected numbers, [N, ...]. Encode them first.")
    return x


def _fitted(x: tf.Tensor, declared: Any, dtype: tf.DType, name: str, *, part: bool = False) -> tf.Tensor:
    """Return x: [N, ...] in the type that the model takes; raise NtkbenchError if its shape or numbers do not fit.

    Args:
        x: The array.
        declared: The Keras input, with shape and dtype, or None.
        dtype: The model's float type.
        name: Name of the array in messages.
        part: Whether it is a part of a nest.
    """
    _require_shape(tuple(x.shape), declared, f"{name} has" if part else "The inputs have")
    wanted = dtype if declared is None else tf.dtypes.as_dtype(declared.dtype)
    if x.dtype.is_floating:
        _require_finite(x, name, "")
    if declared is None and not x.dtype.is_floating:
        return x
    if wanted.is_floating:
        if x.dtype == dtype:
            return x
        found = tf.cast(x, dtype)
        _require_finite(found, name, f" as {dtype.name}")
        return found
    return whole(x, wanted, name) if wanted.is_integer or part else x


def _require_shape(shape: tuple[int, ...], declared: Any, what: str) -> None:
    if not shape or 0 in shape:
        raise NtkbenchError(f"{what} shape {list(shape)}; expected [N, ...] with at least one input.")
    if declared is None:
        return
    expected = list(declared.shape[1:])
    matches = [e is None or e == n for e, n in zip(expected, shape[1:], strict=False)]
    if len(expected) != len(shape) - 1 or not all(matches):
        raise NtkbenchError(f"{what} shape {list(shape)}; the model expects {axes(expected)}.")


def _require_finite(x: tf.Tensor, name: str, when: str) -> None:
    if x.dtype.is_floating and not np.isfinite(x.numpy()).all():
        finite = np.isfinite(x.numpy().reshape(len(x), -1)).all(1)
        raise NtkbenchError(
            f"Input {int(np.argmin(finite))} of {name} (of {len(x)}) contains NaN or infinity{when}; every entry must "
            "be finite."
        )

"""Snapshot a model's Python objects except for its weights: settings, activations, layers and functions they call."""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ..model import OPAQUE, is_stock

PLAIN = (bool, int, float, complex, str, bytes, type(None))
LARGE = 2**20  # bytes; arrays of at least this size are compared by identity
# Attributes that Keras sets on every layer and that decide how the layer computes; all other such attributes do not.
COMPUTES = frozenset({"_dtype_policy", "_functional", "_layers", "autocast", "call"})
TRAINING = frozenset(
    {
        "_compiled_trainable_state",
        "_eval_epoch_iterator",
        "history",
        "optimizer",
        "stop_evaluating",
        "stop_predicting",
        "stop_training",
    }
)


class Snapshot:
    """Current state of the objects that make up a model, keyed by their paths.

    Plain values and small arrays are compared by value, containers by their items. All other objects (variables,
    functions, layers, tensors) are compared by identity and, if user-defined, also by their attributes. Graph tensors
    are ignored: a model keeps them from its own tracing.
    """

    def __init__(self, model: Any):
        self.held: dict[tuple[Any, ...], Any] = {}
        self._contents: list[tuple[Callable[[], Collection[Any]], tuple[Any, ...]]] = []
        self._arrays: list[tuple[np.ndarray, Any]] = []
        self._kept: list[Any] = []  # keeps objects alive, so that their ids are not reused
        self._seen: set[int] = set()
        self._add((), model)
        self.held["keras.config",] = _config()

    def unchanged(self) -> bool:
        """Return True if the model's objects certainly are what they were; False if they have to be compared.

        Every container still holds the same objects. This takes a small fraction of the time of a new snapshot.
        """
        return (
            self.held["keras.config",] == _config()
            and all(array.tobytes() == held[2] for array, held in self._arrays)
            and all(_same(now(), then) for now, then in self._contents)
        )

    def differences(self, other: Snapshot) -> set[tuple[Any, ...]]:
        """Return the paths at which two snapshots of the same model differ."""
        mine, theirs = self.held, other.held
        if mine == theirs:
            return set()
        return {
            path for path in {*mine, *theirs} if path not in mine or path not in theirs or mine[path] != theirs[path]
        }

    def _add(self, path: tuple[Any, ...], value: Any) -> None:
        if isinstance(value, PLAIN):
            # repr, because NaN is not equal to itself
            self.held[path] = repr(value) if isinstance(value, float | complex) else (type(value), value)
            return
        if isinstance(value, tf.Tensor | keras.KerasTensor):
            eager = not isinstance(value, keras.KerasTensor) and not tf.is_symbolic_tensor(value)
            self.held[path] = id(value) if eager else type(value)
            if eager:
                self._kept.append(value)
            return
        if isinstance(value, np.ndarray) and value.nbytes < LARGE and value.dtype != object:
            self.held[path] = (value.shape, value.dtype.str, value.tobytes())
            self._arrays.append((value, self.held[path]))
            return
        self.held[path] = id(value)
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        self._kept.append(value)
        if (contents := _contents(value)) is not None:
            self._contents.append((contents, tuple(contents())))
        for name, inside in _inside(value):
            self._add((*path, name), inside)


def _same(now: Collection[Any], then: tuple[Any, ...]) -> bool:
    return len(now) == len(then) and all(map(operator.is_, now, then))


def _config() -> tuple[Any, ...]:
    return keras.config.epsilon(), keras.config.floatx(), keras.config.image_data_format()


def is_known(model: Any) -> bool:
    """Return whether a model consists only of Keras and ntkbench layers, so that a snapshot describes it completely."""
    layers = list(getattr(model, "_flatten_layers", list)())
    return bool(layers) and all(is_stock(each) and type(each).__name__ not in OPAQUE for each in layers)


def _inside(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield names and values inside an object that may affect the model's outputs."""
    if isinstance(value, Mapping):
        yield from ((("key", str(key)), each) for key, each in list(value.items()))
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, set | frozenset):
        yield "members", repr(sorted(map(repr, value)))
    elif isinstance(value, types.FunctionType):
        if not value.__module__.startswith(("keras.", "tensorflow.")):
            yield from ((("cell", i), _cell(cell)) for i, cell in enumerate(value.__closure__ or ()))
            yield "defaults", value.__defaults__
            yield "keyword defaults", value.__kwdefaults__
            yield from ((("global", name), value.__globals__[name]) for name in _globals(value))
    elif isinstance(value, types.MethodType):
        yield from (("function", value.__func__), ("self", value.__self__))
    elif isinstance(value, functools.partial):
        yield from (("function", value.func), ("args", value.args), ("keywords", value.keywords))
    elif isinstance(value, keras.layers.Layer):
        yield "class call", type(value).call
        yield from _own(value)
    elif _is_data(value):
        if not isinstance(value, tf.Module):
            yield "class call", vars(type(value)).get("__call__")
        yield from _own(value)


def _contents(value: Any) -> Callable[[], Collection[Any]] | None:
    """Return a function that returns the objects which `_inside` finds in a value now, None if they cannot change."""
    if isinstance(value, Mapping):
        return lambda: (*value, *value.values())
    if isinstance(value, list | set):
        return lambda: value
    if isinstance(value, types.FunctionType) and not value.__module__.startswith(("keras.", "tensorflow.")):
        cells, names, known = value.__closure__ or (), _globals(value), value.__globals__
        return lambda: (value.__defaults__, value.__kwdefaults__, *map(_cell, cells), *map(known.get, names))
    if isinstance(value, keras.layers.Layer) or _is_data(value):
        mine, kind = vars(value), type(value)
        names = [name for name in mine if _is_own(name, value)]
        classes = [vars(each) for each in kind.__mro__ if _is_users(each)]
        is_layer = isinstance(value, keras.layers.Layer)
        plain = [(each, name) for each in classes for name in each if isinstance(each[name], PLAIN)]
        return lambda: (
            *(mine.get(name) for name in names),
            *(each.get(name) for each, name in plain),
            *map(len, (mine, *classes)),
            kind.call if is_layer else vars(kind).get("__call__"),
        )
    return None


def _own(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of an object and its class, except for those internal to Keras and TensorFlow."""
    for name, each in list(vars(value).items()):
        if _is_own(name, value):
            yield name, each
    for kind in type(value).__mro__:
        if _is_users(kind):
            for name, each in list(vars(kind).items()):
                if not name.startswith("__") and isinstance(each, PLAIN):
                    yield f"{kind.__name__}.{name}", each


def _is_own(name: str, value: Any) -> bool:
    """Return whether an attribute of an object may affect what it computes."""
    keras_own = _keras_attributes() if isinstance(value, keras.layers.Layer) else frozenset()
    return name not in keras_own and not name.startswith(("_self_", "_ntkbench", "_tf_api", "_obj_reference"))


def _is_users(kind: type) -> bool:
    """Return whether a class belongs to neither Keras, TensorFlow, Python nor ntkbench."""
    return not kind.__module__.startswith(("keras.", "tensorflow.", "builtins", "ntkbench."))


@functools.cache
def _named_in(code: types.CodeType) -> frozenset[str]:
    """Return the global and attribute names that a function's code uses, nested functions included."""
    inside = (_named_in(each) for each in code.co_consts if isinstance(each, types.CodeType))
    return frozenset(code.co_names).union(*inside)


def _globals(function: types.FunctionType) -> list[str]:
    return sorted(_named_in(function.__code__) & function.__globals__.keys())


def _cell(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None


def _is_data(value: Any) -> bool:
    """Return whether to inspect an object's attributes: it is user-defined, and not a variable, class or module."""
    if isinstance(value, type | types.ModuleType | keras.Variable | tf.Variable) or not hasattr(value, "__dict__"):
        return False
    module = type(value).__module__
    return isinstance(value, tf.Module) or not module.startswith(("keras.", "tensorflow.", "numpy", "builtins", "_"))


@functools.cache
def _keras_attributes() -> frozenset[str]:
    """Return the names of the attributes that Keras sets on every called layer and every compiled model."""
    model = keras.Sequential([keras.layers.Identity()])
    model(np.zeros([1, 1]))
    model.compile()
    return frozenset({*vars(model), *vars(model.layers[0]), *TRAINING}) - COMPUTES

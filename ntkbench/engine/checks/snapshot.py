"""Snapshot a model's Python objects except for its weights: settings, activations, layers and functions they call."""

from __future__ import annotations

import functools
import operator
import sys
import sysconfig
import types
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

PLAIN = (bool, int, float, complex, str, bytes, type(None))
LARGE = 2**20  # bytes; arrays of at least this size are compared by identity
INSTALLED = frozenset({"site-packages", "dist-packages"})
# Objects that hold a function, and the attributes in which they hold it and its arguments.
WRAPPERS = (
    types.MethodType,
    functools.partial,
    property,
    staticmethod,
    classmethod,
    tf.types.experimental.PolymorphicFunction,
)
WRAPPED = ("__func__", "__self__", "func", "args", "keywords", "fget", "python_function")
SETUP = frozenset({"__init__", "__new__", "from_config", "get_config"})  # methods that no call runs
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


def _inside(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield names and values inside an object that may affect the model's outputs."""
    if isinstance(value, Mapping):
        yield from ((("key", str(key)), each) for key, each in list(value.items()))
    elif isinstance(value, list | tuple | deque):
        yield from enumerate(list(value))
    elif isinstance(value, set | frozenset):
        yield "members", repr(sorted(map(repr, value)))
    elif isinstance(value, types.FunctionType):
        yield from _read_by(value)
    elif isinstance(value, WRAPPERS):
        yield from ((name, getattr(value, name)) for name in WRAPPED if hasattr(value, name))
    elif isinstance(value, types.ModuleType) and _is_own_code(value):
        inside = [(name, each) for name, each in vars(value).items() if not name.startswith("__")]
        yield from ((name, each) for name, each in inside if not isinstance(each, type | types.ModuleType))
    if isinstance(value, keras.layers.Layer):
        yield "class call", type(value).call
        yield from _own(value)
    elif _is_data(value):
        if not isinstance(value, tf.Module):
            yield "class call", vars(type(value)).get("__call__")
        yield from _own(value)


def _contents(value: Any) -> Callable[[], Collection[Any]] | None:
    """Return a function that returns the objects which `_inside` finds in a value now, None if there are none."""
    if isinstance(value, keras.layers.Layer) and not any(map(_is_users, type(value).__mro__)):
        mine, kind = vars(value), type(value)
        names = [name for name in mine if _is_own(name, value)]
        return lambda: (*map(mine.get, names), len(mine), kind.call)
    if not _is_data(value):
        if isinstance(value, tuple | frozenset):
            return None
        if isinstance(value, Mapping):
            return lambda: (*value, *value.values())
        if isinstance(value, list | set | deque):
            return lambda: value
    return (lambda: tuple(each for _, each in _inside(value))) if any(_inside(value)) else None


def _own(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the attributes of an object and its classes, except for those internal to Keras and TensorFlow."""
    for name, each in list(getattr(value, "__dict__", {}).items()):
        if _is_own(name, value):
            yield name, each
    for kind in filter(_is_users, type(value).__mro__):
        for name, each in list(vars(kind).items()):
            if isinstance(each, types.MemberDescriptorType):
                if _is_own_code(kind):
                    yield name, getattr(value, name, None)  # a slot
            elif name.startswith("__"):
                if isinstance(each, types.FunctionType) and name not in SETUP and _is_own_code(kind):
                    yield (kind.__name__, name), each
            elif isinstance(each, PLAIN) or (name not in SETUP and _is_own_code(kind)):
                yield (kind.__name__, name), each


def _is_own(name: str, value: Any) -> bool:
    """Return whether an attribute of an object may affect what it computes."""
    keras_own = _keras_attributes() if isinstance(value, keras.layers.Layer) else frozenset()
    return name not in keras_own and not name.startswith(("_self_", "_ntkbench", "_tf_api", "_obj_reference"))


def _is_users(kind: type) -> bool:
    """Return whether a class belongs to neither Keras, TensorFlow, Python nor ntkbench."""
    return not kind.__module__.startswith(("keras.", "tensorflow.", "builtins", "ntkbench."))


def _is_own_code(value: type | types.ModuleType) -> bool:
    """Return whether a class or module is the user's own: not of Python, ntkbench or an installed package."""
    if isinstance(value, types.ModuleType):
        return not _is_installed(str(vars(value).get("__name__")), vars(value).get("__file__"))
    return not _is_installed(value.__module__, getattr(sys.modules.get(value.__module__), "__file__", None))


@functools.cache
def _is_installed(name: str, file: str | None) -> bool:
    if name.partition(".")[0] in ("keras", "ntkbench", "tensorflow") or name in sys.builtin_module_names:
        return True
    place = Path(file or "")
    return not INSTALLED.isdisjoint(place.parts) or place.is_relative_to(sysconfig.get_path("stdlib"))


def _read_by(function: types.FunctionType) -> Iterator[tuple[Any, Any]]:
    """Yield what a function reads besides its arguments: its closure, defaults, attributes and globals.

    Of users' modules and classes among these, it reads what its code names, such as CLIP in `config.CLIP`.
    """
    if (function.__module__ or "").startswith(("keras.", "tensorflow.")):
        return
    cells = list(map(_cell, function.__closure__ or ()))
    yield from ((("cell", i), each) for i, each in enumerate(cells))
    yield "defaults", function.__defaults__
    yield "keyword defaults", function.__kwdefaults__
    yield from ((name, each) for name, each in list(vars(function).items()) if not name.startswith(("_", "ag_")))
    names, known = _named_in(function.__code__), function.__globals__
    read = {("global", name): known[name] for name in sorted(names & known.keys())}
    yield from read.items()
    imported = [sys.modules[name] for name in names & sys.modules.keys()]
    for space in _namespaces([*cells, *read.values(), *imported], names):
        yield from (((space.__name__, name), vars(space)[name]) for name in sorted(names & vars(space).keys()))


def _namespaces(values: list[Any], names: frozenset[str]) -> list[type | types.ModuleType]:
    """Return the users' modules and classes among values, and those which have a name among `names` inside these."""
    found: list[type | types.ModuleType] = []
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        for each in value.__mro__ if isinstance(value, type) else [value]:
            if isinstance(each, type | types.ModuleType) and each not in found and _is_own_code(each):
                found.append(each)
                waiting += [vars(each)[name] for name in names & vars(each).keys()]
    return found


@functools.cache
def _named_in(code: types.CodeType) -> frozenset[str]:
    """Return the names and texts in a function's code, nested functions included: of globals, attributes and keys."""
    texts = (each for each in code.co_consts if isinstance(each, str))
    inside = (_named_in(each) for each in code.co_consts if isinstance(each, types.CodeType))
    return frozenset(code.co_names).union(texts, *inside)


def _cell(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None


def _is_data(value: Any) -> bool:
    """Return whether to inspect an object's attributes: it is user-defined, and not a variable, class or module."""
    if isinstance(value, type | types.ModuleType | keras.Variable | tf.Variable):
        return False
    if isinstance(value, tf.Module):
        return True
    if not hasattr(value, "__dict__") and not hasattr(value, "__slots__"):
        return False
    module = type(value).__module__
    return module == "__main__" or not module.startswith(("keras.", "tensorflow.", "numpy", "builtins", "_"))


@functools.cache
def _keras_attributes() -> frozenset[str]:
    """Return the names of the attributes that Keras sets on every called layer and every compiled model."""
    model = keras.Sequential([keras.layers.Identity()])
    model(np.zeros([1, 1]))
    model.compile()
    return frozenset({*vars(model), *vars(model.layers[0]), *TRAINING}) - COMPUTES

"""Build the model of a cell."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .. import layers  # noqa: F401, registers the layers so that Keras can load them from a saved model
from ..engine.model import dtype_policy
from ..engine.ops import isolated_settings
from ..errors import NtkbenchError
from ..nests import map_leaves
from ..registry.calling import call_with_known_names, recursion_limit_kept, takes, vocabulary_for
from ..registry.specs import SEED_BITS, Architecture
from ..seeds import seed_for
from ..types import Cell


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Seed Python's and NumPy's global generators, and restore their states afterwards.

    Random numbers drawn without an explicit seed are then reproducible. Keras's layers draw their default seeds from
    Python's generator.
    """
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def _building_in(precision: str) -> Iterator[None]:
    """Set Keras's default precision, for layers, variables and inputs whose code sets no dtype."""
    with isolated_settings(), dtype_policy(precision):
        keras.config.set_floatx(precision)
        yield


def build_model(
    entry: Architecture,
    cell: Cell,
    input_shape: Any,
    precision: str,
    *,
    vocabulary: int | None = None,
    example: Any = None,
) -> Any:
    """Return the model of a cell, built with Keras's default precision set and with the weights of the cell's seed.

    Saved models and code that sets a dtype keep their own precision; see `network_in`. The weights depend only on
    architecture, params, width and seed, even if the build function has no `seed` argument.

    Args:
        entry: The architecture.
        cell: The cell.
        input_shape: Shape of one input, or a nest of the shapes of its parts.
        precision: "float32" or "float64".
        vocabulary: Number of different tokens, if the dataset declares it.
        example: A nest of inputs, for models that are built by calling them on one.

    Returns:
        A Keras model, or a callable with `trainable_variables`.

    Raises:
        NtkbenchError: The build function returned something else.
    """
    seed = seed_of(cell)
    build = _loaded(entry)
    with _drawing_from(seed), _building_in(precision):
        if not takes(build, "seed"):
            # Only if needed: it discards TensorFlow's compiled functions, which costs the next cell about a second.
            tf.random.set_seed(seed)
        given = seed >> (SEED_BITS - entry.seed_bits)
        params = entry.resolve(cell.params)
        return _built(entry, build, int(cell.width), input_shape, precision, given, params, vocabulary, example)


def seed_of(cell: Cell) -> int:
    """Return the seed of the weights of a cell's model."""
    return seed_for("weights", cell.architecture, dict(cell.params), int(cell.width), cell.seed)


def build_with(
    entry: Architecture,
    width: int,
    input_shape: Any,
    precision: str,
    *,
    seed: int,
    params: Mapping[str, Any],
    vocabulary: int | None = None,
    example: Any = None,
) -> Any:
    """Return the model that the build function returns for exactly this seed, built as by `build_model`.

    Random numbers drawn without the seed come from the current states of Keras's, NumPy's and TensorFlow's generators.
    """
    build = _loaded(entry)
    with _building_in(precision):
        return _built(entry, build, width, input_shape, precision, seed, params, vocabulary, example)


def _loaded(entry: Architecture) -> Callable[..., Any]:
    """Return the build function. Random numbers and Keras settings of a file's first import do not affect any build."""
    with _drawing_from(0), isolated_settings(), recursion_limit_kept():
        return entry.load()


def first_sample(x: Any, precision: str) -> Any:
    """Return the first sample of a nest of arrays [N, ...], with its floating-point parts in a precision."""

    def first(part: np.ndarray) -> np.ndarray:
        return part[:1].astype(precision) if part.dtype.kind == "f" else part[:1]

    return map_leaves(first, x)


def _built(
    entry: Architecture,
    build: Callable[..., Any],
    width: int,
    input_shape: Any,
    precision: str,
    seed: int,
    params: Mapping[str, Any],
    vocabulary: int | None,
    example: Any,
) -> Any:
    given: dict[str, Any] = {"input_shape": input_shape, "outputs": entry.outputs, "seed": seed}
    given = {**given, **vocabulary_for(build, vocabulary), **params}
    model = call_with_known_names(build, width, **given)
    if not (callable(model) and hasattr(model, "trainable_variables")):
        raise NtkbenchError(
            f"{entry.name} built a {type(model).__name__}; a build function must return a Keras model, or a "
            "callable with trainable_variables."
        )
    if isinstance(model, keras.Model) and not model.built:
        model(np.zeros((1, *input_shape), precision) if example is None else first_sample(example, precision))
    return model

"""Building the model of a cell."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .. import layers  # noqa: F401, so that Keras can load them from a saved model
from ..engine.model import dtype_policy
from ..engine.ops import isolated_settings
from ..errors import NtkbenchError
from ..registry.calling import call_with_known_names, takes
from ..registry.specs import SEED_BITS, Architecture
from ..seeds import seed_for
from ..types import Cell


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Let what is drawn without a seed of its own follow from this one; Python's and NumPy's generators go on after.

    Keras's layers draw their seeds from Python's generator.
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
    """Let Keras build in a precision: layers, variables and inputs whose code names no type."""
    with isolated_settings(), dtype_policy(precision):
        keras.config.set_floatx(precision)
        yield


def build_model(entry: Architecture, cell: Cell, input_shape: tuple[int, ...], precision: str) -> Any:
    """Return the model of a cell, with the weights of its seed, as it is built where Keras builds in a precision.

    Code that names another precision, and saved models, have theirs: see `network_in`.

    Weights depend on architecture, params, width and seed only, also where the build function takes no seed.
    """
    seed = seed_for("weights", cell.architecture, dict(cell.params), cell.width, cell.seed)
    build = _loaded(entry)
    with _drawing_from(seed), _building_in(precision):
        if not takes(build, "seed"):
            # Only then: it throws away what TensorFlow has prepared of compiled functions, a second for the next cell.
            tf.random.set_seed(seed)
        given = seed >> (SEED_BITS - entry.seed_bits)
        return _built(entry, build, cell.width, input_shape, precision, given, cell.params)


def build_with(
    entry: Architecture,
    width: int,
    input_shape: tuple[int, ...],
    precision: str,
    *,
    seed: int,
    params: Mapping[str, Any],
) -> Any:
    """Return the model that the build function makes of this very seed, as `build_model` does.

    What it draws without the seed comes from wherever Keras, NumPy and TensorFlow are.
    """
    build = _loaded(entry)
    with _building_in(precision):
        return _built(entry, build, width, input_shape, precision, seed, params)


def _loaded(entry: Architecture) -> Callable[..., Any]:
    """Return the build function. What a file draws and sets when it is imported, once, is no part of any build."""
    with _drawing_from(0), isolated_settings():
        return entry.load()


def _built(
    entry: Architecture,
    build: Callable[..., Any],
    width: int,
    input_shape: tuple[int, ...],
    precision: str,
    seed: int,
    params: Mapping[str, Any],
) -> Any:
    given = {"input_shape": input_shape, "outputs": entry.outputs, "seed": seed, **params}
    model = call_with_known_names(build, width, **given)
    if not (callable(model) and hasattr(model, "trainable_variables")):
        raise NtkbenchError(
            f"{entry.name} built a {type(model).__name__}; a build function returns a Keras model, or a "
            "callable with trainable_variables."
        )
    if isinstance(model, keras.Model) and not model.built:
        model(np.zeros((1, *input_shape), precision))
    return model

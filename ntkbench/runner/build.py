"""Building the model of a cell."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .. import layers as layers  # so that Keras knows them in a saved model
from ..engine.casting import dtype_policy, in_precision
from ..errors import NtkbenchError
from ..plan.seeds import seed_for
from ..registry.calling import call_with_known_names, takes
from ..registry.specs import Architecture
from ..types import Cell


@contextmanager
def _drawing_from(seed: int, tensorflow: bool) -> Iterator[None]:
    """Let what is drawn without a seed of its own follow from this one; Python's and NumPy's generators go on after.

    Keras's layers draw their seeds from Python's generator. TensorFlow's own is set where asked: that throws away what
    TensorFlow has prepared of compiled functions, a second for the next cell.
    """
    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if tensorflow:
        tf.random.set_seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def build_model(entry: Architecture, cell: Cell, input_shape: tuple[int, ...], precision: str) -> Any:
    """Return the model of a cell, with the weights of its seed, in the asked precision.

    Weights depend on architecture, params, width and seed only, also where the build function takes no seed.
    """
    seed = seed_for("weights", cell.architecture, dict(cell.params), cell.width, cell.seed)
    with _drawing_from(seed, tensorflow=not takes(entry.load(), "seed")):
        return build_with(entry, cell.width, input_shape, precision, seed=seed, params=cell.params)


def build_with(
    entry: Architecture,
    width: int,
    input_shape: tuple[int, ...],
    precision: str,
    *,
    seed: int,
    params: Mapping[str, Any],
) -> Any:
    """Return the model that the build function makes of this very seed, built and in the asked precision.

    What it draws without the seed comes from wherever Keras, NumPy and TensorFlow are. Raises NtkbenchError for what is
    not a model.
    """
    with dtype_policy(precision):
        given = {"input_shape": input_shape, "outputs": entry.outputs, "seed": seed, **params}
        model = call_with_known_names(entry.load(), width, **given)
        if not (callable(model) and hasattr(model, "trainable_variables")):
            raise NtkbenchError(
                f"{entry.name} built a {type(model).__name__}; a build function returns a Keras model, or a "
                "callable with trainable_variables."
            )
        if isinstance(model, keras.Model) and not model.built:
            model(np.zeros((1, *input_shape), precision))
    return in_precision(model, precision)

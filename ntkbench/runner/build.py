"""Building the model of a cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import layers as layers  # so that Keras knows them in a saved model
from ..engine.casting import dtype_policy, in_precision
from ..errors import NtkbenchError
from ..plan.seeds import seed_for
from ..registry.calling import call_with_known_names
from ..registry.specs import Architecture
from ..types import Cell


def build_model(entry: Architecture, cell: Cell, input_shape: tuple[int, ...], precision: str) -> Any:
    """Return the model of a cell, with the weights of its seed, in the asked precision.

    Weights depend on architecture, params, width and seed only.
    """
    params: Mapping[str, Any] = cell.params
    seed = seed_for("weights", cell.architecture, dict(params), cell.width, cell.seed)
    with dtype_policy(precision):
        model = call_with_known_names(
            entry.load(), cell.width, input_shape=input_shape, outputs=entry.outputs, seed=seed, **params
        )
    if not (callable(model) and hasattr(model, "trainable_variables")):
        raise NtkbenchError(
            f"{cell.architecture} built a {type(model).__name__}; a build function returns a Keras model, or a "
            "callable with trainable_variables."
        )
    return in_precision(model, precision)

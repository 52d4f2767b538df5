"""Measure a model in the coordinates of its own initialisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from ..engine.model import InUnits
from ..engine.redraw import calibrate, initial_units, redraw as drawn_again
from ..errors import NtkbenchError
from ..plan.data import load_data
from ..registry.specs import Dataset

BATCH = 64
"""Inputs at which BatchNormalization is calibrated. With fewer, the last layers of a network would see few numbers."""
_KNOWN = "_ntkbench_in_units"


def in_coordinates(model: Any, inputs: Callable[[], Any], *, units: str, redraw: str, seed: int) -> Any:
    """Return a model with weights drawn again and in units of its initial weights, as requested.

    Args:
        model: A built model. Its weights are changed.
        inputs: Returns the batch [N, ...] at which BatchNormalization is calibrated when the weights are drawn again.
        units: "init", or "" for the model's own units.
        redraw: "fan-in", or "" for the model's own weights.
        seed: Seed of the weights that are drawn.

    Raises:
        NtkbenchError: The model is not a Keras model, or how to draw a weight is not known.
    """
    if not units and not redraw:
        return model
    if not isinstance(model, keras.Model):
        option = "--redraw" if redraw else "--units"
        raise NtkbenchError(f"{option} needs a Keras model, got a {type(model).__name__}. Omit {option}.")
    if redraw:
        found = drawn_again(model, seed)
        calibrate(model, inputs)
        return InUnits(model, found) if units else model
    # A function may return the same model each time, whose weights are divided by their units already.
    known = vars(model).get(_KNOWN)
    if known is None:
        known = vars(model)[_KNOWN] = InUnits(model, initial_units(model))
    return known


def batch_of(dataset: Dataset, params: Mapping[str, Any], form: str, seed: int, x: Any) -> Callable[[], Any]:
    """Return the function that returns BATCH inputs of a dataset, or the probes x if it does not have so many."""

    def inputs() -> Any:
        try:
            return load_data(dataset, params, form=form, n=max(BATCH, len(keras.tree.flatten(x)[0])), seed=seed)[0]
        except NtkbenchError:
            return x

    return inputs

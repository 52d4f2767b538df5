"""Copies of a Keras model, in another precision or on another device."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import keras

from ..errors import NtkbenchError


@contextlib.contextmanager
def dtype_policy(precision: str) -> Iterator[None]:
    """Let Keras build layers of this precision while the scope lasts."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def in_precision(model: Any, precision: str) -> Any:
    """Return the model itself when its weights have this precision, otherwise a copy with the same weights that does.

    Raises NtkbenchError for models that cannot be rebuilt from their configuration.
    """
    if not isinstance(model, keras.Model):
        found = {getattr(v.dtype, "name", v.dtype) for v in model.trainable_variables}
        if found != {precision}:
            raise NtkbenchError(f"The model computes in {', '.join(sorted(found))} and only Keras models can be cast.")
        return model
    if {v.dtype for v in model.variables if "float" in v.dtype} <= {precision}:
        return model
    other = "float64" if precision == "float32" else "float32"
    try:
        return _rebuilt(model, precision, replacing=other)
    except Exception as error:
        raise NtkbenchError(
            f"The model could not be rebuilt in {precision}: {_reason(error)}. "
            f"Build it in {precision}, or run it in {other}."
        ) from error


def copied(model: Any) -> Any:
    """Return another model with the same weights, on the device of the scope.

    Raises NtkbenchError for models that cannot be rebuilt from their configuration.
    """
    if not isinstance(model, keras.Model):
        raise NtkbenchError(
            f"Only Keras models can be copied to several devices, and this is a {type(model).__name__}."
        )
    try:
        copy = _rebuilt(model, next((v.dtype for v in model.variables if "float" in v.dtype), "float32"))
    except Exception as error:
        raise NtkbenchError(f"The model could not be copied to several devices: {_reason(error)}.") from error
    for ours, theirs in zip(model.variables, copy.variables, strict=True):
        theirs.trainable = ours.trainable
    return copy


def _rebuilt(model: Any, precision: str, replacing: str | None = None) -> Any:
    """Return a model made anew from its configuration, with the same weights. replacing: a type in it."""
    text = json.dumps(keras.saving.serialize_keras_object(model))
    if replacing is not None:
        text = text.replace(f'"{replacing}"', f'"{precision}"')
    with dtype_policy(precision):
        copy = keras.saving.deserialize_keras_object(json.loads(text))
        copy.set_weights(model.get_weights())
    return copy


def _reason(error: Exception) -> str:
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message").rstrip(".")
    return f"{type(error).__name__}: {reason}"

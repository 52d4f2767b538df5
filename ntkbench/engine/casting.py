"""A Keras model in another precision."""

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
        text = json.dumps(keras.saving.serialize_keras_object(model)).replace(f'"{other}"', f'"{precision}"')
        with dtype_policy(precision):
            copy = keras.saving.deserialize_keras_object(json.loads(text))
            copy.set_weights(model.get_weights())
    except Exception as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message").rstrip(".")
        raise NtkbenchError(
            f"The model could not be rebuilt in {precision}: {type(error).__name__}: {reason}. "
            f"Build it in {precision}, or run it in {other}."
        ) from error
    return copy

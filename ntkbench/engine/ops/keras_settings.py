"""Keras's global settings while models are built and measured: the same on every machine, whatever keras.json says."""

from __future__ import annotations

from collections.abc import Iterator

import keras

from .scopes import shared

EPSILON = 1e-7
FLOATX = "float32"
IMAGE_DATA_FORMAT = "channels_last"


@shared
def keras_settings() -> Iterator[None]:
    """Set Keras's own defaults, and restore what the user had on leaving.

    They are image_data_format, floatx, epsilon and the dtype policy that follows from floatx. The precision that is
    asked for comes on top (`dtype_policy`).
    """
    config = keras.config
    before = config.image_data_format(), config.floatx(), config.epsilon(), config.dtype_policy()
    _set(IMAGE_DATA_FORMAT, FLOATX, EPSILON, FLOATX)
    try:
        yield
    finally:
        _set(*before)


def _set(image_data_format: str, floatx: str, epsilon: float, policy: object) -> None:
    keras.config.set_image_data_format(image_data_format)
    keras.config.set_floatx(floatx)
    keras.config.set_epsilon(epsilon)
    keras.config.set_dtype_policy(policy)

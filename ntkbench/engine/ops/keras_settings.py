"""Fix the global settings of Keras and TensorFlow while models are built and measured, for reproducible results."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from .scopes import shared

EPSILON = 1e-7
FLOATX = "float32"
IMAGE_DATA_FORMAT = "channels_last"


def _settings() -> Iterator[None]:
    config, tensor_float_32 = keras.config, tf.config.experimental.tensor_float_32_execution_enabled()
    without_optimizer = tf.config.optimizer.get_experimental_options()["disable_meta_optimizer"]
    before = config.image_data_format(), config.floatx(), config.epsilon(), config.dtype_policy()
    eager = tf.config.functions_run_eagerly()
    _set(IMAGE_DATA_FORMAT, FLOATX, EPSILON, FLOATX)
    tf.config.run_functions_eagerly(False)
    if not tf.config.get_visible_devices("GPU"):
        _skip_graph_optimizer(True)
    try:
        with np.errstate():
            yield
    finally:
        _set(*before)
        tf.config.run_functions_eagerly(eager)
        _skip_graph_optimizer(without_optimizer)
        tf.config.experimental.enable_tensor_float_32_execution(tensor_float_32)


@shared
def keras_settings() -> Iterator[None]:
    """Use Keras's default settings inside the block, and restore the user's settings afterwards.

    The settings are image_data_format, floatx, epsilon, the dtype policy that follows from floatx, and compiled (not
    eager) functions. A requested precision is set separately, by `dtype_policy`. TensorFloat-32 and NumPy's error
    handling are restored too.

    On CPUs, TensorFlow's graph optimizer is skipped: for small networks it costs more time than it saves, and it does
    not always turn the same function into the same graph, so that sums of many terms differ in their last bit.
    """
    yield from _settings()


@contextlib.contextmanager
def isolated_settings() -> Iterator[None]:
    """Apply `keras_settings` even when nested inside it, so that settings changed in the block end with the block."""
    yield from _settings()


def _skip_graph_optimizer(skip: bool) -> None:
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": skip})


def _set(image_data_format: str, floatx: str, epsilon: float, policy: object) -> None:
    keras.config.set_image_data_format(image_data_format)
    keras.config.set_floatx(floatx)
    keras.config.set_epsilon(epsilon)
    keras.config.set_dtype_policy(policy)
